import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UploadStatus } from '../src/api/types.ts'
import { stepsOf } from '../src/upload-steps.ts'
import { aChunk, anUpload } from './support.ts'

function withChunks(...chunks: UploadStatus['chunks']): UploadStatus {
  return { ...anUpload({ total_chunks: chunks.length }), final: false, chunks }
}

test('a step is done when every chunk has taken it', () => {
  const steps = stepsOf(withChunks(aChunk(1, { state: 'landed' }), aChunk(2, { state: 'announced' })))
  assert.deepEqual(
    steps.map(({ name, chunks, isDone }) => [name, chunks, isDone]),
    [
      ['received', 2, true],
      ['announced', 2, true],
      ['relayed', 1, false],
      ['landed', 1, false],
    ],
  )
})

test('a failed chunk has only been received', () => {
  const steps = stepsOf(withChunks(aChunk(1, { state: 'failed', announced_at: '2026-01-31T12:00:00Z' })))
  assert.deepEqual(
    steps.map((step) => step.chunks),
    [1, 0, 0, 0],
  )
  assert.equal(steps[1]?.at, null)
})

test('the time of a step is that of its last chunk', () => {
  const announced = (id: number, at: string) => aChunk(id, { state: 'announced', announced_at: at })
  const steps = stepsOf(withChunks(announced(1, '2026-01-31T12:00:09Z'), announced(2, '2026-01-31T12:00:03.5Z')))
  assert.equal(steps[1]?.at, '2026-01-31T12:00:09Z')
})
