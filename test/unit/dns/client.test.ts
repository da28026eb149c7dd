import { createSocket } from 'node:dgram'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeDnsClient } from '../../../dns/client.ts'
import type { DnsClient } from '../../../dns/client.ts'
import { startDnsStub } from '../../support/dns-stub.ts'
import type { DnsStub, StubFault, StubZones } from '../../support/dns-stub.ts'
import { anyRandom, realClock } from './doubles.ts'

const LONG_TEXT = ['v=DKIM1; p=', 'a'.repeat(250), 'b'.repeat(250)]
const TLSA = { usage: 3, selector: 1, matching: 1, data: Buffer.alloc(32, 7) }

const zones: StubZones = {
  'ok.test': {
    A: ['192.0.2.1', '192.0.2.2'],
    AAAA: ['2001:db8::1'],
    MX: [
      [10, 'MX1.ok.test'],
      [20, 'mx2.ok.test'],
    ],
    NS: ['ns.ok.test'],
    TXT: ['v=spf1 -all', LONG_TEXT],
    SOA: ['ns.ok.test'],
    ttl: { A: 120, MX: 3600 },
  },
  '1.2.0.192.in-addr.arpa': { PTR: ['mail.ok.test'] },
  '_25._tcp.mx1.ok.test': { TLSA: [TLSA], authentic: true },
  'null.test': { MX: [[0, '.']] },
  'signed.test': { A: ['192.0.2.3'], authentic: true },
  'alias.test': { CNAME: 'Second.test', ttl: 40, authentic: true },
  'second.test': { CNAME: 'signed.test', ttl: 500, authentic: true },
  'half-signed.test': { CNAME: 'signed.test' },
  'to-nothing.test': { CNAME: 'gone.test' },
  'to-empty.test': { CNAME: 'empty.test' },
  'loop.test': { CNAME: 'pool.test' },
  'pool.test': { CNAME: 'loop.test' },
  'self.test': { CNAME: 'self.test' },
  'empty.test': {},
  'gone.test': 'NXDOMAIN',
  'big.test': { TXT: Array.from({ length: 12 }, (_, i) => `${i} ${'x'.repeat(200)}`) },
  'cut.test': { A: ['192.0.2.9'], truncate: true },
  '*.wild.test': { A: ['192.0.2.77'] },
  'exact.wild.test': { A: ['192.0.2.78'] },
}
for (let i = 1; i <= 9; i++) zones[`chain${i}.test`] = { CNAME: `chain${i - 1}.test` }
zones['chain0.test'] = { A: ['192.0.2.5'] }

let stub: DnsStub
let client: DnsClient
const fast = { clock: realClock, random: anyRandom, timeoutsMs: [150, 150] }

beforeEach(async () => {
  stub = await startDnsStub({ ...zones })
  client = makeDnsClient({ ...fast, servers: [stub.address] })
})
afterEach(async () => {
  client.close()
  await stub.close()
})

describe('found', () => {
  const records = async (...question: Parameters<DnsClient['resolve']>): Promise<unknown> => {
    const answer = await client.resolve(...question)
    return answer.kind === 'found' ? answer.records : answer
  }

  test('every type of the contract', async () => {
    expect(await records('ok.test', 'A')).toEqual(['192.0.2.1', '192.0.2.2'])
    expect(await records('ok.test', 'AAAA')).toEqual(['2001:db8::1'])
    expect(await records('ok.test', 'NS')).toEqual(['ns.ok.test'])
    expect(await records('ok.test', 'SOA')).toEqual([{ mname: 'ns.ok.test' }])
    expect(await records('ok.test', 'MX')).toEqual([
      { preference: 10, exchange: 'mx1.ok.test' },
      { preference: 20, exchange: 'mx2.ok.test' },
    ])
    expect(await records('1.2.0.192.in-addr.arpa', 'PTR')).toEqual(['mail.ok.test'])
    expect(await records('alias.test', 'CNAME')).toEqual(['second.test'])
    expect(await records('_25._tcp.mx1.ok.test', 'TLSA')).toEqual([TLSA])
  })

  test('the strings of one TXT record are one text', async () => {
    expect(await records('ok.test', 'TXT')).toEqual(['v=spf1 -all', LONG_TEXT.join('')])
  })

  test('a null MX is the root', async () => {
    expect(await records('null.test', 'MX')).toEqual([{ preference: 0, exchange: '.' }])
  })

  test('names are asked without regard to case and trailing dot', async () => {
    expect(await records('OK.Test.', 'NS')).toEqual(['ns.ok.test'])
    expect(stub.count('ok.test', 'NS')).toBe(1)
  })

  test('wildcards of the stub give way to exact names', async () => {
    expect(await records('a.b.wild.test', 'A')).toEqual(['192.0.2.77'])
    expect(await records('exact.wild.test', 'A')).toEqual(['192.0.2.78'])
  })

  test('the TTL is that of the records', async () => {
    expect(await client.resolve('ok.test', 'A')).toMatchObject({ ttlMs: 120_000 })
    expect(await client.resolve('ok.test', 'MX')).toMatchObject({ ttlMs: 3_600_000 })
  })

  test('the AD bit is handed on', async () => {
    expect(await client.resolve('signed.test', 'A')).toMatchObject({ authentic: true })
    expect(await client.resolve('ok.test', 'A')).toMatchObject({ authentic: false })
    expect(await client.resolve('gone.test', 'A')).toMatchObject({ authentic: false })
    stub.authentic = true
    expect(await client.resolve('gone.test', 'A')).toMatchObject({ authentic: true })
  })

  test('ports and ids differ from question to question', async () => {
    for (let i = 0; i < 8; i++) await client.resolve('ok.test', 'A')
    expect(new Set(stub.seen.map(({ port }) => port)).size).toBeGreaterThan(4)
    expect(new Set(stub.seen.map(({ id }) => id)).size).toBeGreaterThan(4)
  })
})

