import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { makeDnsClient } from '../../../dns/client.ts'
import { loadConfig } from '../../../server/config/load.ts'
import type { Dialer } from '../../../server/core/ports.ts'
import { realPorts } from '../../../server/ports.ts'
import { runChecks } from '../../../server/services/check.ts'
import { lookAtReverse } from '../../../server/services/check/probe-network.ts'
import { reverseName } from '../../../server/services/check/reverse-name.ts'
import { startDnsStub, type StubZones } from '../../support/dns-stub.ts'

const ports = realPorts('silent')

async function stub(zones: StubZones) {
  const dns = await startDnsStub(zones)
  const resolver = makeDnsClient({ ...ports, servers: [dns.address], timeoutsMs: [200] })
  onTestFinished(async () => {
    resolver.close()
    await dns.close()
  })
  return { dns, resolver }
}

test.each([
  ['192.0.2.10', '10.2.0.192.in-addr.arpa'],
  [
    '2001:db8::567:89ab',
    'b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa', // RFC 3596 §2.5 form
  ],
  ['::1', `1.${'0.'.repeat(31)}ip6.arpa`],
  ['::ffff:192.0.2.1', `1.0.2.0.0.0.0.c.f.f.f.f.${'0.'.repeat(20)}ip6.arpa`],
])('the reverse name of %s is %s', (ip, name) => {
  expect(reverseName(ip)).toBe(name)
})

describe('reverse DNS is looked at both ways', () => {
  const source = { name: 's', ip: '127.0.0.1', ehlo: 'Mail.X.test' }

  test('IPv4, with a name that does not come back', async () => {
    const { resolver } = await stub({
      '1.0.0.127.in-addr.arpa': { PTR: ['other.test', 'mail.x.test'] },
      'mail.x.test': { A: ['192.0.2.1', '127.0.0.1'] },
      'other.test': { A: ['192.0.2.1'] },
    })
    expect(await lookAtReverse(resolver, source)).toMatchObject({
      ehlo: 'mail.x.test',
      bound: true,
      confirmed: ['mail.x.test'],
    })
  })

  test('an address that this machine does not have', async () => {
    const { resolver } = await stub({})
    const away = { ...source, ip: '203.0.113.5' }
    expect(await lookAtReverse(resolver, away)).toMatchObject({
      bound: false,
      ptr: { kind: 'nxdomain' },
      confirmed: [],
    })
  })
})

describe('the whole check', () => {
  async function check(zones: StubZones, dial: Dialer) {
    const { dns } = await stub(zones)
    const dataDir = mkdtempSync(join(tmpdir(), 'posthorn-check-'))
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
    const text = JSON.stringify({
      dataDir,
      hostname: 'mail.x.test',
      http: { listen: '127.0.0.1:0' },
      submission: { listeners: [] },
      dns: { servers: [dns.address], timeouts: ['200 ms'] },
      redis: { url: 'redis://127.0.0.1:1' },
    })
    const config = loadConfig({ file: { name: 'f', text }, env: {}, flags: {}, hostname: 'x' })
    const findings = await runChecks(config, { ...ports, dial }, { offline: false })
    return Object.fromEntries(findings.map(({ topic, state }) => [topic, state]))
  }

  const internet: StubZones = {
    'gmail.com': {
      MX: [
        [5, 'mx1.test'],
        [1, 'mx0.test'],
      ],
      TXT: ['v=spf1'],
    },
    'mx0.test': { A: ['192.0.2.25'] },
    'mail.x.test': { A: ['192.0.2.1'] },
  }

  test('with an internet: dials the best MX on port 25, once', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const dialled: string[] = []
    const states = await check(internet, (request) => {
      dialled.push(`${request.host}:${request.port}`)
      return ports.dial({ ...request, host: '127.0.0.1', port })
    })
    expect(dialled).toEqual(['192.0.2.25:25'])
    expect(states).toMatchObject({
      resolver: 'ok',
      'host name': 'ok',
      'outbound port 25': 'ok',
      redis: 'fail',
      'data directory': 'ok',
    })
  })

  test('with port 25 closed', async () => {
    const refuse: Dialer = () =>
      Promise.reject(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }))
    expect(await check(internet, refuse)).toMatchObject({ 'outbound port 25': 'fail' })
  })

  test('with name servers that do not answer', async () => {
    const states = await check({ '*': 'TIMEOUT' }, ports.dial)
    expect(states).toMatchObject({
      resolver: 'fail',
      'host name': 'unknown',
      'outbound port 25': 'unknown',
    })
  })
})
