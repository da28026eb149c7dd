/** Logins over SMTP submission: where they are offered, what a wrong one costs, when a right one ends. */
import { networkInterfaces } from 'node:os'
import { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { AppError } from '../../server/core/errors.ts'
import { makeCertificate } from '../support/certificate.ts'
import { smtpClient } from '../support/raw-client.ts'
import type { SmtpClient } from '../support/raw-client.ts'
import { PASSWORD, USER, principal, testSubmission } from '../support/submission.ts'
import type { TestSubmission } from '../support/submission.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const LOGIN = base64(`\0${USER}\0${PASSWORD}`)
const WRONG = base64(`\0${USER}\0wrong`)
/** Of this machine, but not loopback. */
const OUTSIDE = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address

let open: TestSubmission | undefined
async function start(options?: Parameters<typeof testSubmission>[0]): Promise<TestSubmission> {
  open = await testSubmission(options)
  return open
}
afterEach(async () => {
  await open?.close()
  open = undefined
})

async function greet(client: SmtpClient): Promise<string> {
  await client.reply()
  return client.say('EHLO app.example')
}
const connectTo = async (port: number): Promise<SmtpClient> => {
  const client = await smtpClient(port)
  await greet(client)
  return client
}

describe('AUTH', () => {
  test('LOGIN asks for the name, then for the password', async () => {
    const { ports } = await start()
    const client = await connectTo(ports[0]!)
    expect(await client.say('AUTH LOGIN')).toBe('334 VXNlcm5hbWU6')
    expect(await client.say(base64(USER))).toBe('334 UGFzc3dvcmQ6')
    expect(await client.say(base64(PASSWORD))).toMatch(/^235 2\.7\.0/)
  })
  test('PLAIN takes its answer on a line of its own', async () => {
    const { ports } = await start()
    const client = await connectTo(ports[0]!)
    client.raw('AUTH PLAIN\r\n')
    expect(await client.reply()).toBe('334')
    expect(await client.say(LOGIN)).toMatch(/^235/)
  })
  const refused: [lines: string[], reply: string, why: string][] = [
    [[`AUTH PLAIN ${WRONG}`], '535 5.7.8', 'a wrong password'],
    [[`AUTH PLAIN ${base64(`\0nobody\0${PASSWORD}`)}`], '535 5.7.8', 'a wrong name'],
    [[`AUTH PLAIN ${base64(`other\0${USER}\0${PASSWORD}`)}`], '535 5.7.8', 'for somebody else'],
    [['AUTH PLAIN !!!'], '501 5.5.4', 'no base64'],
    [['AUTH PLAIN', '*'], '501 5.5.4', 'broken off'],
    [['AUTH LOGIN', base64(USER), '*'], '501 5.5.4', 'broken off'],
    [['AUTH'], '504 5.5.4', 'no mechanism'],
    [['AUTH CRAM-MD5'], '504 5.5.4', 'a mechanism that is not offered'],
    [['AUTH XOAUTH2 x'], '504 5.5.4', 'the same'],
    [[`AUTH PLAIN ${LOGIN}`, `AUTH PLAIN ${LOGIN}`], '503 5.5.1', 'twice'],
    [['MAIL FROM:<>'], '530 5.7.0', 'no AUTH at all'],
    [['RCPT TO:<b@example.org>'], '503 5.5.1', 'no AUTH, out of order'],
  ]
  test.each(refused)('%j is answered %s: %s', async (lines, expected) => {
    const { ports, accepted } = await start()
    const client = await connectTo(ports[0]!)
    let reply = ''
    for (const line of lines) reply = await client.say(line)
    expect(reply.slice(0, 9)).toBe(expected)
    expect(await client.say('NOOP')).toMatch(/^250/)
    expect(accepted).toEqual([])
  })
  test('before EHLO is out of order', async () => {
    const { ports } = await start()
    const client = await smtpClient(ports[0]!)
    await client.reply()
    expect(await client.say(`AUTH PLAIN ${LOGIN}`)).toMatch(/^503/)
    expect(await client.say('MAIL FROM:<>')).toMatch(/^503/)
  })
  test('revoked credentials are told like wrong ones', async () => {
    const server = await start()
    server.login = () => {
      throw new AppError('AUTH_REVOKED')
    }
    const client = await connectTo(server.ports[0]!)
    expect(await client.say(`AUTH PLAIN ${LOGIN}`)).toMatch(/^535 5\.7\.8 .*revoked/)
  })
  test('that are expired or used from elsewhere cannot be told from wrong ones, but in the log', async () => {
    const server = await start()
    const answers: string[] = []
    let from: string | undefined
    for (const code of ['AUTH_FAILED', 'AUTH_EXPIRED', 'NETWORK_FORBIDDEN'] as const) {
      server.login = (_username, _password, ip) => {
        from = ip
        throw new AppError(code)
      }
      const client = await connectTo(server.ports[0]!)
      answers.push(await client.say(`AUTH PLAIN ${LOGIN}`))
      client.destroy()
    }
    expect(answers).toEqual(Array(3).fill('535 5.7.8 The credentials are not valid.'))
    expect(from).toBe('127.0.0.1')
    expect(server.log.of('auth-failed').map(({ fields }) => fields['reason'])).toEqual([
      'AUTH_FAILED',
      'AUTH_EXPIRED',
      'NETWORK_FORBIDDEN',
    ])
    expect(server.counters.authFailures).toBe(3)
  })
  test('that cannot be checked is a temporary failure', async () => {
    const server = await start()
    server.login = () => {
      throw new TypeError('boom')
    }
    const client = await connectTo(server.ports[0]!)
    expect(await client.say(`AUTH PLAIN ${LOGIN}`)).toMatch(/^454 4\.7\.0/)
    expect(server.log.of('smtp-bug')).toHaveLength(1)
  })
  test('fails slower each time, and the third time ends the session', async () => {
    const server = await start()
    const client = await connectTo(server.ports[0]!)
    const times: number[] = []
    for (let i = 0; i < 3; i++) {
      const started = Date.now()
      expect(await client.say(`AUTH PLAIN ${WRONG}`)).toMatch(/^535 5\.7\.8/)
      times.push(Date.now() - started)
    }
    expect(await client.reply()).toMatch(/^421 4\.7\.0/)
    await client.untilClosed()
    expect(times[0]).toBeGreaterThanOrEqual(240)
    expect(times[1]).toBeGreaterThanOrEqual(490)
    expect(times[2]).toBeGreaterThanOrEqual(990)
    expect(server.counters.authFailures).toBe(3)
  })
  test('lines piled up behind a wrong one are not tried in the meantime', async () => {
    const server = await start()
    let tries = 0
    server.login = () => {
      tries++
      throw new AppError('AUTH_FAILED')
    }
    const client = await connectTo(server.ports[0]!)
    client.raw(`AUTH PLAIN ${WRONG}\r\n`.repeat(50))
    await client.untilClosed()
    expect(tries).toBe(3)
  })
})

describe('a session that is logged in', () => {
  test('ends with 421 at the next MAIL once the login is revoked', async () => {
    const server = await start()
    const client = await connectTo(server.ports[0]!)
    await client.say(`AUTH PLAIN ${LOGIN}`)
    expect(await client.say('MAIL FROM:<>')).toMatch(/^250/)
    server.isRevoked = true
    expect(await client.say('RSET')).toMatch(/^250/)
    expect(await client.say('MAIL FROM:<>')).toMatch(/^421 4\.7\.0 .*revoked/)
    await client.untilClosed()
  })
  test('counts against the connections of its login, and gives its place back', async () => {
    const server = await start({ credentialLimits: { connections: 1 } })
    const first = await connectTo(server.ports[0]!)
    expect(await first.say(`AUTH PLAIN ${LOGIN}`)).toMatch(/^235/)
    const second = await connectTo(server.ports[0]!)
    expect(await second.say(`AUTH PLAIN ${LOGIN}`)).toMatch(/^421 4\.7\.0/)
    await second.untilClosed()
    first.destroy()
    await expect.poll(() => server.server.sessions()).toBe(0)
    const third = await connectTo(server.ports[0]!)
    expect(await third.say(`AUTH PLAIN ${LOGIN}`)).toMatch(/^235/)
    // A limit of its own goes before the default.
    server.login = () => principal({ limits: { connections: 2 } })
    const fourth = await connectTo(server.ports[0]!)
    expect(await fourth.say(`AUTH PLAIN ${LOGIN}`)).toMatch(/^235/)
  })
})

describe('STARTTLS', () => {
  test('leads to a session that knows nothing of what was said before', async () => {
    const server = await start({ credentialLimits: { connections: 1 } })
    const plain = await connectTo(server.ports[0]!)
    expect(await plain.say(`AUTH PLAIN ${LOGIN}`)).toMatch(/^235/)
    expect(await plain.say('MAIL FROM:<>')).toMatch(/^250/)
    expect(await plain.say('STARTTLS')).toMatch(/^220/)
    const secure = await plain.secure()
    expect(await secure.say('MAIL FROM:<>')).toMatch(/^503 5\.5\.1 Send EHLO/)
    expect(await secure.say('EHLO app.example')).not.toContain('STARTTLS')
    expect(await secure.say('MAIL FROM:<>')).toMatch(/^530 5\.7\.0/)
    expect(await secure.say('STARTTLS')).toMatch(/^503/)
    expect(await secure.say(`AUTH PLAIN ${LOGIN}`)).toMatch(/^235/)
  })
  test('is not there on a listener without TLS', async () => {
    const { ports } = await start({
      listeners: [{ host: '127.0.0.1', port: 0, tls: 'none', trustedNetworks: [] }],
    })
    const client = await smtpClient(ports[0]!)
    expect(await greet(client)).not.toContain('STARTTLS')
    expect(await client.say('STARTTLS')).toMatch(/^502 5\.5\.1/)
  })
  test('a certificate can be changed while it runs', async () => {
    const { ports, server } = await start()
    const pair = await makeCertificate(['new.example'])
    server.setCertificate(pair)
    const plain = await connectTo(ports[0]!)
    await plain.say('STARTTLS')
    const { socket } = await plain.secure()
    const subject = socket instanceof TLSSocket ? socket.getPeerCertificate().subject.CN : undefined
    expect(subject).toBe('new.example')
  })
})

describe.skipIf(OUTSIDE === undefined)('from outside of loopback', () => {
  const host = OUTSIDE ?? ''
  const outside = (more: { trustedNetworks?: string[]; tls?: 'starttls' | 'none' } = {}) =>
    start({ listeners: [{ host, port: 0, tls: 'starttls', trustedNetworks: [], ...more }] })

  test('AUTH is offered after TLS only', async () => {
    const { ports } = await outside()
    const plain = await smtpClient(ports[0]!, { host })
    expect(await greet(plain)).not.toContain('AUTH')
    expect(await plain.say(`AUTH PLAIN ${LOGIN}`)).toMatch(/^538 5\.7\.11/)
    expect(await plain.say('MAIL FROM:<>')).toMatch(/^530 5\.7\.0 .*after STARTTLS/)
    expect(await plain.say('STARTTLS')).toMatch(/^220/)
    const secure = await plain.secure()
    expect(await secure.say('EHLO app.example')).toContain('AUTH PLAIN LOGIN')
    expect(await secure.say(`AUTH PLAIN ${LOGIN}`)).toMatch(/^235/)
  })
  test('who talks before the greeting is cut', async () => {
    const { ports } = await outside()
    const client = await smtpClient(ports[0]!, { host })
    client.raw('EHLO app.example\r\n')
    expect(await client.reply()).toMatch(/^421 4\.7\.0/)
    await client.untilClosed()
  })
  test('a trusted network needs no AUTH, and does not wait for the greeting', async () => {
    const server = await outside({ trustedNetworks: [host] })
    const client = await smtpClient(server.ports[0]!, { host })
    const started = performance.now()
    await greet(client)
    expect(performance.now() - started).toBeLessThan(90)
    expect(await client.say('MAIL FROM:<>')).toMatch(/^250/)
    await client.say('RCPT TO:<b@example.org>')
    await client.say('DATA')
    client.raw('From: a@example.com\r\n\r\nx\r\n.\r\n')
    expect(await client.reply()).toMatch(/^250/)
    expect(server.accepted[0]!.principal.name).toBe('trusted')
  })
})
