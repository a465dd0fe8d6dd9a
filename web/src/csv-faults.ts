/** The faults of a CSV, as previews and refusals name them. */

import type { PreviewFault } from './api/types.ts'
import { texts } from './texts.ts'

/** Faults, and the number of all by kind. */
export interface Faults {
  faults: PreviewFault[]
  counts: Record<string, number>
}

/** Return the faults in a problem document of an upload, or null if it is about something else. */
export function faultsIn(problem: Record<string, unknown>): Faults | null {
  const { faults, fault_counts: counts } = problem
  if (!Array.isArray(faults) || typeof counts !== 'object' || counts === null) return null
  return { faults: faults.map(readFault), counts: counts as Record<string, number> }
}

function readFault(fault: Record<string, unknown>): PreviewFault {
  const reason = texts.preview.expected(String(fault.expected), String(fault.found))
  return { row: Number(fault.row), byte: Number(fault.byte), code: String(fault.reason), reason }
}

/**
 * Return what is wrong in a place, without the place, and without the hints that are for users of the API (`send strict=false
 * before the file`): the page has fields for these.
 */
export function plainReason({ reason }: PreviewFault): string {
  const [, fault = reason, hints = ''] = /^(?:(?:header|row \d+), byte \d+: )?(.*?)(?: \((.*)\))?$/s.exec(reason) ?? []
  const kept = hints.split('; ').filter((hint) => hint !== '' && !/before the file|^without it, /.test(hint))
  return kept.length > 0 ? `${fault} (${kept.join('; ')})` : fault
}
