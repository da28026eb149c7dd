import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Dialer } from '../../../server/core/ports.ts'
import type { Opened } from '../../../server/delivery/smtp/connection.ts'
import { openSession } from '../../../server/delivery/smtp/open-session.ts'
import type { SessionOptions } from '../../../server/delivery/smtp/open-session.ts'
import { BROKEN_TLS_MS, createTlsMemory } from '../../../server/delivery/smtp/tls-memory.ts'
import { makeCertificate } from '../../support/certificate.ts'
import type { Certificate } from '../../support/certificate.ts'
import { manualClock } from '../../support/clock.ts'
import { dial } from '../../support/dial.ts'
import { startSink } from '../../support/sink.ts'
import type { Sink, SinkOptions } from '../../support/sink.ts'
import { NO_TLS, TLS_IF_OFFERED, TLS_REQUIRED } from '../../support/smtp-client.ts'

let certificate: Certificate
beforeAll(async () => {
  certificate = await makeCertificate(['mx.test'])
})

// Addresses of a made-up net; the dialer leads those with a sink to it and refuses the rest.
const sinks = new Map<string, Sink>()
const dialled: string[] = []
const dialMade: Dialer = (request) => {
  dialled.push(request.host)
  const sink = sinks.get(request.host)
  if (sink === undefined) {
    return Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
  }
  return dial({ ...request, host: sink.address, port: sink.port, localAddress: undefined })
}
async function at(ip: string, options: SinkOptions = {}): Promise<Sink> {
  const sink = await startSink(options)
  sinks.set(ip, sink)
  return sink
}
afterEach(async () => {
  await Promise.all([...sinks.values()].map((sink) => sink.close()))
  sinks.clear()
  dialled.splice(0)
})

type Hosts = Record<string, readonly string[]>
const session = (hosts: Hosts, options: Partial<SessionOptions> = {}): Promise<Opened> =>
  openSession({
    dial: dialMade,
    clock: manualClock(),
    hosts: Object.entries(hosts).map(([name, addresses]) => ({ name, addresses })),
    port: 25,
    source: { ip: undefined, ehlo: 'out.posthorn.test' },
    tls: NO_TLS,
    tlsMemory: createTlsMemory(),
    auth: undefined,
    ...options,
  })

const result = (opened: Opened): unknown => {
  if (!opened.ok) {
    const { stage, fault, reply } = opened.outcome
    return [stage, fault ?? reply?.code]
  }
  opened.connection.destroy()
  return opened.connection.peer.ip
}
const BLOCKED: SinkOptions = { banner: '554 5.7.1 blocked' }
const BUSY: SinkOptions = { banner: '421 4.7.0 busy' }

describe('the way over hosts and addresses', () => {
  test('the first that answers is taken', async () => {
    await at('192.0.2.2')
    await at('192.0.2.3')
    const opened = await session({ a: ['192.0.2.1', '192.0.2.2'], b: ['192.0.2.3'] })
    expect(result(opened)).toBe('192.0.2.2')
    expect(opened.ok && opened.connection.greeting).toMatch(
      /^! a 192\.0\.2\.1:25: ECONNREFUSED\n! connected 192\.0\.2\.2:25 \(a\)/,
    )
  })

  test.each([
    ['421 at banner', BUSY],
    ['554 at banner', BLOCKED],
    ['not SMTP', { banner: 'hello' }],
    ['421 to EHLO', { replies: () => '421 4.3.2 closing' }],
  ])('%s: the next host', async (_name, options) => {
    await at('192.0.2.1', options)
    await at('192.0.2.3')
    expect(result(await session({ a: ['192.0.2.1'], b: ['192.0.2.3'] }))).toBe('192.0.2.3')
  })

  test('a host that refused is not asked again at its other address', async () => {
    await at('192.0.2.1', BUSY)
    await at('192.0.2.2')
    await at('192.0.2.3')
    const hosts = { a: ['192.0.2.1', '192.0.2.2'], b: ['192.0.2.3'] }
    expect(result(await session(hosts))).toBe('192.0.2.3')
    expect(dialled).toEqual(['192.0.2.1', '192.0.2.3'])
  })

  test('two sessions, no more; the last outcome with the story of both', async () => {
    for (const ip of ['192.0.2.1', '192.0.2.2']) await at(ip, BUSY)
    await at('192.0.2.3')
    const opened = await session({ a: ['192.0.2.1'], b: ['192.0.2.2'], c: ['192.0.2.3'] })
    expect(result(opened)).toEqual(['banner', 421])
    expect(opened.ok || opened.outcome.transcript.match(/< 421 4\.7\.0 busy/g)).toHaveLength(2)
    expect(opened.ok || opened.outcome.host).toBe('b')
  })

  test('five addresses, no more', async () => {
    await at('192.0.2.6')
    const six = [1, 2, 3, 4, 5, 6].map((n) => `192.0.2.${n}`)
    expect(result(await session({ a: six }))).toEqual(['connect', 'connect-refused'])
    expect(dialled).toHaveLength(5)
  })

  test('after a refusal nobody comes again over IPv6', async () => {
    await at('192.0.2.1', BLOCKED)
    await at('2001:db8::2')
    const hosts = { a: ['192.0.2.1', '2001:db8::1'], b: ['2001:db8::2'] }
    expect(result(await session(hosts))).toEqual(['banner', 554])
    expect(dialled).toEqual(['192.0.2.1'])
  })

  test('after a dead host IPv6 is as good as any', async () => {
    await at('2001:db8::2')
    expect(result(await session({ a: ['192.0.2.1', '2001:db8::2'] }))).toBe('2001:db8::2')
  })

  test('a source of one family dials that family', async () => {
    await at('2001:db8::2')
    const source = { ip: '192.0.2.99', ehlo: 'out.test' }
    const opened = await session({ a: ['2001:db8::2'] }, { source })
    expect(result(opened)).toEqual(['connect', 'unreachable'])
    expect(dialled).toEqual([])
  })

  test('a source that is not ours stops at once', async () => {
    const unbound: Dialer = ({ host }) => {
      dialled.push(host)
      return Promise.reject(Object.assign(new Error('x'), { code: 'EADDRNOTAVAIL' }))
    }
    const opened = await session({ a: ['192.0.2.1', '192.0.2.2'] }, { dial: unbound })
    expect(result(opened)).toEqual(['connect', 'source-unbound'])
    expect(dialled).toHaveLength(1)
  })

  test('no hosts at all', async () => {
    expect(result(await session({}))).toEqual(['connect', 'unreachable'])
  })
})

