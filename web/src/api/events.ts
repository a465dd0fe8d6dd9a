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

/**
 * Listen until the returned function is called, and while the page is visible.
 *
 * A browser has six connections to a service, for all its tabs together: a hidden tab must not keep one.
 */
export function listen(filter: EventFilter, handlers: EventHandlers): () => void {
  let source: EventSource | null = null
  const follow = () => {
    source?.close()
    source = document.hidden ? null : open(filter, handlers)
  }
  follow()
  document.addEventListener('visibilitychange', follow)
  return () => {
    document.removeEventListener('visibilitychange', follow)
    source?.close()
  }
}

function open(filter: EventFilter, handlers: EventHandlers): EventSource {
  const source = new EventSource(addressOf('events', { ...filter }))
  source.addEventListener('ready', () => handlers.onReady())
  source.addEventListener('upload', (event) => handlers.onUpload(JSON.parse(event.data) as UploadSummary))
  source.addEventListener('error', () => handlers.onBroken(source.readyState !== EventSource.CLOSED))
  return source
}
