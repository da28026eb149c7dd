import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeDnsClient } from '../../../dns/client.ts'
import type { DnsClient } from '../../../dns/client.ts'
import { findHosts, findMx } from '../../../server/delivery/mx.ts'
import type { FoundHosts, HostOptions } from '../../../server/delivery/mx.ts'
import { startDnsStub } from '../../support/dns-stub.ts'
import type { DnsStub, StubZones } from '../../support/dns-stub.ts'
import { anyRandom, realClock, scriptedRandom } from '../dns/doubles.ts'

const many = (count: number, of: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => of(i + 1))

const zones: StubZones = {
  'mx1.test': { A: ['192.0.2.1'], AAAA: ['2001:db8::1'] },
  'mx2.test': { A: ['192.0.2.2'], AAAA: ['2001:db8::2'] },
  'mx3.test': { A: ['192.0.2.3'] },
  'we.test': { A: ['192.0.2.99'] },
  'six.test': { AAAA: ['2001:db8::6'] },
  'dead.test': 'SERVFAIL',
  'empty.test': {},
  'half.test': { A: 'SERVFAIL', AAAA: ['2001:db8::7'] },
  'mx-alias.test': { CNAME: 'mx1.test' },
  'inside4.test': { A: ['10.0.0.1', '127.0.0.1'] },
  'inside6.test': { AAAA: ['::ffff:10.0.0.1', 'fd00::1'] },
  'part-inside.test': { A: ['192.168.0.1', '192.0.2.4'] },
  'wide.test': { A: many(8, (i) => `192.0.2.${10 + i}`), AAAA: many(8, (i) => `2001:db8::${i}`) },
  '*.farm.test': { A: ['192.0.2.50'] },

  'plain.test': {
    MX: [
      [20, 'mx2.test'],
      [10, 'mx1.test'],
    ],
    A: ['192.0.2.200'],
  },
  'equal.test': {
    MX: [
      [10, 'mx1.test'],
      [10, 'mx2.test'],
      [10, 'mx3.test'],
    ],
  },
  'implicit.test': { A: ['192.0.2.201'] },
  'mx-broken.test': { MX: 'SERVFAIL', A: ['192.0.2.202'] },
  'null.test': { MX: [[0, '.']], A: ['192.0.2.203'] },
  'null-mixed.test': {
    MX: [
      [0, '.'],
      [10, 'mx1.test'],
    ],
  },
  'odd-names.test': {
    MX: [
      [5, 'sp ace.test'],
      [6, 'a,b.test'],
      [7, '<b>.test'],
      [20, 'mx1.test'],
      [10, 'mx1.test'],
      [30, '_host-1.farm.test'],
    ],
  },
  'only-odd.test': { MX: [[5, 'a,b.test']] },
  'vanity.test': { CNAME: 'plain.test' },
  'to-alias.test': { MX: [[10, 'mx-alias.test']] },
  'we-backup.test': {
    MX: [
      [5, 'mx1.test'],
      [10, 'we.test'],
      [10, 'mx2.test'],
      [20, 'mx3.test'],
    ],
  },
  'we-best.test': {
    MX: [
      [10, 'WE.test'],
      [20, 'mx1.test'],
    ],
  },
  'literal.test': { MX: [[10, '192.0.2.7']] },
  'literal-private.test': { MX: [[10, '127.0.0.1']] },
  'local.test': { MX: [[10, 'localhost']] },
  'local-mixed.test': {
    MX: [
      [10, 'localhost'],
      [20, 'mx1.test'],
    ],
  },
  'to-inside4.test': { MX: [[10, 'inside4.test']] },
  'to-inside6.test': { MX: [[10, 'inside6.test']] },
  'to-part-inside.test': { MX: [[10, 'part-inside.test']] },
  'to-six.test': { MX: [[10, 'six.test']] },
  'to-half.test': { MX: [[10, 'half.test']] },
  'to-dead.test': { MX: [[10, 'dead.test']] },
  'to-gone.test': {
    MX: [
      [10, 'gone.test'],
      [20, 'empty.test'],
    ],
  },
  'some-dead.test': {
    MX: [
      [10, 'dead.test'],
      [20, 'gone.test'],
      [30, 'mx1.test'],
    ],
  },
  'dead-and-gone.test': {
    MX: [
      [10, 'gone.test'],
      [20, 'dead.test'],
    ],
  },
  'to-wide.test': {
    MX: [
      [10, 'wide.test'],
      [20, 'mx1.test'],
    ],
  },
  'hostile.test': { MX: many(60, (i) => `mx${i}.nowhere.test`).map((name, i) => [i, name]) },
  'late.test': {
    MX: [...many(7, (i) => `mx${i}.nowhere.test`), 'mx1.test'].map((name, i) => [i, name]),
  },
  'farm.test': { MX: many(9, (i) => `mx${i}.farm.test`).map((name, i) => [i, name]) },
}

