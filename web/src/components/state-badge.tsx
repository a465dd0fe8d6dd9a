import type { ChunkState, Status } from '../api/types.ts'

/** The state of an upload or a chunk: its word, and a colour beside it. */
export function StateBadge({ state }: { state: Status | ChunkState }) {
  return <span class={`badge badge-${state}`}>{state}</span>
}