describe.each([
  { chase: true, questions: 1 },
  { chase: false, questions: 3 },
])('aliases, followed by the server: $chase', ({ chase, questions }) => {
  beforeEach(() => (stub.chase = chase))

  test('give the end of the chain, the smallest TTL and AD only when all of it is signed', async () => {
    expect(await client.resolve('alias.test', 'A')).toEqual({
      kind: 'found',
      records: ['192.0.2.3'],
      canonical: 'signed.test',
      ttlMs: 40_000,
      authentic: true,
    })
    expect(stub.count()).toBe(questions)
    expect(await client.resolve('half-signed.test', 'A')).toMatchObject({ authentic: false })
  })

  test('to a name that does not exist, or has no such record', async () => {
    expect(await client.resolve('to-nothing.test', 'A')).toMatchObject({ kind: 'nxdomain' })
    expect(await client.resolve('to-empty.test', 'A')).toMatchObject({ kind: 'nodata' })
  })

  test('eight are followed, nine and loops fail', async () => {
    expect(await client.resolve('chain8.test', 'A')).toMatchObject({ records: ['192.0.2.5'] })
    for (const name of ['chain9.test', 'loop.test', 'self.test']) {
      expect(await client.resolve(name, 'A'), name).toMatchObject({
        kind: 'failed',
        detail: `${name} A: more than 8 aliases, or a loop`,
      })
    }
  })
})

describe('nothing there', () => {
  test('no name and no record are different, and live as long as the SOA says', async () => {
    expect(await client.resolve('gone.test', 'A')).toEqual({
      kind: 'nxdomain',
      ttlMs: 60_000,
      authentic: false,
    })
    expect(await client.resolve('empty.test', 'MX')).toEqual({
      kind: 'nodata',
      ttlMs: 60_000,
      authentic: false,
    })
  })

  test('without a SOA it is not to be kept', async () => {
    stub.negativeTtl = undefined
    expect(await client.resolve('gone.test', 'A')).toMatchObject({ kind: 'nxdomain', ttlMs: 0 })
    expect(await client.resolve('empty.test', 'A')).toMatchObject({ kind: 'nodata', ttlMs: 0 })
  })

  test.each([
    ['', 'empty'],
    ['a..test', 'empty label'],
    [`${'a'.repeat(64)}.test`, 'label of 64'],
    [`${'abcdefgh.'.repeat(29)}test`, 'more than 253 in all'],
    ['bücher.test', 'not an A-label'],
    ['a b.test', 'space'],
  ])('%j is not asked: %s', async (name) => {
    expect(await client.resolve(name, 'A')).toMatchObject({ kind: 'nxdomain' })
    expect(stub.count()).toBe(0)
  })
})

describe('TCP', () => {
  test.each([
    ['cut.test', 'A', 1, 'the server sets TC'],
    ['big.test', 'TXT', 12, 'the reply is larger than what we take over UDP'],
  ] as const)('%s %s gives %i records: %s', async (name, type, records, _reason) => {
    const answer = await client.resolve(name, type)
    expect(answer.kind === 'found' && answer.records.length).toBe(records)
    expect(stub.tcpCount()).toBe(1)
  })
})

