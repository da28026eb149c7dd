import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { findPolicedHosts, makePolicyOf } from '../../../server/delivery/mta-sts.ts'
import type { KeptPolicy, PolicyOf } from '../../../server/delivery/mta-sts.ts'
import { readTrust } from '../../../server/delivery/trust.ts'
import type { StsPolicy } from '../../../server/protocol/mta-sts.ts'
import { realRandom } from '../../../server/ports.ts'
import { makePolicyStore } from '../../../server/services/lane/policy-store.ts'
import { makeCertificate } from '../../support/certificate.ts'
import { manualClock } from '../../support/clock.ts'
import type { ManualClock } from '../../support/clock.ts'
import { recordingLog } from '../../support/log.ts'
import type { RecordingLog } from '../../support/log.ts'
import { openTestStore } from '../../support/store.ts'
import { startWeb } from '../../support/web.ts'
import type { Web } from '../../support/web.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const ENFORCE = 'version: STSv1\nmode: enforce\nmx: mx.b.test\nmx: *.pool.b.test\nmax_age: 604800\n'
const POLICY: StsPolicy = {
  mode: 'enforce',
  mx: ['mx.b.test', '*.pool.b.test'],
  maxAgeMs: 604_800_000,
}

interface Stage {
  readonly web: Web
  readonly clock: ManualClock
  readonly log: RecordingLog
  readonly kept: Map<string, KeptPolicy>
  policyOf: PolicyOf
  /** As after a restart. */
  restart(): void
  /** What the policy host says. */
  file: { status?: number; type?: string; text: string; location?: string }
}

async function stage(): Promise<Stage> {
  const file = { text: ENFORCE }
  const answer = (_request: IncomingMessage, response: ServerResponse): void => {
    const { status = 200, type = 'text/plain', text, location } = self.file
    response.writeHead(status, {
      'content-type': type,
      ...(location === undefined ? {} : { location }),
    })
    response.end(text)
  }
  const web = await startWeb({
    names: ['mta-sts.b.test'],
    answer,
    zones: {
      '_mta-sts.b.test': { TXT: ['v=STSv1; id=1;'] },
      'mta-sts.b.test': { A: ['192.0.2.20'] },
    },
  })
  const clock = manualClock()
  const log = recordingLog()
  const kept = new Map<string, KeptPolicy>()
  const make = (): PolicyOf =>
    makePolicyOf({
      resolver: web.resolver,
      fetch: (request) => web.fetch(request),
      store: {
        load: (domain) => Promise.resolve(kept.get(domain)),
        save: (domain, policy) => {
          kept.set(domain, policy)
          return Promise.resolve()
        },
      },
      clock,
      log,
    })
  const self: Stage = {
    web,
    clock,
    log,
    kept,
    file,
    policyOf: make(),
    restart: () => {
      self.policyOf = make()
    },
  }
  return self
}
const later = (at: Stage, ms: number): Promise<void> => at.clock.advance(ms)
const setZone = (at: Stage, name: string, value: Web['dns']['zones'][string]): void => {
  at.web.dns.zones = { ...at.web.dns.zones, [name]: value }
}

