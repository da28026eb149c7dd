import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Outcome } from '../../../server/core/outcome.ts'
import { DEFAULT_TIMEOUTS } from '../../../server/delivery/smtp/timeouts.ts'
import type { Timeouts } from '../../../server/delivery/smtp/timeouts.ts'
import { makeCertificate } from '../../support/certificate.ts'
import type { Certificate } from '../../support/certificate.ts'
import { manualClock } from '../../support/clock.ts'
import { startSink } from '../../support/sink.ts'
import type { Sink, SinkOptions } from '../../support/sink.ts'
import {
  connectTo,
  failToConnect,
  NO_TLS,
  TLS_IF_OFFERED,
  TLS_REQUIRED,
} from '../../support/smtp-client.ts'

let certificate: Certificate
beforeAll(async () => {
  certificate = await makeCertificate(['mx.sink.test'])
})

const sinks: Sink[] = []
async function sinkWith(options: SinkOptions = {}): Promise<Sink> {
  const sink = await startSink(options)
  sinks.push(sink)
  return sink
}
afterEach(async () => {
  await Promise.all(sinks.splice(0).map((sink) => sink.close()))
})

const end = ({ kind, stage, fault, reply }: Outcome): readonly unknown[] => [
  kind,
  stage,
  fault ?? reply?.code,
]

describe('opening', () => {
  test('reads what the host offers, and keeps the talk', async () => {
    const connection = await connectTo(await sinkWith())
    expect(connection.capabilities).toMatchObject({ pipelining: true, maxSize: 52_428_800 })
    expect(connection.peer).toMatchObject({ ip: '127.0.0.1', sourceIp: '127.0.0.1' })
    expect(connection.greeting).toMatch(
      /^! connected 127\.0\.0\.1:\d+ \(mx\.sink\.test\) from 127\.0\.0\.1 in \d+ ms\n< 220 sink\.test ESMTP\n> EHLO out\.posthorn\.test\n< 250-sink\.test\n/,
    )
    expect(connection.usable).toBe(true)
    await connection.close()
    expect(connection.usable).toBe(false)
  })

  test('dials from the address that is asked for', async () => {
    const connection = await connectTo(await sinkWith(), { sourceIp: '127.0.0.9' })
    expect(connection.peer.sourceIp).toBe('127.0.0.9')
    connection.destroy()
  })

  test('says HELO to a server that does not know EHLO', async () => {
    const connection = await connectTo(await sinkWith({ ehloRefused: true }))
    expect(connection.capabilities.pipelining).toBe(false)
    expect(connection.greeting).toContain('> HELO out.posthorn.test\n< 250 sink.test\n')
    connection.destroy()
  })

  test('understands replies that come byte by byte', async () => {
    const connection = await connectTo(await sinkWith({ dribble: true }))
    expect(connection.capabilities.eightBit).toBe(true)
    connection.destroy()
  })

  test('waits for a slow banner', async () => {
    const sink = await sinkWith({ banner: 'slow', slowMs: 50 })
    const connection = await connectTo(sink)
    expect(sink.violations).toEqual([])
    connection.destroy()
  })
})

describe('a host that does not want us', () => {
  const ends = (options: SinkOptions, expected: readonly unknown[], reason: string): void =>
    test(reason, async () => {
      expect(end(await failToConnect(await sinkWith(options)))).toEqual(expected)
    })
  const ehlo = (reply: string): SinkOptions => ({
    replies: (command) => (/^(EHLO|HELO)/.test(command) ? reply : undefined),
  })

  ends({ banner: '554 5.7.1 blocked' }, ['refused', 'banner', 554], '5xx banner')
  ends({ banner: '421 4.7.0 later' }, ['refused', 'banner', 421], '421 banner')
  ends({ banner: '300 what' }, ['failed', 'banner', 'protocol'], 'a banner of no meaning')
  ends({ banner: 'SSH-2.0-OpenSSH_9.2' }, ['failed', 'banner', 'protocol'], 'not SMTP')
  ends({ maxConnections: 0 }, ['refused', 'banner', 421], 'too many connections')
  ends(ehlo('421 4.3.2 closing'), ['refused', 'ehlo', 421], '421 to EHLO')
  ends(ehlo('450 4.7.1 later'), ['refused', 'ehlo', 450], '4xx to EHLO: HELO would not help')
  ends(ehlo('550 5.7.1 never'), ['refused', 'ehlo', 550], '5xx to EHLO and HELO')
  ends(ehlo('354 go on'), ['failed', 'ehlo', 'protocol'], '3xx to EHLO')
  ends(ehlo('250 one\r\n250 two'), ['failed', 'ehlo', 'protocol'], 'two replies to one command')

  test('nobody listens', async () => {
    const sink = await startSink()
    await sink.close()
    const outcome = await failToConnect(sink)
    expect(end(outcome)).toEqual(['failed', 'connect', 'connect-refused'])
    expect(outcome.transcript).toMatch(/^! mx\.sink\.test 127\.0\.0\.1:\d+: ECONNREFUSED\n$/)
  })

  test('our source address is not ours', async () => {
    const outcome = await failToConnect(await sinkWith(), { sourceIp: '192.0.2.1' })
    expect(end(outcome)).toEqual(['failed', 'connect', 'source-unbound'])
  })

  test('a dial error without a known code', async () => {
    const dial = (): Promise<never> => Promise.reject(new Error('no such luck'))
    const outcome = await failToConnect(await sinkWith(), { dial })
    expect(end(outcome)).toEqual(['failed', 'connect', 'unreachable'])
    expect(outcome.detail).toBe('no such luck')
  })

  test('the connection is lost before the banner', async () => {
    const server = createServer((socket) => socket.destroy())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const outcome = await failToConnect({ address: '127.0.0.1', port })
    expect(end(outcome)).toEqual(['failed', 'banner', 'connection-lost'])
    server.close()
  })
})

