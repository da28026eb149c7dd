import { expect, test } from 'vitest'
import { createTlsMemory } from '../../../server/delivery/smtp/tls-memory.ts'

test('a host is broken until its time, and its own only', () => {
  const memory = createTlsMemory()
  memory.remember('mx.a.test', 1000)
  expect(memory.isBroken('mx.a.test', 999)).toBe(true)
  expect(memory.isBroken('mx.b.test', 999)).toBe(false)
  expect(memory.isBroken('mx.a.test', 1000)).toBe(false)
  expect(memory.isBroken('mx.a.test', 500), 'forgotten for good').toBe(false)
})

test('it is bounded, and the oldest goes first', () => {
  const memory = createTlsMemory(2)
  memory.remember('a', 100)
  memory.remember('b', 100)
  memory.remember('a', 200) // renewed, so no longer the oldest
  memory.remember('c', 100)
  expect(['a', 'b', 'c'].map((host) => memory.isBroken(host, 50))).toEqual([true, false, true])
})