describe('discovery', () => {
  test('fetches the policy that the record announces, once for all who ask', async () => {
    const at = await stage()
    const answers = await Promise.all(['b.test', 'b.test', 'b.test'].map((d) => at.policyOf(d)))
    expect(answers).toEqual([POLICY, POLICY, POLICY])
    expect(at.web.hits).toEqual(['https://mta-sts.b.test/.well-known/mta-sts.txt'])
    expect(at.kept.get('b.test')).toMatchObject({ id: '1', policy: POLICY })
  })

  test.each([
    ['no record', {}],
    ['two records', { TXT: ['v=STSv1; id=1', 'v=STSv1; id=2'] }],
    ['a record without an id', { TXT: ['v=STSv1;'] }],
  ])('%s: no policy, nothing fetched, and no question for an hour', async (_what, zone) => {
    const at = await stage()
    setZone(at, '_mta-sts.b.test', zone)
    for (let minutes = 0; minutes < 60; minutes += 10) {
      expect(await at.policyOf('b.test')).toBeUndefined()
      await later(at, HOUR / 6)
    }
    expect(at.web.dns.count('_mta-sts.b.test')).toBe(1)
    setZone(at, '_mta-sts.b.test', { TXT: ['v=STSv1; id=1'] })
    expect(await at.policyOf('b.test')).toEqual(POLICY)
  })

  test('a name server that fails is asked again after five minutes', async () => {
    const at = await stage()
    setZone(at, '_mta-sts.b.test', 'SERVFAIL')
    expect(await at.policyOf('b.test')).toBeUndefined()
    setZone(at, '_mta-sts.b.test', { TXT: ['v=STSv1; id=1'] })
    expect(await at.policyOf('b.test')).toBeUndefined()
    await later(at, 5 * 60_000)
    expect(await at.policyOf('b.test')).toEqual(POLICY)
  })

  test('an address literal has no policy and nobody is asked', async () => {
    const at = await stage()
    expect(await at.policyOf('[192.0.2.1]')).toBeUndefined()
    expect(at.web.dns.count()).toBe(0)
  })

  test.each<[Stage['file'], RegExp, why: string]>([
    [{ text: ENFORCE, status: 404 }, /status 404/, 'no file'],
    [{ text: ENFORCE, status: 206 }, /status 206/, 'half a file'],
    [{ text: ENFORCE, status: 301, location: '/other' }, /status 301/, 'a redirect, RFC 8461 §3.3'],
    [{ text: ENFORCE, type: 'text/html' }, /text\/plain/, 'a page'],
    [{ text: ENFORCE, type: 'text/plainer' }, /text\/plain/, 'a type that begins alike'],
    [{ text: 'mode: enforce' }, /version/, 'no policy'],
    [{ text: ENFORCE + 'x: y\n'.repeat(20_000) }, /too-big/, 'over 64 KiB'],
  ])(
    '%j is no policy (%s): %s; it is logged, and not asked for within an hour',
    async (file, said) => {
      const at = await stage()
      at.file = file
      for (let i = 0; i < 5; i++) {
        expect(await at.policyOf('b.test')).toBeUndefined()
        await later(at, HOUR / 6)
      }
      expect(at.web.hits).toHaveLength(1)
      expect(at.log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
      expect(at.log.lines[0]!.fields['detail']).toMatch(said)
      expect(at.kept.size).toBe(0)
    },
  )

  test.each([
    ['tls', 'a certificate of another name', { A: ['192.0.2.20'] }, 'c.test'],
    ['private-address', 'a policy host inside', { A: ['127.0.0.1'] }, 'b.test'],
    [
      'private-address',
      'a policy host that is a metadata service',
      { A: ['169.254.169.254'] },
      'b.test',
    ],
    ['dns', 'no policy host', {}, 'b.test'],
  ])('%s: %s is as no policy', async (fault, _why, zone, domain) => {
    const at = await stage()
    setZone(at, `_mta-sts.${domain}`, { TXT: ['v=STSv1; id=1'] })
    setZone(at, `mta-sts.${domain}`, zone)
    expect(await at.policyOf(domain)).toBeUndefined()
    expect(at.log.lines[0]!.fields['detail']).toMatch(new RegExp(`^${fault}: `))
    expect(at.web.hits).toEqual([])
  })

  test('text/plain may have parameters', async () => {
    const at = await stage()
    at.file = { text: ENFORCE, type: 'Text/Plain; charset=utf-8' }
    expect(await at.policyOf('b.test')).toEqual(POLICY)
  })
})

describe('keeping', () => {
  test('what was fetched outlives a restart and is not fetched again', async () => {
    const at = await stage()
    await at.policyOf('b.test')
    await later(at, HOUR)
    at.restart()
    expect(await at.policyOf('b.test')).toEqual(POLICY)
    expect(at.web.hits).toHaveLength(1)
  })

  test('another id means another policy, within a minute', async () => {
    const at = await stage()
    await at.policyOf('b.test')
    setZone(at, '_mta-sts.b.test', { TXT: ['v=STSv1; id=2'] })
    at.file = { text: ENFORCE.replace('enforce', 'testing') }
    expect(await at.policyOf('b.test')).toMatchObject({ mode: 'enforce' })
    await later(at, 60_000)
    expect(await at.policyOf('b.test')).toMatchObject({ mode: 'testing' })
    expect(at.kept.get('b.test')).toMatchObject({ id: '2' })
  })

  test('the same id is fetched once a day', async () => {
    const at = await stage()
    for (let hours = 0; hours < 50; hours += 2) {
      await at.policyOf('b.test')
      await later(at, 2 * HOUR)
    }
    expect(at.web.hits).toHaveLength(3)
  })

  test.each([
    ['the record is gone', '_mta-sts.b.test', 'NXDOMAIN'],
    ['the name server fails', '_mta-sts.b.test', 'SERVFAIL'],
    ['the record names another id and the host is gone', 'mta-sts.b.test', 'NXDOMAIN'],
  ] as const)('a policy stays in force until it expires, though %s', async (_what, name, zone) => {
    const at = await stage()
    await at.policyOf('b.test')
    setZone(at, '_mta-sts.b.test', { TXT: ['v=STSv1; id=2'] })
    setZone(at, name, zone)
    await later(at, 2 * DAY)
    at.restart()
    expect(await at.policyOf('b.test')).toEqual(POLICY)
    await later(at, 6 * DAY)
    expect(await at.policyOf('b.test')).toBeUndefined()
  })

  test('mode none ends a policy at once', async () => {
    const at = await stage()
    await at.policyOf('b.test')
    setZone(at, '_mta-sts.b.test', { TXT: ['v=STSv1; id=2'] })
    at.file = { text: 'version: STSv1\nmode: none\nmax_age: 86400\n' }
    await later(at, 60_000)
    expect(await at.policyOf('b.test')).toMatchObject({ mode: 'none' })
  })

  test('a store that fails costs the memory, not the mail', async () => {
    const at = await stage()
    const policyOf = makePolicyOf({
      resolver: at.web.resolver,
      fetch: (request) => at.web.fetch(request),
      store: {
        load: () => Promise.reject(new Error('no')),
        save: () => Promise.reject(new Error('no')),
      },
      clock: at.clock,
      log: at.log,
    })
    expect(await policyOf('b.test')).toEqual(POLICY)
    expect(at.log.lines.filter(({ level }) => level === 'error')).toHaveLength(2)
  })

  test('the database keeps the newest policy of a domain, and drops those that have expired', async () => {
    const { store, all } = await openTestStore()
    const policies = makePolicyStore(store)
    expect(await policies.load('b.test')).toBeUndefined()
    const first = { id: '1', policy: POLICY, fetchedAt: 1_000, expiresAt: 1_000 + POLICY.maxAgeMs }
    await policies.save('b.test', first)
    expect(await policies.load('b.test')).toEqual(first)
    const second = { ...first, id: '2', policy: { ...POLICY, mode: 'testing' as const } }
    await policies.save('b.test', second)
    expect(await policies.load('b.test')).toEqual(second)
    await policies.save('c.test', { ...first, fetchedAt: second.expiresAt, expiresAt: 2e12 })
    expect(all('select domain from mta_sts_policies')).toEqual([{ domain: 'c.test' }])
  })
})

describe('hosts under a policy', () => {
  const MX = [
    [10, 'bad.b.test'],
    [20, 'mx.b.test'],
    [30, 'one.pool.b.test'],
    [30, 'two.one.pool.b.test'],
  ] as const
  const hostsUnder = async (policy: StsPolicy | undefined, mx = MX) => {
    const web = await startWeb({
      zones: { 'b.test': { MX: mx }, '*.b.test': { A: ['192.0.2.30'] } },
    })
    const options = {
      resolver: web.resolver,
      random: realRandom,
      ownNames: new Set<string>(),
      allowPrivateNetworks: false,
      ipv6: 'off' as const,
    }
    return {
      web,
      found: await findPolicedHosts('b.test', options, () => Promise.resolve(policy)),
    }
  }
  const names = (found: Awaited<ReturnType<typeof findPolicedHosts>>): string[] =>
    found.kind === 'failed' ? [] : found.hosts.map(({ name }) => name)

  test('enforce leaves only named ones, asks for no other address, and demands verified TLS', async () => {
    const { web, found } = await hostsUnder(POLICY)
    expect(names(found)).toEqual(['mx.b.test', 'one.pool.b.test'])
    expect(found).toMatchObject({ mustVerify: true })
    expect(web.dns.count('bad.b.test')).toBe(0)
    if (found.kind === 'failed') throw new Error('no hosts')
    for (const host of found.hosts) {
      expect(host.tls).toEqual({ mode: 'required', verify: true, implicit: false })
      expect(host.remark).toBe('MTA-STS policy of b.test, mode enforce')
    }
  })

  test('enforce without a named host is a temporary failure', async () => {
    const { found } = await hostsUnder(POLICY, [[10, 'bad.b.test']] as unknown as typeof MX)
    expect(found).toMatchObject({ kind: 'failed', fault: 'tls-required', status: '4.7.5' })
  })

  test('testing changes nothing but says what it would', async () => {
    const { found } = await hostsUnder({ ...POLICY, mode: 'testing' })
    expect(found).toMatchObject({ mustVerify: false })
    if (found.kind === 'failed') throw new Error('no hosts')
    expect(names(found)).toHaveLength(4)
    expect(found.hosts.map(({ tls }) => tls)).toEqual(Array(4).fill(undefined))
    expect(found.hosts[0]!.remark).toMatch(/mode testing, which does not name this host$/)
    expect(found.hosts[1]!.remark).toMatch(/mode testing$/)
  })

  test.each([[undefined], [{ ...POLICY, mode: 'none' as const }]])(
    '%j changes nothing',
    async (policy) => {
      const { found } = await hostsUnder(policy)
      expect(names(found)).toHaveLength(4)
      expect(found).toMatchObject({ mustVerify: false })
      if (found.kind === 'hosts') expect(found.hosts[0]).not.toHaveProperty('remark')
    },
  )
})

describe('authorities of an operator', () => {
  const write = (text: string): string => {
    const folder = mkdtempSync(join(tmpdir(), 'posthorn-trust-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'ca.pem')
    writeFileSync(file, text)
    return file
  }

  test('each certificate of the file counts', async () => {
    const web = await startWeb()
    const other = await makeCertificate(['other.test'])
    const trust = readTrust(write(`# comment\n${other.cert}\n${web.certificate}`))
    const socket = await web.dial({
      host: 'x',
      port: 443,
      localAddress: undefined,
      timeoutMs: 1_000,
    })
    const tls = tlsConnect({ socket, servername: 'good.test', secureContext: trust })
    await new Promise((resolve, reject) => tls.on('secureConnect', resolve).on('error', reject))
    expect(tls.authorized).toBe(true)
    tls.destroy()
  })

  test.each([
    ['', 'nothing'],
    ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'a damaged one'],
  ])('%j is refused: %s', (text) => {
    expect(() => readTrust(write(text))).toThrow(/holds no certificates/)
  })

  test('a file that is not there is refused', () => {
    expect(() => readTrust('/nowhere/ca.pem')).toThrow(/cannot be read/)
  })
})
