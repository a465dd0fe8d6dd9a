/** Changes of uploads, as the uploader sends them while they happen. */

import { addressOf } from './client.ts'
import type { UploadSummary } from './types.ts'

export interface EventFilter {
  dataset?: string
  upload_id?: string
}

export interface EventHandlers {
  /** The stream has begun, or begun again: what happened before has to be asked for. */
  onReady: () => void
  onUpload: (upload: UploadSummary) => void
  /** There is no stream; `willRetry` says whether the browser opens another one by itself. */
  onBroken: (willRetry: boolean) => void
}

/** Listen until the returned function is called. */
export function listen(filter: EventFilter, handlers: EventHandlers): () => void {
  const source = new EventSource(addressOf('events', { ...filter }))
  source.addEventListener('ready', () => handlers.onReady())
  source.addEventListener('upload', (event) => handlers.onUpload(JSON.parse(event.data) as UploadSummary))
  source.addEventListener('error', () => handlers.onBroken(source.readyState !== EventSource.CLOSED))
  return () => source.close()
}
