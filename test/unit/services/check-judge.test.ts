import { describe, expect, test } from 'vitest'
import type { DnsAnswer } from '../../../server/core/dns.ts'
import type { Finding } from '../../../server/services/check/finding.ts'
import {
  judgeCertificate,
  judgeClock,
  judgeDataDir,
  judgeDisk,
  judgeListener,
  judgeMasterKey,
} from '../../../server/services/check/judge-machine.ts'
import {
  judgeHostname,
  judgeOutbound,
  judgeResolver,
  judgeReverse,
} from '../../../server/services/check/judge-network.ts'
import { judgeDatabase, judgeRedis } from '../../../server/services/check/judge-parts.ts'
import { makeCertificate } from '../../support/certificate.ts'
import { TEST_START } from '../../support/clock.ts'

/** State and sentence in one line, with the fix behind an arrow: what a person reads. */
const read = ({ state, says, fix }: Finding): string =>
  `${state}: ${says}${fix === undefined ? '' : ` → ${fix}`}`

const found = <T>(...records: T[]): DnsAnswer<T> => ({
  kind: 'found',
  records,
  canonical: '',
  ttlMs: 0,
  authentic: false,
})
const nothing: DnsAnswer<never> = { kind: 'nxdomain', ttlMs: 0, authentic: false }
const silence: DnsAnswer<never> = { kind: 'failed', detail: 'no reply' }

describe('listeners', () => {
  const facts = {
    setting: 'http.listen',
    address: '127.0.0.1:80',
    refusal: undefined,
    holder: undefined,
    mayBeOurs: false,
  }
  test.each([
    [{}, /^ok: is free/],
    [{ holder: 7 }, /^warn: is free, though a server \(process 7\).*restart/],
    [{ refusal: 'EADDRINUSE' }, /^fail: .*another program → .*http\.listen/],
    [{ refusal: 'EADDRINUSE', holder: 7 }, /^ok: .*process 7/],
    [{ refusal: 'EADDRINUSE', mayBeOurs: true }, /^ok: in use|^ok: is in use/],
    [{ refusal: 'EACCES' }, /^fail: .*CAP_NET_BIND_SERVICE/],
    [{ refusal: 'EADDRNOTAVAIL' }, /^fail: is no address of this machine/],
    [{ refusal: 'ENOTFOUND' }, /^fail: .*ENOTFOUND/],
  ])('%j: %s', (change, expected) => {
    expect(read(judgeListener({ ...facts, ...change }))).toMatch(expected)
  })
})

describe('the machine', () => {
  test.each([
    [{ kind: 'missing', canBeMade: true }, /^ok: /],
    [{ kind: 'missing', canBeMade: false }, /^fail: .*→ make it: mkdir -m 700 \/d/],
    [{ kind: 'no-directory' }, /^fail: .*no directory/],
    [{ kind: 'there', mode: 0o700, writable: true }, /^ok: /],
    [{ kind: 'there', mode: 0o500, writable: false }, /^fail: .*chown/],
    [{ kind: 'there', mode: 0o755, writable: true }, /^warn: .*mode 755.*→ chmod 700 \/d/],
    [{ kind: 'there', mode: 0o770, writable: true }, /^warn: .*mode 770/],
  ] as const)('data directory %j: %s', (facts, expected) => {
    expect(read(judgeDataDir('/d', facts))).toMatch(expected)
  })

  const GIB = 1024 ** 3
  test.each([
    [10 * GIB, /^ok: 10\.0 GiB/],
    [4 * GIB - 1, /^warn: .*below 1\.0 GiB/],
    [GIB - 1, /^fail: .*no mail is accepted/],
  ])('%i bytes free of at least 1 GiB: %s', (free, expected) => {
    expect(read(judgeDisk(free, GIB))).toMatch(expected)
  })

  test.each([
    [undefined, false, /^ok: is made/],
    [undefined, true, /^fail: is missing/],
    [0o600, true, /^ok: /],
    [0o640, true, /^fail: .*mode 640/],
  ])('master key %s, database %s: %s', (mode, hasDatabase, expected) => {
    expect(read(judgeMasterKey(mode, hasDatabase))).toMatch(expected)
  })

  test.each([
    [TEST_START, 'chrony', /^ok: .*chrony/],
    [TEST_START, undefined, /^unknown: /],
    [0, 'chrony', /^fail: says the year 1970/],
  ])('clock at %i kept by %s: %s', (now, keeper, expected) => {
    expect(read(judgeClock(now, keeper))).toMatch(expected)
  })
})

