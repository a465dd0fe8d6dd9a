import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addresses, parseRoute } from '../src/router.ts'

const ID = '0123456789abcdef0123456789abcdef'

test('an address and its route belong together', () => {
  assert.deepEqual(parseRoute(addresses.uploads({ dataset: 'flights', status: 'failed' })), {
    view: 'uploads',
    dataset: 'flights',
    status: 'failed',
    cursor: '',
  })
  assert.deepEqual(parseRoute(addresses.upload(ID)), { view: 'upload', uploadId: ID })
  assert.deepEqual(parseRoute(addresses.dataset('a.b-c')), { view: 'dataset', name: 'a.b-c' })
  assert.deepEqual(parseRoute(addresses.send('flights')), { view: 'send', dataset: 'flights' })
  assert.deepEqual(parseRoute(addresses.signIn()), { view: 'sign-in' })
})

test('a cursor keeps its special characters', () => {
  const cursor = 'a+b/c=='
  assert.deepEqual(parseRoute(addresses.datasets(cursor)), { view: 'datasets', cursor })
})

test('no fragment is the start', () => {
  for (const hash of ['', '#', '#/']) assert.deepEqual(parseRoute(hash), { view: 'start' })
})

test('what names no view is unknown', () => {
  for (const hash of ['#/x', '#/uploads/short', `#/uploads/${ID}/more`, '#/send/x', '#/datasets/a/b']) {
    assert.deepEqual(parseRoute(hash), { view: 'unknown' }, hash)
  }
})

test('a malformed escape is shown as it is', () => {
  assert.deepEqual(parseRoute('#/datasets/%zz'), { view: 'dataset', name: '%zz' })
})
