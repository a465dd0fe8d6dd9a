import { request } from './client.ts'
import type { Preview } from './types.ts'

export interface PreviewQuery {
  filename: string
  dataset_name: string
  delimiter: string
  encoding: string
  strict: string
}

/** What an upload would say of the beginning of a file. */
export const previewFile = (file: File, query: PreviewQuery, mostBytes: number, signal: AbortSignal) =>
  request<Preview>('preview', {
    method: 'POST',
    query: { ...query, complete: file.size <= mostBytes ? 'true' : 'false' },
    body: file.slice(0, mostBytes),
    signal,
  })