describe('the certificate', () => {
  const now = Date.now()
  const day = 86_400_000

  test.each([
    [now, /^ok: is valid until/, 'in its time'],
    [now + 80 * day, /^warn: ends on .*→ renew/, 'near its end'],
    [now + 91 * day, /^fail: ended on/, 'over'],
    [now - 30 * day, /^fail: is not valid before/, 'too early'],
  ])('at %i: %s (%s)', async (at, expected) => {
    const pair = await makeCertificate(['x.test'], { notAfterDate: new Date(now + 90 * day) })
    expect(read(judgeCertificate(pair, at))).toMatch(expected)
  })

  test('and its key belong together and can be read', async () => {
    const one = await makeCertificate(['x.test'])
    const other = await makeCertificate(['x.test'])
    expect(read(judgeCertificate({ cert: one.cert, key: other.key }, now))).toMatch(
      /^fail: does not belong/,
    )
    expect(read(judgeCertificate({ cert: one.cert, key: '' }, now))).toMatch(/^fail: .*PEM/)
    expect(read(judgeCertificate(undefined, now))).toMatch(/^ok: .*self-signed/)
  })

  test('of HTTP is renewed without a restart, and its settings are named', async () => {
    const pair = await makeCertificate(['x.test'], { notAfterDate: new Date(now + 13 * day) })
    expect(read(judgeCertificate(pair, now, 'http'))).toMatch(
      /^warn: .*→ renew it; the server takes/,
    )
    expect(read(judgeCertificate({ cert: '', key: '' }, now, 'http'))).toMatch(/http\.certificate/)
  })
})

describe('the database', () => {
  const facts = {
    integrity: 'ok',
    applied: ['1'],
    pending: [],
    sources: [],
    sendsDirect: true,
  }
  test.each([
    [undefined, ['ok: is made at the first start']],
    [facts, ['ok: opens and is sound', 'ok: is up to date (1)']],
    [{ ...facts, integrity: 'page 3 is lost' }, ['fail: is damaged: page 3 is lost → ', 'ok: ']],
    [{ ...facts, pending: ['2', '3'] }, ['ok: ', 'warn: lacks 2, 3 → posthorn migrate']],
    [new Error('file is not a database'), ['fail: file is not a database → ']],
  ])('%o: %j', (given, expected) => {
    const lines = judgeDatabase(given).map(read)
    expect(lines).toHaveLength(expected.length)
    expected.forEach((start, i) => {
      expect(lines[i]).toContain(start)
    })
  })
})

describe('Redis', () => {
  const facts = { version: '7.2.4', maxmemoryPolicy: 'noeviction', appendOnly: true }
  test.each([
    [undefined, ['ok']],
    [facts, ['ok']],
    [{ ...facts, version: '6.2.0' }, ['ok']],
    [{ ...facts, version: '6.0.16' }, ['fail']],
    [{ ...facts, version: '5.9.9' }, ['fail']],
    [{ ...facts, maxmemoryPolicy: 'allkeys-lru' }, ['ok', 'fail']],
    [{ ...facts, appendOnly: false }, ['ok', 'warn']],
    [new Error('ECONNREFUSED'), ['fail']],
  ])('%o: %j', (given, states) => {
    expect(judgeRedis(given).map(({ state }) => state)).toEqual(states)
  })
})

describe('names', () => {
  test.each([
    [found(1), found('x'), /^ok: /],
    [found(1), nothing, /^ok: /],
    [found(1), silence, /^warn: .*TXT/],
    [nothing, silence, /^warn: .*closed network/],
    [silence, silence, /^fail: .*no reply.*dns\.servers/],
  ])('MX %j, TXT %j: %s', (mx, txt, expected) => {
    expect(read(judgeResolver({ domain: 'd.test', mx, txt }))).toMatch(expected)
  })

  test.each([
    ['mail.x.test', found('192.0.2.1'), /^ok: /],
    ['mail.x.test', nothing, /^warn: .*no address in DNS → set hostname/],
    ['mail.x.test', silence, /^unknown: /],
    ['box', found('192.0.2.1'), /^warn: box is not a full name/],
  ])('host name %s with %j: %s', (name, address, expected) => {
    expect(read(judgeHostname(name, address))).toMatch(expected)
  })
})

describe('reverse DNS', () => {
  const facts = {
    source: 'ip1',
    ip: '203.0.113.5',
    ehlo: 'mail.x.test',
    bound: true,
    ptr: found('mail.x.test'),
    confirmed: ['mail.x.test'],
  }
  test.each([
    [{}, /^ok: 203\.0\.113\.5 is mail\.x\.test both ways/],
    [{ ptr: nothing, confirmed: [] }, /^fail: .*no reverse DNS.* → ask .*to mail\.x\.test/],
    [{ ptr: silence, confirmed: [] }, /^unknown: .*no reply/],
    [{ confirmed: [] }, /^fail: .*does not have the address/],
    [{ ptr: found('a.test'), confirmed: ['a.test'] }, /^warn: .*called a\.test, and says mail\.x/],
    [{ confirmed: ['a.test', 'mail.x.test'] }, /^ok: /],
    [{ bound: false }, /^fail: .*no address of this machine.*source disable ip1/],
    [{ ip: '10.0.0.5' }, /^unknown: .*private address/],
    [{ ip: undefined }, /^fail: .*no address with a way out/],
  ])('%j: %s', (change, expected) => {
    expect(read(judgeReverse({ ...facts, ...change }))).toMatch(expected)
  })
})

test.each([
  [{ kind: 'not-needed' }, /^ok: .*next hop/],
  [{ kind: 'no-target', detail: 'nxdomain' }, /^unknown: .*nxdomain/],
  [{ kind: 'connected', host: 'mx.test', detail: '' }, /^ok: is open/],
  [{ kind: 'refused', host: 'mx.test', detail: 'ETIMEDOUT' }, /^fail: .*ETIMEDOUT.* → .*route add/],
] as const)('port 25, %j: %s', (facts, expected) => {
  expect(read(judgeOutbound(facts))).toMatch(expected)
})
