/** Numbers of an upload's chunks, and lists of uploads that follow events. */

import { CHUNK_STATES, type UploadSummary } from './api/types.ts'
import type { UploadFilter } from './api/uploads.ts'
import { formatCount } from './format/numbers.ts'

/** Number of chunks in the bucket. */
export function landedChunks({ chunk_counts: counts }: Pick<UploadSummary, 'chunk_counts'>): number {
  return (counts.landed ?? 0) + (counts.cleaned ?? 0)
}

/** The number of chunks by state, in the order of a chunk's life: `3 announced, 1 landed`. */
export function describeStates({ chunk_counts: counts }: Pick<UploadSummary, 'chunk_counts'>): string {
  return CHUNK_STATES.filter((state) => counts[state])
    .map((state) => `${formatCount(counts[state] ?? 0)} ${state}`)
    .join(', ')
}

/**
 * Return `uploads` after the news of one of them.
 *
 * A new upload goes to the top of the first page, which grows: what fell off its end would be on no page, because the next
 * one begins where this one ended when it was loaded. What the filter no longer matches, leaves.
 */
export function mergeUpload(
  uploads: UploadSummary[],
  news: UploadSummary,
  { filter, isFirstPage }: { filter: UploadFilter; isFirstPage: boolean },
): UploadSummary[] {
  const isWanted = matches(news, filter)
  const isKnown = uploads.some((each) => each.upload_id === news.upload_id)
  if (!isWanted) return isKnown ? uploads.filter((each) => each.upload_id !== news.upload_id) : uploads
  if (isKnown) return uploads.map((each) => (each.upload_id === news.upload_id ? news : each))
  if (!isFirstPage) return uploads
  return [...uploads, news].sort((a, b) => (a.created_at < b.created_at ? 1 : -1))
}

function matches(upload: UploadSummary, { dataset, status }: UploadFilter): boolean {
  return (dataset === '' || upload.dataset_name === dataset) && (status === '' || upload.status === status)
}
