/** Chunks as a bounded number of cells. */

import type { ChunkState, ChunkStatus } from './api/types.ts'

export const MOST_CELLS = 600

/** One cell of the map: a run of chunks, in the colour of the one that is least far. */
export interface Cell {
  first: number
  last: number
  state: ChunkState
  /** Chunks of the cell in that state. */
  count: number
}

const FARTHEST_LAST: readonly ChunkState[] = ['failed', 'stored', 'announced', 'relayed', 'landed', 'cleaned']

/** Return at most `most` cells, in the order of the chunks; each stands for as many of them, but for the last. */
export function cellsOf(chunks: ChunkStatus[], most: number = MOST_CELLS): Cell[] {
  const perCell = Math.max(1, Math.ceil(chunks.length / most))
  const cells: Cell[] = []
  for (let start = 0; start < chunks.length; start += perCell) {
    const cell = cellOf(chunks.slice(start, start + perCell))
    if (cell) cells.push(cell)
  }
  return cells
}

function cellOf(chunks: ChunkStatus[]): Cell | null {
  const [first, last] = [chunks[0], chunks.at(-1)]
  if (!first || !last) return null
  const state = FARTHEST_LAST.find((each) => chunks.some((chunk) => chunk.state === each)) ?? first.state
  const count = chunks.filter((chunk) => chunk.state === state).length
  return { first: first.chunk_id, last: last.chunk_id, state, count }
}

/** Chunks that failed for the same reason. */
export interface Failure {
  error: string
  chunks: number[]
}

/** Return the reasons for which chunks failed, the most frequent first. */
export function failuresOf(chunks: ChunkStatus[]): Failure[] {
  const byError = new Map<string, number[]>()
  for (const chunk of chunks) {
    if (chunk.state !== 'failed') continue
    const error = chunk.error ?? ''
    byError.set(error, [...(byError.get(error) ?? []), chunk.chunk_id])
  }
  return [...byError].map(([error, ids]) => ({ error, chunks: ids })).sort((a, b) => b.chunks.length - a.chunks.length)
}
