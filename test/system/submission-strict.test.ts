/** What SMTP submission does to clients that break the rules: smugglers, injectors, the slow and the endless. */
import { afterEach, describe, expect, test } from 'vitest'
import { smtpClient } from '../support/raw-client.ts'
import type { SmtpClient } from '../support/raw-client.ts'
import { testSubmission } from '../support/submission.ts'
import type { TestSubmission } from '../support/submission.ts'

const HEAD = 'From: a@example.com\r\nSubject: x\r\n\r\n'
const TRUSTED = [
  { host: '127.0.0.1', port: 0, tls: 'starttls', trustedNetworks: ['127.0.0.0/8'] },
] as const
const IMPLICIT = [{ host: '127.0.0.1', port: 0, tls: 'implicit', trustedNetworks: [] }] as const

let open: TestSubmission | undefined
async function start(options?: Parameters<typeof testSubmission>[0]): Promise<TestSubmission> {
  open = await testSubmission({ listeners: TRUSTED, ...options })
  return open
}
afterEach(async () => {
  await open?.close()
  open = undefined
})

async function greet(port: number): Promise<SmtpClient> {
  const client = await smtpClient(port)
  await client.reply()
  await client.say('EHLO app.example')
  return client
}
async function untilData(port: number): Promise<SmtpClient> {
  const client = await greet(port)
  await client.say('MAIL FROM:<a@example.com>')
  await client.say('RCPT TO:<b@example.org>')
  expect(await client.say('DATA')).toMatch(/^354/)
  return client
}

describe('smuggling: a second message behind a false end', () => {
  const sequences: [sequence: string, why: string][] = [
    ['\n.\n', 'LF . LF'],
    ['\n.\r\n', 'LF . CRLF'],
    ['\r\n.\n', 'CRLF . LF'],
    ['\r.\r', 'CR . CR'],
    ['\r.\r\n', 'CR . CRLF'],
    ['\r\n.\r', 'CRLF . CR'],
    ['\r\n\0.\r\n', 'CRLF NUL . CRLF'],
    ['\r\n.\0\r\n', 'CRLF . NUL CRLF'],
    ['\r\r\n.\r\r\n', 'CR CRLF . CR CRLF'],
    ['\n.\r', 'LF . CR'],
  ]
  test.each(sequences)('%j (%s) is one message, and refused', async (sequence) => {
    const { ports, accepted } = await start()
    const client = await untilData(ports[0]!)
    const second = 'MAIL FROM:<evil@example.com>\r\nRCPT TO:<v@example.org>\r\nDATA\r\n'
    client.raw(`${HEAD}one${sequence}${second}${HEAD}two\r\n.\r\n`)
    expect(await client.reply()).toMatch(/^55[04] 5\.6\.(11|0)/)
    // Nothing else was answered: what looked like commands was content.
    expect(await client.say('NOOP')).toBe('250 2.0.0 OK')
    expect(accepted).toEqual([])
  })
  test('a false end that is only well-formed lines is content', async () => {
    const { ports, accepted } = await start()
    const client = await untilData(ports[0]!)
    client.raw(`${HEAD}one\r\n..\r\nMAIL FROM:<evil@example.com>\r\n.\r\n`)
    expect(await client.reply()).toMatch(/^250/)
    expect(accepted[0]!.raw.toString()).toBe(`${HEAD}one\r\n.\r\nMAIL FROM:<evil@example.com>\r\n`)
  })
})

