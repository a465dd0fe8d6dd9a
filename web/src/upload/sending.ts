/** A file on its way to the service. */

import type { Problem } from '../api/types.ts'

export type SendState = 'waiting' | 'sending' | 'retrying' | 'paused' | 'finishing' | 'done' | 'failed'

export interface Sending {
  id: string
  name: string
  dataset: string
  sizeBytes: number
  sentBytes: number
  /** Where an earlier upload of the file had stopped; 0 if it is sent from the start. */
  resumedAt: number
  bytesPerSecond: number | null
  secondsLeft: number | null
  state: SendState
  uploadId: string | null
  problem: Problem | null
}

/** Return whether bytes of it are still to be sent. */
export function isActive({ state }: Sending): boolean {
  return state !== 'done' && state !== 'failed'
}

/** Return whether a refusal is about the file or its fields, so that the same bytes would be refused again. */
export function isFinalRefusal(status: number): boolean {
  return [400, 410, 413, 415, 422].includes(status)
}

/**
 * Return whether the answer to the question for the offset says nothing about the upload.
 *
 * tus-js-client would begin a new upload after each answer but 2xx and 423, also while the service starts or after the
 * session has ended, and what was sent before would be sent again.
 */
export function saysNothing(status: number): boolean {
  return status >= 500 || [401, 403, 408, 429].includes(status)
}
