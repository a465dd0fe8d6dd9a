/** The bodies of the uploader's HTTP API that the page uses. `docs/openapi.json` describes them. */

export const STATUSES = ['awaiting_kafka', 'announced', 'landing', 'landed', 'failed', 'aborted'] as const
export type Status = (typeof STATUSES)[number]

export const CHUNK_STATES = ['stored', 'announced', 'relayed', 'landed', 'cleaned', 'failed'] as const
export type ChunkState = (typeof CHUNK_STATES)[number]

export type Permission = 'upload' | 'read' | 'relay' | 'operate' | 'admin'

export interface Problem {
  title: string
  status: number
  detail: string
  code: string
  [member: string]: unknown
}

export interface KeyOfCaller {
  name: string
  permissions: string[]
  datasets: string[]
  max_file_size_mb: number | null
  expires_at: string | null
}

export type ChunkType = 'size' | 'rows' | 'count'

export interface SessionLimits {
  max_file_size_mb: number
  max_chunks: number
  chunk_type: ChunkType
  chunk_size_mb: number
  chunk_rows: number
  preview_bytes: number
  resumable_expiry_hours: number
}

export interface Session {
  access: 'open' | 'keys'
  key: KeyOfCaller | null
  limits: SessionLimits
  version: string
}

export interface AcceptedDeviations {
  surplus_empty_cells: number
  blank_last_lines: number
}

export interface UploadSummary {
  upload_id: string
  dataset_name: string
  source_filename: string
  status: Status
  created_at: string
  chunked_at: string
  announced_at: string | null
  landed_at: string | null
  row_count: number
  accepted_deviations: AcceptedDeviations | null
  size_bytes: number
  sha256: string
  compression: 'gzip' | 'zstd' | null
  total_chunks: number
  chunk_counts: Partial<Record<ChunkState, number>>
  error: string | null
}

export interface ChunkStatus {
  chunk_id: number
  filename: string
  state: ChunkState
  row_count: number
  row_start: number
  row_end: number
  size_bytes: number
  sha256: string
  attempts: number
  announced_at: string | null
  relayed_at: string | null
  landed_at: string | null
  error: string | null
}

export interface UploadStatus extends UploadSummary {
  final: boolean
  chunks: ChunkStatus[]
}

export interface UploadPage {
  uploads: UploadSummary[]
  next_cursor: string | null
}

export interface DatasetSummary {
  name: string
  uploads: number
  landed: number
  failed: number
  rows: number
  size_bytes: number
  last_upload: UploadSummary
}

export interface DatasetList {
  datasets: DatasetSummary[]
  next_cursor: string | null
}

export interface SchemaChange {
  upload_id: string
  created_at: string
  added: string[]
  removed: string[]
  reordered: boolean
}

export interface DatasetDetail extends DatasetSummary {
  header: string[]
  changes: SchemaChange[]
}

export interface PreviewDialect {
  delimiter: string
  encoding: string
  line_ending: string | null
  bom: boolean
  quoted: boolean
}

export interface PreviewFault {
  row: number
  byte: number
  code: string
  reason: string
}

export interface Preview {
  dialect: PreviewDialect | null
  compression: 'gzip' | 'zstd' | null
  header: string[]
  rows: string[][]
  row_count: number
  complete: boolean
  faults: PreviewFault[]
  fault_counts: Record<string, number>
  deviations: AcceptedDeviations | null
  drift: SchemaChange | null
}

export interface FirstRows {
  header: string[]
  rows: string[][]
  row_count: number
}

export interface Reader {
  name: string
  language: string
  statement: string
  notes: string[]
}

export interface Readers {
  readers: Reader[]
  notes: string[]
}

export interface Link {
  kind: string
  label: string
  href: string
}
