import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeStates, landedChunks, mergeUpload } from '../src/upload-counts.ts'
import { anUpload } from './support.ts'

const anyUpload = { filter: { dataset: '', status: '' }, isFirstPage: true }
const [first, second, third] = ['a', 'b', 'c'].map((id, day) =>
  anUpload({ upload_id: id, created_at: `2026-01-0${3 - day}T00:00:00Z` }),
) as [ReturnType<typeof anUpload>, ReturnType<typeof anUpload>, ReturnType<typeof anUpload>]
const ids = (uploads: { upload_id: string }[]) => uploads.map((upload) => upload.upload_id).join('')

test('cleaned chunks have landed', () => {
  assert.equal(landedChunks({ chunk_counts: { landed: 2, cleaned: 3, failed: 1 } }), 5)
})

test('states are in the order of a chunk life', () => {
  assert.equal(describeStates({ chunk_counts: { landed: 1, announced: 3, failed: 0 } }), '3 announced, 1 landed')
})

test('a new upload goes to the top, and none falls off the end', () => {
  const news = anUpload({ upload_id: 'n', created_at: '2026-02-01T00:00:00Z' })
  assert.equal(ids(mergeUpload([first, second, third], news, anyUpload)), 'nabc')
})

test('a new upload does not enter a later page', () => {
  const news = anUpload({ upload_id: 'n', created_at: '2026-02-01T00:00:00Z' })
  assert.equal(ids(mergeUpload([first], news, { ...anyUpload, isFirstPage: false })), 'a')
})

test('a known upload is replaced in its place', () => {
  const merged = mergeUpload([first, second], { ...second, status: 'landed' }, anyUpload)
  assert.equal(ids(merged), 'ab')
  assert.equal(merged[1]?.status, 'landed')
})

test('what the filter no longer matches leaves the list', () => {
  const filter = { dataset: '', status: 'announced' }
  assert.equal(ids(mergeUpload([first, second], { ...first, status: 'landed' }, { ...anyUpload, filter })), 'b')
  const other = anUpload({ upload_id: 'n', dataset_name: 'people' })
  assert.equal(ids(mergeUpload([first], other, { ...anyUpload, filter: { dataset: 'flights', status: '' } })), 'a')
})