describe('failed', () => {
  test.each<[StubFault, string, number]>([
    ['SERVFAIL', 'SERVFAIL', 1],
    ['REFUSED', 'REFUSED', 1],
    ['MALFORMED', 'malformed reply', 1],
    ['WRONG-QUESTION', 'reply to another question', 1],
    ['TIMEOUT', 'no reply in 150 ms', 2],
    ['GARBAGE', 'no reply in 150 ms', 2],
    ['WRONG-ID', 'no reply in 150 ms', 2],
  ])('%s: %s, asked %i times', async (fault, detail, asked) => {
    stub.zones['bad.test'] = fault
    expect(await client.resolve('bad.test', 'MX')).toEqual({
      kind: 'failed',
      detail: `bad.test MX: ${stub.address}: ${detail}`,
    })
    expect(stub.count('bad.test', 'MX')).toBe(asked)
  })

  test('one type may fail while another answers', async () => {
    stub.zones['mixed.test'] = { A: ['192.0.2.1'], MX: 'SERVFAIL' }
    expect(await client.resolve('mixed.test', 'MX')).toMatchObject({ kind: 'failed' })
    expect(await client.resolve('mixed.test', 'A')).toMatchObject({ kind: 'found' })
  })

  test('a forged reply from another address is not heard', async () => {
    stub.zones['slow.test'] = 'TIMEOUT'
    const asked = client.resolve('slow.test', 'A')
    while (stub.seen.length === 0) await realClock.sleep(5)
    const { port, id } = stub.seen[0]!
    const reply = Buffer.alloc(12)
    reply.writeUInt16BE(id, 0)
    reply.writeUInt16BE(0x8183, 2)
    const forger = createSocket('udp4')
    forger.send(reply, port, '127.0.0.1')
    expect(await asked).toMatchObject({ detail: expect.stringContaining('no reply') as string })
    forger.close()
  })

  test('close answers what is in flight', async () => {
    stub.zones['slow.test'] = 'TIMEOUT'
    const patient = makeDnsClient({ ...fast, timeoutsMs: [60_000], servers: [stub.address] })
    const asked = patient.resolve('slow.test', 'A')
    while (stub.count() === 0) await realClock.sleep(5)
    patient.close()
    expect(await asked).toMatchObject({ kind: 'failed' })
    expect(await patient.resolve('ok.test', 'A')).toMatchObject({ kind: 'failed' })
  })
})

describe('several servers', () => {
  let other: DnsStub
  beforeEach(async () => (other = await startDnsStub({ ...zones })))
  afterEach(async () => other.close())

  const both = (timeoutsMs = [150, 150]): DnsClient =>
    makeDnsClient({ ...fast, timeoutsMs, servers: [stub.address, other.address] })

  test.each<StubFault>(['SERVFAIL', 'REFUSED', 'TIMEOUT', 'MALFORMED'])(
    'the next one answers after %s',
    async (fault) => {
      stub.zones['ok.test'] = fault
      expect(await both().resolve('ok.test', 'NS')).toMatchObject({ records: ['ns.ok.test'] })
      expect(other.count('ok.test', 'NS')).toBe(1)
    },
  )

  test('the one that answered is asked first from then on', async () => {
    stub.zones = { '*': 'TIMEOUT' }
    const resolver = both()
    await resolver.resolve('ok.test', 'A')
    await resolver.resolve('signed.test', 'A')
    expect(stub.count()).toBe(1)
    expect(other.count()).toBe(2)
  })

  test('a closed port costs no time-out', async () => {
    await stub.close()
    const answer = await both([60_000]).resolve('ok.test', 'NS')
    expect(answer).toMatchObject({ records: ['ns.ok.test'] })
    stub = await startDnsStub()
  })

  test('a second round asks only those that were silent', async () => {
    stub.zones['x.test'] = 'TIMEOUT'
    other.zones['x.test'] = 'REFUSED'
    expect(await both().resolve('x.test', 'A')).toMatchObject({ kind: 'failed' })
    expect([stub.count('x.test'), other.count('x.test')]).toEqual([2, 1])
  })
})

test('no more questions than allowed are on the wire at a time', async () => {
  stub.zones = { '*.slow.test': 'TIMEOUT', '*': { A: ['192.0.2.1'] } }
  const narrow = makeDnsClient({
    ...fast,
    timeoutsMs: [200],
    maxInFlight: 2,
    servers: [stub.address],
  })
  const slow = ['a.slow.test', 'b.slow.test'].map((name) => narrow.resolve(name, 'A'))
  const third = narrow.resolve('quick.test', 'A')
  await realClock.sleep(60)
  expect(stub.count('quick.test')).toBe(0)
  expect(await third).toMatchObject({ kind: 'found' })
  await Promise.all(slow)
})