let stub: DnsStub
let resolver: DnsClient
let options: HostOptions
beforeEach(async () => {
  stub = await startDnsStub({ ...zones })
  resolver = makeDnsClient({
    clock: realClock,
    random: anyRandom,
    servers: [stub.address],
    timeoutsMs: [1000],
  })
  options = {
    resolver,
    random: scriptedRandom(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    ownNames: new Set(['we.test']),
    allowPrivateNetworks: false,
    ipv6: 'off',
  }
})
afterEach(async () => {
  resolver.close()
  await stub.close()
})

const asText = ({ hosts }: FoundHosts): string[] =>
  hosts.map(({ name, preference, addresses }) => `${preference} ${name} ${addresses.join(' ')}`)

async function hosts(domain: string, changed: Partial<HostOptions> = {}): Promise<unknown> {
  const answer = await findHosts(domain, { ...options, ...changed })
  return answer.kind === 'hosts' ? asText(answer) : `${answer.fault} ${answer.status}`
}

describe('which hosts', () => {
  test.each([
    ['plain.test', ['10 mx1.test 192.0.2.1', '20 mx2.test 192.0.2.2'], 'MX hide the own address'],
    ['implicit.test', ['0 implicit.test 192.0.2.201'], 'no MX: the domain itself'],
    ['vanity.test', ['10 mx1.test 192.0.2.1', '20 mx2.test 192.0.2.2'], 'the domain is an alias'],
    ['to-alias.test', ['10 mx-alias.test 192.0.2.1'], 'the exchange is an alias'],
    ['null-mixed.test', ['10 mx1.test 192.0.2.1'], 'a root beside others is a bad host'],
    [
      'odd-names.test',
      ['10 mx1.test 192.0.2.1', '30 _host-1.farm.test 192.0.2.50'],
      'odd names are bad hosts, doubles count once',
    ],
    ['local-mixed.test', ['20 mx1.test 192.0.2.1'], 'localhost beside others is a bad host'],
    ['we-backup.test', ['5 mx1.test 192.0.2.1'], 'only hosts better than ourselves'],
    ['to-part-inside.test', ['10 part-inside.test 192.0.2.4'], 'private addresses are left out'],
    ['some-dead.test', ['30 mx1.test 192.0.2.1'], 'hosts without address are left out'],
    ['late.test', ['7 mx1.test 192.0.2.1'], 'the search goes on past the first five'],
    ['[192.0.2.9]', ['0 192.0.2.9 192.0.2.9'], 'an address literal asks nothing'],
    ['[IPv6:2001:db8::9]', ['0 2001:db8::9 2001:db8::9'], 'an IPv6 literal'],
  ])('%s → %j: %s', async (domain, expected) => {
    expect(await hosts(domain)).toEqual(expected)
  })

  test.each([
    ['nowhere.test', 'dns-permanent 5.1.2', 'the domain does not exist'],
    ['empty.test', 'dns-permanent 5.1.2', 'neither MX nor address'],
    ['null.test', 'dns-permanent 5.1.10', 'null MX, in spite of an address'],
    ['mx-broken.test', 'dns-temporary 4.4.3', 'SERVFAIL never means "no MX"'],
    ['dead.test', 'dns-temporary 4.4.3', 'SERVFAIL'],
    ['to-dead.test', 'dns-temporary 4.4.3', 'the only host cannot be looked up'],
    ['dead-and-gone.test', 'dns-temporary 4.4.3', 'one host may come back'],
    ['to-gone.test', 'dns-permanent 5.4.4', 'MX without any address'],
    ['to-half.test', 'dns-temporary 4.4.3', 'IPv4 fails and IPv6 is off'],
    ['to-six.test', 'unreachable 4.4.4', 'only IPv6, which is off'],
    ['we-best.test', 'mx-loop 5.4.6', 'we are the best MX'],
    ['we.test', 'mx-loop 5.4.6', 'we are the implicit MX'],
    ['literal.test', 'dns-permanent 5.4.4', 'an address is no host name'],
    ['only-odd.test', 'dns-permanent 5.4.4', 'no host name'],
    ['literal-private.test', 'private-target 5.4.4', 'a private address as host name'],
    ['local.test', 'private-target 5.4.4', 'localhost'],
    ['to-inside4.test', 'private-target 5.4.4', 'a name with private addresses'],
    ['[127.0.0.1]', 'private-target 5.4.4', 'a private address literal'],
    ['hostile.test', 'dns-permanent 5.4.4', 'sixty names that lead nowhere'],
  ])('%s fails: %s: %s', async (domain, expected) => {
    expect(await hosts(domain)).toBe(expected)
  })

  test('the detail says what to do about an IPv6-only host', async () => {
    expect(await findHosts('to-six.test', options)).toMatchObject({
      detail: 'six.test has only IPv6 addresses, and sending over IPv6 is off',
    })
  })

  test('a domain of many hosts costs a bounded number of questions', async () => {
    await hosts('hostile.test')
    expect(stub.count(undefined, 'A')).toBe(20)
  })
})

describe('order', () => {
  test('equal preferences are shuffled', async () => {
    const first = (list: unknown): unknown => (list as string[]).map((text) => text.split(' ')[1])
    const random = (...draws: number[]) => ({ random: scriptedRandom(...draws) })
    expect(first(await hosts('equal.test', random(0.1, 0.2, 0.3)))).toEqual([
      'mx1.test',
      'mx2.test',
      'mx3.test',
    ])
    expect(first(await hosts('equal.test', random(0.9, 0.2, 0.5)))).toEqual([
      'mx2.test',
      'mx3.test',
      'mx1.test',
    ])
  })

  test('unequal ones never are', async () => {
    expect(await hosts('plain.test', { random: scriptedRandom(0.9, 0.1) })).toEqual([
      '10 mx1.test 192.0.2.1',
      '20 mx2.test 192.0.2.2',
    ])
  })

  test('the names of a site come in an order of their own', async () => {
    const found = await findMx('equal.test', options)
    expect(found.kind === 'found' && found.mx.map(({ name }) => name)).toEqual([
      'mx1.test',
      'mx2.test',
      'mx3.test',
    ])
    expect(stub.count()).toBe(1)
  })
})

describe('how many addresses', () => {
  test('five over all hosts', async () => {
    expect(await hosts('farm.test')).toEqual(many(5, (i) => `${i - 1} mx${i}.farm.test 192.0.2.50`))
  })

  test('five of one host, drawn from all it has', async () => {
    const [only] = (await hosts('to-wide.test', { random: scriptedRandom(0.9, 0.8, 0.7) })) as [
      string,
    ]
    expect(only.split(' ').slice(2)).toHaveLength(5)
  })
})

describe('IPv6', () => {
  test.each([
    ['off', 'plain.test', ['10 mx1.test 192.0.2.1', '20 mx2.test 192.0.2.2']],
    [
      'prefer',
      'plain.test',
      ['10 mx1.test 2001:db8::1 192.0.2.1', '20 mx2.test 2001:db8::2 192.0.2.2'],
    ],
    [
      'fallback',
      'plain.test',
      ['10 mx1.test 192.0.2.1 2001:db8::1', '20 mx2.test 192.0.2.2 2001:db8::2'],
    ],
    ['prefer', 'to-six.test', ['10 six.test 2001:db8::6']],
    ['fallback', 'to-six.test', ['10 six.test 2001:db8::6']],
    ['prefer', 'implicit.test', ['0 implicit.test 192.0.2.201']],
    ['fallback', 'to-half.test', ['10 half.test 2001:db8::7']],
    ['prefer', 'to-inside6.test', 'private-target 5.4.4'],
    ['prefer', 'to-dead.test', 'dns-temporary 4.4.3'],
  ] as const)('%s: %s → %j', async (ipv6, domain, expected) => {
    expect(await hosts(domain, { ipv6 })).toEqual(expected)
  })

  test('the second family keeps two of five places', async () => {
    const [only] = (await hosts('to-wide.test', { ipv6: 'prefer' })) as [string]
    const families = only
      .split(' ')
      .slice(2)
      .map((address) => (address.includes(':') ? 6 : 4))
    expect(families).toEqual([6, 6, 6, 4, 4])
  })
})

describe('a closed network', () => {
  test.each([
    ['to-inside4.test', ['10 inside4.test 10.0.0.1 127.0.0.1']],
    ['local.test', ['10 localhost 127.0.0.1']],
    ['literal-private.test', ['10 127.0.0.1 127.0.0.1']],
    ['literal.test', ['10 192.0.2.7 192.0.2.7']],
    ['[127.0.0.1]', ['0 127.0.0.1 127.0.0.1']],
  ])('%s → %j', async (domain, expected) => {
    expect(await hosts(domain, { allowPrivateNetworks: true })).toEqual(expected)
  })
})

test('DNSSEC is told for the MX and for each host', async () => {
  stub.zones['signed.test'] = {
    MX: [
      [10, 'mx1.test'],
      [20, 'mx4.test'],
    ],
    authentic: true,
  }
  stub.zones['mx4.test'] = { A: ['192.0.2.4'], authentic: true }
  expect(await findHosts('signed.test', options)).toMatchObject({
    authentic: true,
    hosts: [{ authentic: false }, { authentic: true }],
  })
  expect(await findHosts('plain.test', options)).toMatchObject({ authentic: false })
})
