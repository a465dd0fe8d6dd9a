import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cellsOf, failuresOf, MOST_CELLS } from '../src/chunk-cells.ts'
import { aChunk } from './support.ts'

const chunks = (count: number) => Array.from({ length: count }, (_, index) => aChunk(index + 1, { state: 'landed' }))

test('a few chunks have a cell each', () => {
  assert.deepEqual(cellsOf(chunks(2), 10), [
    { first: 1, last: 1, state: 'landed', count: 1 },
    { first: 2, last: 2, state: 'landed', count: 1 },
  ])
})

test('many thousands of chunks have a bounded number of cells, and none is left out', () => {
  const cells = cellsOf(chunks(100_001))
  assert.ok(cells.length <= MOST_CELLS)
  assert.equal(cells[0]?.first, 1)
  assert.equal(cells.at(-1)?.last, 100_001)
  for (const [index, cell] of cells.slice(1).entries()) assert.equal(cell.first, (cells[index]?.last ?? 0) + 1)
})

test('a cell shows the chunk that is least far', () => {
  const mixed = chunks(4)
  mixed[1] = aChunk(2, { state: 'relayed' })
  mixed[3] = aChunk(4, { state: 'failed' })
  assert.deepEqual(
    cellsOf(mixed, 2).map((cell) => [cell.state, cell.count]),
    [
      ['relayed', 1],
      ['failed', 1],
    ],
  )
})

test('no chunks have no cells', () => {
  assert.deepEqual(cellsOf([]), [])
})

test('failures are grouped by reason, the most frequent first', () => {
  const failed = (id: number, error: string) => aChunk(id, { state: 'failed', error })
  const all = [failed(1, 'once'), failed(2, 'often'), aChunk(3, { state: 'landed' }), failed(4, 'often')]
  assert.deepEqual(failuresOf(all), [
    { error: 'often', chunks: [2, 4] },
    { error: 'once', chunks: [1] },
  ])
})
