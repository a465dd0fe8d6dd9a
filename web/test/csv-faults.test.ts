import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultsIn, plainReason } from '../src/csv-faults.ts'

const withReason = (reason: string) => plainReason({ row: 1, byte: 2, code: 'ragged_row', reason })

test('the place and the hints for users of the API are left out', () => {
  const reason =
    "row 6, byte 138: expected 3 fields, found 4 fields (it was read with the delimiter ','; if that is wrong, send " +
    'delimiter=... before the file; to accept such rows, send strict=false before the file)'
  assert.equal(withReason(reason), "expected 3 fields, found 4 fields (it was read with the delimiter ',')")
})

test('other hints and line ends stay', () => {
  assert.equal(
    withReason('header, byte 0: expected CSV text, found a\nZIP (unpack it)'),
    'expected CSV text, found a\nZIP (unpack it)',
  )
  assert.equal(withReason('something (else)'), 'something (else)')
})

test('a refusal names its faults', () => {
  const place = { reason: 'ragged_row', row: 6, byte: 138, expected: '3 fields', found: '4 fields' }
  assert.deepEqual(faultsIn({ faults: [place], fault_counts: { ragged_row: 1 } }), {
    faults: [{ row: 6, byte: 138, code: 'ragged_row', reason: 'expected 3 fields, found 4 fields' }],
    counts: { ragged_row: 1 },
  })
})

test('a refusal for another reason has no faults', () => {
  assert.equal(faultsIn({ code: 'invalid_field' }), null)
  assert.equal(faultsIn({ code: 'invalid_request', faults: [{ field: 'a' }] }), null)
})
