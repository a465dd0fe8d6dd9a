import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RateMeter } from '../src/upload/rate.ts'

test('the rate is that of the last seconds', () => {
  const meter = new RateMeter()
  for (let second = 0; second <= 20; second++) meter.add(second < 10 ? 0 : (second - 10) * 100, second * 1000)
  assert.equal(meter.bytesPerSecond, 100)
  assert.equal(meter.secondsFor(500), 5)
})

test('the rate is unknown at first and after a pause', () => {
  const meter = new RateMeter()
  assert.equal(meter.bytesPerSecond, null)
  meter.add(0, 0)
  meter.add(100, 1000)
  assert.equal(meter.bytesPerSecond, 100)
  meter.reset()
  assert.equal(meter.secondsFor(1), null)
})

test('an offset that goes back begins a new measurement', () => {
  const meter = new RateMeter()
  meter.add(0, 0)
  meter.add(1000, 1000)
  meter.add(200, 2000)
  meter.add(300, 3000)
  assert.equal(meter.bytesPerSecond, 100)
})

test('nothing sent leaves the time unknown', () => {
  const meter = new RateMeter()
  meter.add(100, 0)
  meter.add(100, 5000)
  assert.equal(meter.secondsFor(100), null)
})