describe('broken TLS', () => {
  test('is replaced by clear text, and remembered for three days', async () => {
    const sink = await at('192.0.2.1', { tls: 'broken' })
    const clock = manualClock()
    const tlsMemory = createTlsMemory()
    const open = (): Promise<Opened> =>
      session({ 'mx.test': ['192.0.2.1'] }, { clock, tlsMemory, tls: TLS_IF_OFFERED })

    const first = await open()
    expect(first.ok && first.connection.peer.tls).toBeUndefined()
    expect(first.ok && first.connection.greeting).toContain('! again in the clear\n')
    expect(result(first)).toBe('192.0.2.1')
    expect(sink.connections).toBe(2)

    const next = await open()
    expect(next.ok && next.connection.greeting).toMatch(/^! TLS of mx\.test failed lately/)
    expect(result(next)).toBe('192.0.2.1')
    expect(sink.connections).toBe(3)

    await clock.advance(BROKEN_TLS_MS)
    expect(result(await open())).toBe('192.0.2.1')
    expect(sink.connections, 'the handshake was tried again').toBe(5)
  })

  test('is not remembered of a host that does not work without it either', async () => {
    const tlsMemory = createTlsMemory()
    let connections = 0
    await at('192.0.2.1', { tls: 'broken', replies: () => undefined, maxConnections: 1 })
    const flaky: Dialer = (request) =>
      ++connections > 1
        ? Promise.reject(Object.assign(new Error('x'), { code: 'ECONNREFUSED' }))
        : dialMade(request)
    const opened = await session(
      { 'mx.test': ['192.0.2.1'] },
      { dial: flaky, tlsMemory, tls: TLS_IF_OFFERED },
    )
    expect(result(opened)).toEqual(['connect', 'connect-refused'])
    expect(tlsMemory.isBroken('mx.test', 0)).toBe(false)
  })

  test('never falls back when TLS is required, nor asks the memory', async () => {
    const sink = await at('192.0.2.1', { tls: 'broken' })
    const tlsMemory = createTlsMemory()
    tlsMemory.remember('mx.test', Infinity)
    const opened = await session({ 'mx.test': ['192.0.2.1'] }, { tlsMemory, tls: TLS_REQUIRED })
    expect(result(opened)).toEqual(['starttls', 'tls-handshake'])
    expect([sink.connections, sink.messages.length]).toEqual([1, 0])
  })

  test('never falls back with a password in hand', async () => {
    const auth = { user: 'a', password: 'b' }
    const sink = await at('192.0.2.1', { tls: 'broken', auth })
    const opened = await session({ 'mx.test': ['192.0.2.1'] }, { tls: TLS_IF_OFFERED, auth })
    expect(result(opened)).toEqual(['starttls', 'tls-handshake'])
    expect(sink.connections).toBe(1)
  })

  test('an injected reply is no broken handshake', async () => {
    const replies = (line: string): string | undefined =>
      line === 'STARTTLS' ? '220 go\r\n250 more' : undefined
    const sink = await at('192.0.2.1', { tls: 'broken', replies })
    const opened = await session({ 'mx.test': ['192.0.2.1'] }, { tls: TLS_IF_OFFERED })
    expect(result(opened)).toEqual(['starttls', 'protocol'])
    expect(sink.connections).toBe(1)
  })

  test('a host with a policy of its own follows that', async () => {
    const verified = { ...TLS_REQUIRED, verify: true, ca: certificate.cert }
    await at('192.0.2.1')
    await at('192.0.2.2', { tls: certificate })
    const hosts = [
      { name: 'plain.test', addresses: ['192.0.2.1'], tls: TLS_REQUIRED },
      { name: 'mx.test', addresses: ['192.0.2.2'], tls: verified },
    ]
    const opened = await session({}, { hosts, tls: NO_TLS })
    expect(opened.ok && opened.connection.peer.tls?.verified).toBe(true)
    expect(result(opened)).toBe('192.0.2.2')
  })
})
