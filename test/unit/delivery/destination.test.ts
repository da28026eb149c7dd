import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeDnsClient } from '../../../dns/client.ts'
import { makeDestinations } from '../../../server/delivery/destination.ts'
import type { Destinations } from '../../../server/delivery/destination.ts'
import { BUILT_IN_PROVIDERS } from '../../../server/policy/shape.ts'
import { startDnsStub } from '../../support/dns-stub.ts'
import type { DnsStub } from '../../support/dns-stub.ts'
import { anyRandom, realClock, standingClock } from '../dns/doubles.ts'

const clock = standingClock()
let stub: DnsStub
let destinations: Destinations
beforeEach(async () => {
  stub = await startDnsStub({
    'gmail.test': { MX: [[5, 'gmail-smtp-in.l.google.com']], ttl: 300 },
    'small.test': {
      MX: [
        [20, 'mx2.small.test'],
        [10, 'mx1.small.test'],
      ],
      ttl: 1,
    },
    'mixed.test': {
      MX: [
        [5, 'aspmx.l.google.com'],
        [10, 'mx.small.test'],
      ],
    },
    'bad.test': 'SERVFAIL',
    'null.test': { MX: [[0, '.']], ttl: 86_400 },
  })
  const resolver = makeDnsClient({ clock: realClock, random: anyRandom, servers: [stub.address] })
  destinations = makeDestinations({
    clock,
    resolver,
    providers: BUILT_IN_PROVIDERS,
    ownNames: new Set(),
    allowPrivateNetworks: false,
  })
})
afterEach(async () => stub.close())

test.each([
  ['gmail.test', 'google', 'gmail-smtp-in.l.google.com'],
  ['small.test', undefined, 'mx1.small.test,mx2.small.test'],
  ['mixed.test', undefined, 'aspmx.l.google.com,mx.small.test'],
])('%s belongs to %s, %s', async (domain, provider, site) => {
  expect(await destinations.find(domain)).toMatchObject({
    kind: 'found',
    destination: { kind: 'mx', provider, site },
  })
  expect(stub.count()).toBe(1)
})

test.each([
  ['gmail.test', 300_000, 'TTL of the MX'],
  ['small.test', 30_000, 'the floor'],
  ['bad.test', 5_000, 'nobody answered'],
  ['gone.test', 60_000, 'TTL of the denial'],
  ['null.test', 900_000, 'the cap of failures'],
])('%s is kept for %i ms: %s', async (domain, ms) => {
  const first = destinations.find(domain)
  await first
  clock.advance(ms - 1)
  expect(destinations.find(domain)).toBe(first)
  clock.advance(1)
  await destinations.find(domain)
  expect(stub.count(domain)).toBe(2)
})

test('a forgotten domain is looked up again', async () => {
  await destinations.find('gmail.test')
  stub.zones['gmail.test'] = { MX: [[5, 'mx.elsewhere.test']] }
  destinations.forget('gmail.test')
  expect(await destinations.find('gmail.test')).toMatchObject({
    destination: { provider: undefined, site: 'mx.elsewhere.test' },
  })
})
