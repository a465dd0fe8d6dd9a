import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forgetPending, listPending, PendingStorage } from '../src/upload/pending.ts'

/** A store in memory, as `localStorage` is in a browser. */
class FakeStorage {
  readonly #items = new Map<string, string>()
  get length() {
    return this.#items.size
  }
  key(index: number) {
    return [...this.#items.keys()][index] ?? null
  }
  getItem(key: string) {
    return this.#items.get(key) ?? null
  }
  setItem(key: string, value: string) {
    this.#items.set(key, value)
  }
  removeItem(key: string) {
    this.#items.delete(key)
  }
}

const FLIGHTS = { dataset_name: 'flights', filename: 'a.csv', strict: 'true' }
const CREATED = '2026-01-31T12:00:00.000Z'
const begun = (metadata: Record<string, string>) => ({
  size: 10,
  metadata,
  creationTime: CREATED,
  urlStorageKey: '',
  uploadUrl: 'http://localhost/files/1',
  parallelUploadUrls: null,
})

test('an upload is found by its file and its options', async () => {
  const store = new FakeStorage()
  await new PendingStorage(FLIGHTS, store).addUpload('tus-a', begun(FLIGHTS))
  const find = (metadata: Record<string, string>, fingerprint: string) =>
    new PendingStorage(metadata, store).findUploadsByFingerprint(fingerprint)
  assert.equal((await find(FLIGHTS, 'tus-a'))[0]?.uploadUrl, 'http://localhost/files/1')
  assert.deepEqual(await find(FLIGHTS, 'tus-b'), [])
  assert.deepEqual(await find({ ...FLIGHTS, dataset_name: 'people' }, 'tus-a'), [])
})

test('unfinished uploads are listed until they expire', async () => {
  const store = new FakeStorage()
  await new PendingStorage(FLIGHTS, store).addUpload('tus-a::b', begun(FLIGHTS))
  const [pending] = listPending(24, new Date('2026-02-01T11:59:00Z'), store)
  assert.equal(pending?.fingerprint, 'tus-a::b')
  assert.deepEqual([pending?.filename, pending?.dataset, pending?.sizeBytes], ['a.csv', 'flights', 10])
  assert.deepEqual(listPending(24, new Date('2026-02-01T12:01:00Z'), store), [])
  assert.equal(store.length, 0)
})

test('an upload can be forgotten, and what others keep stays', async () => {
  const store = new FakeStorage()
  store.setItem('theme', 'dark')
  await new PendingStorage(FLIGHTS, store).addUpload('tus-a', begun(FLIGHTS))
  forgetPending('http://localhost/files/1', store)
  assert.equal(store.length, 1)
})

test('a malformed entry is passed over', () => {
  const store = new FakeStorage()
  store.setItem('csvpipe-send::x::1', '{')
  assert.deepEqual(listPending(24, new Date(), store), [])
})
