import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeTtlCache, withCache } from '../../../dns/cache.ts'
import type { DnsCacheOptions } from '../../../dns/cache.ts'
import { makeDnsClient } from '../../../dns/client.ts'
import type { Resolver } from '../../../server/core/dns.ts'
import { startDnsStub } from '../../support/dns-stub.ts'
import type { DnsStub } from '../../support/dns-stub.ts'
import { anyRandom, realClock, standingClock } from './doubles.ts'

let stub: DnsStub
beforeEach(async () => {
  stub = await startDnsStub({
    'ok.test': { A: ['192.0.2.1'], MX: [[10, 'mx.ok.test']], ttl: 300 },
    'short.test': { A: ['192.0.2.1'], ttl: 1 },
    'long.test': { A: ['192.0.2.1'], ttl: 1_000_000 },
    'bad.test': 'SERVFAIL',
  })
})
afterEach(async () => stub.close())

const clock = standingClock()
const cached = (options: Partial<DnsCacheOptions> = {}) => {
  const client = makeDnsClient({
    clock: realClock,
    random: anyRandom,
    servers: [stub.address],
    timeoutsMs: [500],
  })
  return withCache(client, { clock, ...options })
}

test.each([
  ['ok.test', 300_000, 'its TTL'],
  ['short.test', 30_000, 'the floor'],
  ['long.test', 86_400_000, 'the cap'],
  ['gone.test', 60_000, 'the SOA of the negative answer'],
  ['bad.test', 5_000, 'failures, briefly'],
])('%s is kept for %i ms: %s', async (name, ms) => {
  const resolver = cached()
  const first = await resolver.resolve(name, 'A')
  clock.advance(ms - 1)
  expect(await resolver.resolve(name, 'A')).toBe(first)
  expect(stub.count(name)).toBe(1)
  clock.advance(1)
  await resolver.resolve(name, 'A')
  expect(stub.count(name)).toBe(2)
})

test('negative answers have a cap of their own', async () => {
  stub.negativeTtl = 86_400
  const resolver = cached()
  await resolver.resolve('gone.test', 'A')
  clock.advance(15 * 60_000)
  stub.zones['gone.test'] = { A: ['192.0.2.4'] }
  expect(await resolver.resolve('gone.test', 'A')).toMatchObject({ kind: 'found' })
})

test('limits can be set', async () => {
  const resolver = cached({ minTtlMs: 0, maxTtlMs: 2000, failureTtlMs: 100 })
  for (const [name, ms] of [
    ['short.test', 1000],
    ['ok.test', 2000],
    ['bad.test', 100],
  ] as const) {
    await resolver.resolve(name, 'A')
    clock.advance(ms)
    await resolver.resolve(name, 'A')
    expect(stub.count(name), name).toBe(2)
  }
})

test('questions at the same time are asked once, and a hit is the promise that is there', async () => {
  const resolver = cached()
  const asked = ['ok.test', 'OK.test', 'ok.test.'].map((name) => resolver.resolve(name, 'A'))
  await Promise.all(asked)
  expect(stub.count('ok.test')).toBe(1)
  expect(asked[1]).toBe(asked[0])
  expect(resolver.resolve('ok.test', 'A')).toBe(asked[0])
})

test('types of one name are kept apart', async () => {
  const resolver = cached()
  expect(await resolver.resolve('ok.test', 'A')).toMatchObject({ records: ['192.0.2.1'] })
  expect(await resolver.resolve('ok.test', 'MX')).toMatchObject({
    records: [{ preference: 10, exchange: 'mx.ok.test' }],
  })
})

test('a forgotten name is asked again, in every type', async () => {
  const resolver = cached()
  await resolver.resolve('ok.test', 'A')
  await resolver.resolve('ok.test', 'MX')
  resolver.forget('OK.test.')
  await resolver.resolve('ok.test', 'A')
  await resolver.resolve('ok.test', 'MX')
  expect([stub.count('ok.test', 'A'), stub.count('ok.test', 'MX')]).toEqual([2, 2])
})

test('entries are bounded, and what is in use stays', async () => {
  let loads = 0
  const cache = makeTtlCache<string>({
    clock,
    maxEntries: 100,
    load: async (key) => {
      loads++
      return key
    },
    ttlOf: () => 60_000,
  })
  await cache.get('hot')
  for (let i = 0; i < 1000; i++) {
    await cache.get(`cold-${i}`)
    await cache.get('hot')
    expect(cache.size()).toBeLessThanOrEqual(100)
  }
  expect(loads).toBe(1001)
})

test('a loader that throws is heard by those who wait, and asked again', async () => {
  let calls = 0
  const flaky: Resolver = {
    resolve: async () => {
      calls++
      if (calls === 1) throw new Error('bug')
      return { kind: 'failed', detail: 'second call' }
    },
  }
  const resolver = withCache(flaky, { clock })
  await expect(resolver.resolve('ok.test', 'A')).rejects.toThrow('bug')
  expect(await resolver.resolve('ok.test', 'A')).toMatchObject({ detail: 'second call' })
})
