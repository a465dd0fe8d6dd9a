/** The way of an upload: received, announced, relayed, landed. */

import type { ChunkState, ChunkStatus, UploadStatus } from './api/types.ts'

export const STEPS = ['received', 'announced', 'relayed', 'landed'] as const
export type StepName = (typeof STEPS)[number]

export interface Step {
  name: StepName
  /** Chunks that have come this far. */
  chunks: number
  isDone: boolean
  /** When the last chunk came this far, or null while one has not. */
  at: string | null
}

const REACHED: Record<StepName, ReadonlySet<ChunkState>> = {
  received: new Set(['stored', 'announced', 'relayed', 'landed', 'cleaned', 'failed']),
  announced: new Set(['announced', 'relayed', 'landed', 'cleaned']),
  relayed: new Set(['relayed', 'landed', 'cleaned']),
  landed: new Set(['landed', 'cleaned']),
}

/** Return the steps of an upload, each with the number of chunks that have taken it. */
export function stepsOf(upload: UploadStatus): Step[] {
  return STEPS.map((name) => {
    const chunks = upload.chunks.filter((chunk) => REACHED[name].has(chunk.state)).length
    const isDone = chunks === upload.total_chunks
    return { name, chunks, isDone, at: isDone ? timeOf(name, upload) : null }
  })
}

function timeOf(name: StepName, upload: UploadStatus): string | null {
  switch (name) {
    case 'received':
      return upload.chunked_at
    case 'announced':
      return latest(upload.chunks, 'announced_at')
    case 'relayed':
      return latest(upload.chunks, 'relayed_at')
    case 'landed':
      return upload.landed_at ?? latest(upload.chunks, 'landed_at')
  }
}

function latest(chunks: ChunkStatus[], member: 'announced_at' | 'relayed_at' | 'landed_at'): string | null {
  return chunks.reduce<string | null>((last, chunk) => {
    const at = chunk[member]
    return at !== null && (last === null || new Date(at) > new Date(last)) ? at : last
  }, null)
}