describe('command lines', () => {
  const ending: [bytes: string, why: string][] = [
    ['NOOP\n', 'bare LF'],
    ['NOOP\nMAIL FROM:<a@example.com>\r\n', 'bare LF, and a command behind it'],
    ['NOOP\rMAIL FROM:<a@example.com>\r\n', 'bare CR'],
    ['NOOP\r\r\n', 'CR CRLF'],
    ['\n', 'LF alone'],
    [`NOOP ${'x'.repeat(5_000)}\nMAIL FROM:<a@example.com>\r\n`, 'bare LF behind a long line'],
  ]
  test.each(ending)('%j: the session ends', async (bytes) => {
    const { ports } = await start()
    const client = await greet(ports[0]!)
    client.raw(`${bytes}NOOP\r\n`)
    expect(await client.untilClosed()).toMatch(/^500 5\.5\.2 Lines must end with CR LF.*\r\n$/)
  })
  test('with control characters are refused', async () => {
    const { ports } = await start()
    const client = await greet(ports[0]!)
    expect(await client.say('NOOP \0')).toMatch(/^500 5\.5\.2/)
    expect(await client.say('MAIL FROM:<a\x1b@example.com>')).toMatch(/^500 5\.5\.2/)
    expect(await client.say('NOOP')).toMatch(/^250/)
  })
  test('that are too long are refused, however they come, and too many end the session', async () => {
    const { ports } = await start()
    const client = await greet(ports[0]!)
    expect(await client.say(`NOOP ${'x'.repeat(4_090)}`)).toMatch(/^250/)
    expect(await client.say(`NOOP ${'x'.repeat(4_092)}`)).toMatch(/^500 5\.5\.2 .*long/)
    for (let i = 0; i < 10; i++) {
      client.raw('x'.repeat(1_000))
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    expect(await client.say('')).toMatch(/^500 5\.5\.2 .*long/)
    expect(await client.say('NOOP')).toMatch(/^250/)
    client.raw(`${'x'.repeat(20_000)}\r\n`.repeat(3))
    expect(await client.untilClosed()).toMatch(/421 4\.7\.0 Too many errors\.\r\n$/)
  })
  test('without end are cut', async () => {
    const { ports } = await start()
    const client = await greet(ports[0]!)
    client.raw('x'.repeat(200_000))
    expect(await client.untilClosed()).toMatch(/^421 4\.7\.0/)
  })
  test('in error end the session when there are too many', async () => {
    const server = await start()
    const client = await greet(server.ports[0]!)
    for (let i = 0; i < 5; i++) expect(await client.say('XYZZY')).toMatch(/^500 5\.5\.2/)
    expect(await client.reply()).toMatch(/^421 4\.7\.0/)
    await client.untilClosed()
    expect(server.counters.cut).toBe(1)
  })
  test('that keep us busy for nothing end the session', async () => {
    const { ports } = await start()
    const client = await greet(ports[0]!)
    client.raw('NOOP\r\n'.repeat(5_000))
    const text = await client.untilClosed()
    expect(text.match(/^250/gm)?.length).toBe(99)
    expect(text).toMatch(/421 4\.7\.0 .*\r\n$/)
  })
  test('of a browser end the session', async () => {
    const { ports, accepted } = await start()
    const client = await smtpClient(ports[0]!)
    await client.reply()
    client.raw('POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@example.com>\r\n')
    expect(await client.untilClosed()).toMatch(/^421 4\.7\.0/)
    expect(accepted).toEqual([])
  })
})

describe('commands before the handshake', () => {
  const injected = 'EHLO evil\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<v@example.org>\r\n'
  test.each([
    ['in the same packet', `STARTTLS\r\n${injected}`],
    ['more of them than one batch', `STARTTLS\r\n${'NOOP\r\n'.repeat(400)}${injected}`],
    ['half a line', 'STARTTLS\r\nMAIL FROM:<evil@exam'],
  ])('are thrown away (CVE-2011-0411): %s', async (_why, bytes) => {
    const { ports } = await start()
    const plain = await greet(ports[0]!)
    plain.raw(bytes)
    expect(await plain.reply()).toMatch(/^220/)
    const secure = await plain.secure()
    expect(await secure.say('NOOP')).toBe('250 2.0.0 OK')
    expect(await secure.say('RCPT TO:<v@example.org>')).toMatch(/^503/)
    expect(await secure.say('EHLO app.example')).toMatch(/^250-/)
    expect(await secure.say('MAIL FROM:<a@example.com>')).toMatch(/^250/)
  })
})

describe('slow clients', () => {
  const SLOW = { idleTimeoutMs: 300, minBytesPerSecond: 100_000 }
  const drip = (client: SmtpClient, text: string): (() => void) => {
    const timer = setInterval(() => client.raw(text), 30)
    return () => clearInterval(timer)
  }
  test('that say nothing are cut', async () => {
    const { ports } = await start({ limits: SLOW })
    const client = await greet(ports[0]!)
    expect(await client.reply()).toMatch(/^421 4\.4\.2/)
    await client.untilClosed()
  })
  test('that send a command byte by byte are cut', async () => {
    const { ports } = await start({ limits: SLOW })
    const client = await greet(ports[0]!)
    const stop = drip(client, 'x')
    expect(await client.reply()).toMatch(/^421 4\.4\.2/)
    stop()
  })
  test('that send a message byte by byte are cut', async () => {
    const server = await start({ limits: SLOW })
    const client = await untilData(server.ports[0]!)
    const stop = drip(client, 'x')
    expect(await client.reply()).toMatch(/^421 4\.4\.2/)
    stop()
    await client.untilClosed()
    expect(server.accepted).toEqual([])
  })
  test('that do not log in are cut, busy or not', async () => {
    const { ports } = await start({
      limits: SLOW,
      listeners: [{ host: '127.0.0.1', port: 0, tls: 'starttls', trustedNetworks: [] }],
    })
    const client = await greet(ports[0]!)
    const stop = drip(client, 'NOOP\r\n')
    expect(await client.untilClosed()).toMatch(/421 4\.[47]\.[02] .*\r\n$/)
    stop()
  })
  test('that do not finish their handshake are cut, and nobody else notices', async () => {
    const { ports, server } = await start({
      limits: SLOW,
      listeners: [...TRUSTED, ...IMPLICIT],
    })
    const implicit = await smtpClient(ports[1]!)
    const plain = await greet(ports[0]!)
    await plain.say('STARTTLS')
    // A TLS record header that promises more than ever comes.
    const stops = [implicit, plain].map((client) => {
      client.raw('\x16\x03\x01\x20\x00\x01')
      return drip(client, '\0')
    })
    await implicit.untilClosed()
    await plain.untilClosed()
    stops.forEach((stop) => stop())
    await expect.poll(() => server.sessions()).toBe(0)
    expect(await (await greet(ports[0]!)).say('NOOP')).toMatch(/^250/)
  })
  test('that wait for us are not cut', async () => {
    const server = await start({ limits: SLOW })
    const client = await untilData(server.ports[0]!)
    server.answer = () => new Promise((resolve) => setTimeout(resolve, 900))
    client.raw(`${HEAD}x\r\n.\r\n`)
    expect(await client.reply()).toMatch(/^250/)
  })
  test('that do not read their replies are cut, and cost no memory', async () => {
    const server = await start({ limits: { idleTimeoutMs: 500 } })
    const client = await greet(server.ports[0]!)
    client.socket.pause()
    const mail = `MAIL FROM:<>\r\n${'RCPT TO:<b@example.org>\r\n'.repeat(200)}RSET\r\n`
    for (let i = 0; i < 90; i++) client.raw(mail)
    await expect.poll(() => server.server.sessions(), { timeout: 8_000 }).toBe(0)
    client.destroy()
  })
})

describe('connections', () => {
  test('beyond the limit of one client are told so', async () => {
    const server = await start({ limits: { maxConnectionsPerIp: 2 } })
    const [port] = server.ports
    const first = await greet(port!)
    await greet(port!)
    const third = await smtpClient(port!)
    expect(await third.reply()).toMatch(/^421 4\.7\.0/)
    await third.untilClosed()
    first.destroy()
    await expect.poll(() => server.server.sessions()).toBe(1)
    expect(await (await greet(port!)).say('NOOP')).toMatch(/^250/)
    expect(server.counters).toMatchObject({ connections: 3, connectionsRefused: 1 })
  })
  test.each([
    ['that break off at once', TRUSTED, ''],
    ['that speak no TLS', IMPLICIT, 'EHLO x\r\n'],
    ['that break off in the handshake', IMPLICIT, '\x16\x03\x01\x20\x00\x01'],
    ['that break off in STARTTLS', TRUSTED, 'EHLO x\r\nSTARTTLS\r\n\x16\x03\x01\x20\x00\x01'],
  ])('%s leave their places', async (_why, listeners, bytes) => {
    const server = await start({ listeners, limits: { maxConnectionsPerIp: 4 } })
    for (let i = 0; i < 12; i++) {
      const client = await smtpClient(server.ports[0]!)
      client.raw(bytes)
      await new Promise((resolve) => setTimeout(resolve, 10))
      client.destroy()
      await expect.poll(() => server.server.sessions()).toBe(0)
    }
    const tls = listeners === IMPLICIT
    const clients = await Promise.all([1, 2, 3, 4].map(() => smtpClient(server.ports[0]!, { tls })))
    for (const client of clients) expect(await client.reply()).toMatch(/^220/)
  })
})

describe('the end of the server', () => {
  test('lets a message on its way in finish, and tells idle sessions at once', async () => {
    const server = await start()
    const idle = await greet(server.ports[0]!)
    const busy = await untilData(server.ports[0]!)
    const closing = server.server.close(5_000)
    expect(await idle.reply()).toMatch(/^421 4\.3\.2/)
    await idle.untilClosed()
    busy.raw(`${HEAD}x\r\n.\r\n`)
    expect(await busy.reply()).toMatch(/^250 2\.0\.0 queued/)
    expect(await busy.reply()).toMatch(/^421 4\.3\.2/)
    await closing
    expect(server.accepted).toHaveLength(1)
    await expect(smtpClient(server.ports[0]!)).rejects.toThrow()
  })
  test('refuses new transactions meanwhile', async () => {
    const server = await start()
    const client = await greet(server.ports[0]!)
    await client.say('MAIL FROM:<>')
    const closing = server.server.close(5_000)
    client.raw('RSET\r\nMAIL FROM:<>\r\n')
    expect(await client.reply()).toMatch(/^250/)
    expect(await client.reply()).toMatch(/^421 4\.3\.2/)
    await closing
  })
  test('waits no longer than its grace', async () => {
    const server = await start()
    const client = await untilData(server.ports[0]!)
    const started = Date.now()
    await server.server.close(200)
    expect(Date.now() - started).toBeLessThan(2_000)
    expect(await client.untilClosed()).toMatch(/^421 4\.3\.2/)
  })
  test('cuts handshakes short', async () => {
    const server = await start({ listeners: [...TRUSTED, ...IMPLICIT] })
    const implicit = await smtpClient(server.ports[1]!)
    const plain = await greet(server.ports[0]!)
    await plain.say('STARTTLS')
    for (const client of [implicit, plain]) client.raw('\x16\x03\x01\x20\x00\x01')
    await new Promise((resolve) => setTimeout(resolve, 50))
    await server.server.close(100)
    await implicit.untilClosed()
    await plain.untilClosed()
  })
})
