import assert from 'node:assert/strict'
import { test } from 'node:test'
import { counted, formatBytes, formatRate } from '../src/format/numbers.ts'
import { formatDuration, formatUtc, secondsBetween } from '../src/format/times.ts'

test('sizes are those of the command line', () => {
  assert.equal(formatBytes(0), '0 B')
  assert.equal(formatBytes(104_856), '104,856 B')
  assert.equal(formatBytes(104_857), '0.1 MiB')
  assert.equal(formatBytes(31_037_849), '29.6 MiB')
  assert.equal(formatBytes(1024 ** 3), '1.00 GiB')
  assert.equal(formatRate(64_592_281), '61.6 MiB/s')
})

test('one thing is singular', () => {
  assert.equal(counted(1, 'row'), '1 row')
  assert.equal(counted(0, 'row'), '0 rows')
  assert.equal(counted(1234, 'row'), '1,234 rows')
})

test('a duration has the units that matter', () => {
  assert.equal(formatDuration(4.23), '4.2 s')
  assert.equal(formatDuration(59.96), '1 min 0 s')
  assert.equal(formatDuration(185), '3 min 5 s')
  assert.equal(formatDuration(7800), '2 h 10 min')
  assert.equal(formatDuration(-1), '0 s')
})

test('times are in UTC as on the command line', () => {
  assert.equal(formatUtc('2026-01-31T23:59:59.500+01:00'), '2026-01-31 22:59:59 UTC')
  assert.equal(secondsBetween('2026-01-31T23:59:58Z', '2026-01-31T23:59:59.500Z'), 1.5)
})
