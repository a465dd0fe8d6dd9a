import type { ChunkStatus, UploadSummary } from '../src/api/types.ts'

/** An upload of which only the given members matter. */
export function anUpload(members: Partial<UploadSummary> = {}): UploadSummary {
  return {
    upload_id: '0'.repeat(32),
    dataset_name: 'flights',
    source_filename: 'flights.csv',
    status: 'announced',
    created_at: '2026-01-31T12:00:00Z',
    chunked_at: '2026-01-31T12:00:01Z',
    announced_at: null,
    landed_at: null,
    row_count: 10,
    accepted_deviations: null,
    size_bytes: 100,
    sha256: 'f'.repeat(64),
    compression: null,
    total_chunks: 1,
    chunk_counts: {},
    error: null,
    ...members,
  }
}

/** A chunk of which only the given members matter. */
export function aChunk(id: number, members: Partial<ChunkStatus> = {}): ChunkStatus {
  return {
    chunk_id: id,
    filename: `part-${id}.csv`,
    state: 'stored',
    row_count: 1,
    row_start: id,
    row_end: id,
    size_bytes: 10,
    sha256: 'f'.repeat(64),
    attempts: 1,
    announced_at: null,
    relayed_at: null,
    landed_at: null,
    error: null,
    ...members,
  }
}