describe('time-outs', () => {
  const late = (timeouts: Partial<Timeouts>, options: SinkOptions, stage: string): void =>
    test(stage, async () => {
      const outcome = await failToConnect(await sinkWith(options), { timeouts })
      expect(end(outcome)).toEqual(['failed', stage, 'timeout'])
      expect(outcome.transcript).toMatch(/! no reply in time\n$/)
    })
  const silentTo = (word: string): SinkOptions => ({
    replies: (command) => (command.startsWith(word) ? '' : undefined),
  })

  late({ bannerMs: 30 }, { banner: 'silent' }, 'banner')
  late({ ehloMs: 30 }, silentTo('EHLO'), 'ehlo')

  test('starttls', async () => {
    const clock = manualClock()
    let asked = false
    const replies = (line: string): string | undefined => {
      asked ||= line === 'STARTTLS'
      return asked ? '' : undefined
    }
    const sink = await sinkWith({ tls: 'broken', replies })
    const outcome = failToConnect(sink, { clock, tls: TLS_IF_OFFERED })
    await expect.poll(() => asked).toBe(true)
    await clock.advance(DEFAULT_TIMEOUTS.ehloMs)
    expect(end(await outcome)).toEqual(['failed', 'starttls', 'timeout'])
  })

  test('in the handshake', async () => {
    const clock = manualClock()
    let held: Socket | undefined
    const server = createServer((socket) => {
      held = socket
      socket.on('error', () => undefined)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const tls = { mode: 'required', verify: false, implicit: true } as const
    const outcome = failToConnect({ address: '127.0.0.1', port }, { clock, tls })
    await expect.poll(() => held?.bytesRead).toBeGreaterThan(0) // the ClientHello
    await clock.advance(DEFAULT_TIMEOUTS.ehloMs)
    expect(end(await outcome)).toEqual(['failed', 'starttls', 'timeout'])
    server.close()
  })
})

describe('STARTTLS', () => {
  test('is used when offered, and EHLO said again', async () => {
    const sink = await sinkWith({ tls: certificate })
    const connection = await connectTo(sink, { tls: TLS_IF_OFFERED })
    expect(connection.peer.tls).toMatchObject({ protocol: 'TLSv1.3', verified: false })
    expect(connection.capabilities.startTls).toBe(false)
    expect(connection.greeting).toContain('> STARTTLS\n< 220 2.0.0 go ahead\n! TLSv1.3 ')
    expect(connection.greeting.match(/> EHLO/g)).toHaveLength(2)
    await connection.close()
  })

  test('is not used when it is off', async () => {
    const connection = await connectTo(await sinkWith({ tls: certificate }), { tls: NO_TLS })
    expect(connection.peer.tls).toBeUndefined()
    connection.destroy()
  })

  test('a certificate that proves the name is verified', async () => {
    const connection = await connectTo(await sinkWith({ tls: certificate }), {
      tls: { ...TLS_REQUIRED, verify: true, ca: certificate.cert },
    })
    expect(connection.peer.tls?.verified).toBe(true)
    connection.destroy()
  })

  test('works from the first byte too', async () => {
    const connection = await connectTo(await sinkWith({ tls: certificate, implicitTls: true }), {
      tls: { mode: 'required', verify: true, implicit: true, ca: certificate.cert },
    })
    expect(connection.peer.tls?.verified).toBe(true)
    expect(connection.greeting).not.toContain('STARTTLS')
    connection.destroy()
  })

  const refuses = (
    options: SinkOptions | (() => SinkOptions),
    tls: typeof TLS_REQUIRED,
    fault: string,
    reason: string,
  ): void =>
    test(reason, async () => {
      const sink = await sinkWith(typeof options === 'function' ? options() : options)
      expect(end(await failToConnect(sink, { tls }))).toEqual(['failed', 'starttls', fault])
      expect(sink.connections).toBe(1)
    })
  const answer = (reply: string): SinkOptions => ({
    tls: 'broken',
    replies: (command) => (command === 'STARTTLS' ? reply : undefined),
  })
  const strict = { ...TLS_REQUIRED, verify: true }

  refuses({}, TLS_REQUIRED, 'tls-required', 'required but not offered')
  refuses({ ehloRefused: true }, TLS_REQUIRED, 'tls-required', 'required of a HELO server')
  refuses(answer('454 4.7.0 no'), TLS_REQUIRED, 'tls-required', 'required but refused')
  refuses({ tls: 'broken' }, TLS_REQUIRED, 'tls-handshake', 'required but broken')
  refuses({ tls: 'broken' }, TLS_IF_OFFERED, 'tls-handshake', 'wished for but broken')
  refuses(() => ({ tls: certificate }), strict, 'tls-required', 'an authority nobody knows')
  refuses(answer('220 go\r\n250 injected'), TLS_IF_OFFERED, 'protocol', 'an injected reply')
  refuses(answer('220 go\r\n250-inje\n'), TLS_IF_OFFERED, 'protocol', 'half an injected reply')

  test('an expired certificate does not prove anything', async () => {
    const old = await makeCertificate(['mx.sink.test'], {
      notAfterDate: new Date(Date.now() - 3_600_000),
    })
    const outcome = await failToConnect(await sinkWith({ tls: old }), {
      tls: { ...strict, ca: old.cert },
    })
    expect(outcome.detail).toBe('the certificate is not valid: CERT_HAS_EXPIRED')
  })

  test('nor does one of another name', async () => {
    const other = await makeCertificate(['other.test'])
    const outcome = await failToConnect(await sinkWith({ tls: other }), {
      tls: { ...strict, ca: other.cert },
    })
    expect(outcome.detail).toBe('the certificate is not valid: ERR_TLS_CERT_ALTNAME_INVALID')
  })

  test('a refusal is no matter when it was only a wish', async () => {
    const connection = await connectTo(await sinkWith(answer('454 4.7.0 not now')), {
      tls: TLS_IF_OFFERED,
    })
    expect(connection.peer.tls).toBeUndefined()
    connection.destroy()
  })

  test('421 to STARTTLS ends the connection', async () => {
    const outcome = await failToConnect(await sinkWith(answer('421 4.7.0 closing')), {
      tls: TLS_IF_OFFERED,
    })
    expect(end(outcome)).toEqual(['refused', 'starttls', 421])
  })
})

describe('AUTH', () => {
  const login = { user: 'jane', password: 'correct horse' }

  test.each(['PLAIN', 'LOGIN'])('%s, without a trace of the password', async (mechanisms) => {
    const sink = await sinkWith({ auth: { ...login, mechanisms } })
    const { greeting, ...connection } = await connectTo(sink, { auth: login })
    expect(greeting).toMatch(/\[redacted\]\n< 235 2\.7\.0 welcome\n$/)
    for (const secret of [login.password, login.user]) {
      expect(greeting).not.toContain(secret)
      expect(greeting).not.toContain(Buffer.from(secret).toString('base64'))
    }
    expect(greeting).not.toContain(Buffer.from('\0jane\0correct horse').toString('base64'))
    connection.wire.break('connection-lost', 'over')
  })

  test.each(['PLAIN', 'LOGIN'])('%s with a wrong password is refused', async (mechanisms) => {
    const sink = await sinkWith({ auth: { ...login, mechanisms } })
    const outcome = await failToConnect(sink, { auth: { ...login, password: 'guess' } })
    expect(end(outcome)).toEqual(['refused', 'auth', 535])
    expect(outcome.transcript).not.toContain('guess')
  })

  test('no mechanism in common', async () => {
    const sink = await sinkWith({ auth: { ...login, mechanisms: 'CRAM-MD5' } })
    expect(end(await failToConnect(sink, { auth: login }))).toEqual(['failed', 'auth', 'protocol'])
  })

  test('a password does not go over a wire that should have been TLS', async () => {
    const sink = await sinkWith({ auth: login })
    const outcome = await failToConnect(sink, { auth: login, tls: TLS_IF_OFFERED })
    expect(end(outcome)).toEqual(['failed', 'auth', 'tls-required'])
    expect(outcome.transcript).not.toContain('AUTH PLAIN [redacted]')
  })
})

describe('while idle', () => {
  test('a server that closes makes the connection unusable', async () => {
    const sink = await sinkWith()
    const connection = await connectTo(sink)
    await sink.close()
    await expect.poll(() => connection.usable).toBe(false)
  })

  test('a transcript is bounded, however much the host talks', async () => {
    const banner = Array.from({ length: 60 }, () => `220-${'x'.repeat(900)}`).join('\r\n')
    const sink = await sinkWith({ banner: `${banner}\r\n220 done` })
    const connection = await connectTo(sink)
    expect(connection.greeting).toContain(' more lines\n> EHLO')
    expect(connection.greeting.length).toBeLessThan(3000)
    connection.destroy()
  })
})
