import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_OPTIONS, faultsOf, matches, metadataOf } from '../src/upload/options.ts'

const options = { ...DEFAULT_OPTIONS, dataset: 'flights' }

test('what is left to the service is not sent', () => {
  assert.deepEqual(metadataOf(options, 'a.csv'), { dataset_name: 'flights', filename: 'a.csv', strict: 'true' })
})

test('a delimiter that is a blank or a tab stays as it is', () => {
  assert.equal(metadataOf({ ...options, delimiter: '\t' }, 'a.csv').delimiter, '\t')
})

test('chunks have a type and a size', () => {
  const metadata = metadataOf({ ...options, chunkType: 'rows', chunkSize: ' 1000 ' }, 'a.csv')
  assert.deepEqual([metadata.chunk_type, metadata.chunk_size], ['rows', '1000'])
})

test('names of datasets have the rule of the service', () => {
  assert.deepEqual(faultsOf({ ...options, dataset: '' }, ['*']), ['dataset-missing'])
  for (const dataset of ['..', 'a b', 'é', 'a/b', 'x'.repeat(129)]) {
    assert.deepEqual(faultsOf({ ...options, dataset }, ['*']), ['dataset-invalid'], dataset)
  }
  assert.deepEqual(faultsOf(options, ['*']), [])
})

test('a dataset that the key does not permit is named before sending', () => {
  assert.deepEqual(faultsOf(options, ['sales-*']), ['dataset-not-permitted'])
  assert.ok(matches('sales-2026', 'sales-*'))
  assert.ok(!matches('salesX2026', 'sales.2026'))
})

test('the size of the chunks is a positive whole number', () => {
  for (const chunkSize of ['', '0', '-1', '1.5', 'x']) {
    assert.deepEqual(faultsOf({ ...options, chunkType: 'size', chunkSize }, ['*']), ['chunk-size-invalid'], chunkSize)
  }
  assert.deepEqual(faultsOf({ ...options, chunkType: '', chunkSize: 'x' }, ['*']), [])
})
