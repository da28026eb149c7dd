/** SMTP submission as a client sees it: sessions, logins, transactions, refusals. Real sockets, real TLS. */
import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { promisify } from 'node:util'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import { afterEach, describe, expect, test } from 'vitest'
import { AppError } from '../../server/core/errors.ts'
import { smtpClient } from '../support/raw-client.ts'
import type { SmtpClient } from '../support/raw-client.ts'
import { PASSWORD, USER, principal, testSubmission } from '../support/submission.ts'
import type { TestSubmission } from '../support/submission.ts'

const MESSAGE = 'From: a@example.com\r\nSubject: x\r\n\r\nHello.\r\n'
const LOGIN = Buffer.from(`\0${USER}\0${PASSWORD}`).toString('base64')

let open: TestSubmission | undefined
async function start(options?: Parameters<typeof testSubmission>[0]): Promise<TestSubmission> {
  open = await testSubmission(options)
  return open
}
afterEach(async () => {
  await open?.close()
  open = undefined
})

const TRUSTED = [
  { host: '127.0.0.1', port: 0, tls: 'starttls', trustedNetworks: ['127.0.0.0/8'] },
] as const

async function greet(port: number): Promise<SmtpClient> {
  const client = await smtpClient(port)
  expect(await client.reply()).toBe('220 mail.example.com ESMTP Posthorn')
  expect(await client.say('EHLO app.example')).toMatch(/^250-/)
  return client
}
async function loggedIn(port: number): Promise<SmtpClient> {
  const client = await greet(port)
  expect(await client.say(`AUTH PLAIN ${LOGIN}`)).toBe('235 2.7.0 Authentication successful')
  return client
}
async function envelope(client: SmtpClient): Promise<void> {
  expect(await client.say('MAIL FROM:<a@example.com>')).toBe('250 2.1.0 Sender accepted')
  expect(await client.say('RCPT TO:<b@example.org>')).toBe('250 2.1.5 Recipient accepted')
  expect(await client.say('DATA')).toMatch(/^354 /)
}
async function sendOne(client: SmtpClient, message = MESSAGE): Promise<string> {
  await envelope(client)
  client.raw(`${message}.\r\n`)
  return client.reply()
}

describe('a session', () => {
  test('announces what it does', async () => {
    const { ports } = await start()
    const client = await smtpClient(ports[0]!)
    await client.reply()
    const lines = (await client.say('EHLO app.example')).split('\n').map((line) => line.slice(4))
    expect(lines.slice(1).sort()).toEqual(
      [
        '8BITMIME',
        'AUTH PLAIN LOGIN',
        'DSN',
        'ENHANCEDSTATUSCODES',
        'PIPELINING',
        'SIZE 1048576',
        'SMTPUTF8',
        'STARTTLS',
      ].sort(),
    )
  })

  test('hands a message on as it was sent, and names it only after the commit', async () => {
    const server = await start()
    const client = await loggedIn(server.ports[0]!)
    let commit = (): void => undefined
    server.answer = () => new Promise((resolve) => (commit = resolve))
    await envelope(client)
    let answer: string | undefined
    client.raw(`${MESSAGE}..dot\r\n.\r\n`)
    const waiting = client.reply().then((reply) => (answer = reply))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(answer).toBeUndefined()
    commit()
    expect(await waiting).toBe('250 2.0.0 queued as msg_00000000001')
    expect(server.accepted).toMatchObject([
      {
        via: 'smtp',
        mailFrom: 'a@example.com',
        recipients: ['b@example.org'],
        helo: 'app.example',
        smtpUtf8: false,
        repairNewlines: false,
        principal: { name: USER },
      },
    ])
    expect(server.accepted[0]!.raw.toString()).toBe(`${MESSAGE}.dot\r\n`)
    expect(await client.say('QUIT')).toMatch(/^221 2.0.0/)
    expect(await client.untilClosed()).toBe('')
  })

  test('goes on after a refusal, for many messages', async () => {
    const server = await start()
    const client = await loggedIn(server.ports[0]!)
    for (let i = 1; i <= 20; i++) {
      server.answer = () =>
        i % 2 === 0 ? Promise.resolve() : Promise.reject(new AppError('STORE_FULL'))
      expect(await sendOne(client)).toMatch(i % 2 === 0 ? /^250 2.0.0/ : /^452 4.3.1/)
    }
    expect(server.counters).toMatchObject({ messages: 10, refused: 10, connections: 1 })
  })

  test('takes everything pipelined in one packet, and answers in order', async () => {
    const { ports, accepted } = await start({ listeners: TRUSTED })
    const client = await smtpClient(ports[0]!)
    await client.reply()
    const one =
      'MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\n'
    client.raw(
      `EHLO x\r\n${one}DATA\r\n${MESSAGE}.\r\n${one}DATA\r\n${MESSAGE}x\r\n.\r\nNOOP\r\nQUIT\r\n`,
    )
    const codes: string[] = []
    for (let i = 0; i < 13; i++) codes.push((await client.reply()).slice(0, 3))
    expect(codes.join(' ')).toBe('250 250 250 250 354 250 250 250 250 354 250 250 221')
    expect(accepted.map(({ raw }) => raw.length)).toEqual([MESSAGE.length, MESSAGE.length + 3])
  })

  test('takes a large message through a file, whole', async () => {
    const server = await start({ limits: { spoolOver: 20_000 } })
    const client = await loggedIn(server.ports[0]!)
    const message = MESSAGE + `${'x'.repeat(70)}\r\n`.repeat(10_000)
    expect(await sendOne(client, message)).toMatch(/^250/)
    expect(server.accepted[0]!.raw.equals(Buffer.from(message))).toBe(true)
    expect(await readdir(server.tempDir)).toEqual([])
  })

  test('is one of many at a time, each with its own mail', async () => {
    const server = await start()
    const clients = await Promise.all(Array.from({ length: 20 }, () => loggedIn(server.ports[0]!)))
    const replies = await Promise.all(
      clients.map((client, i) => sendOne(client, `${MESSAGE}${i}\r\n`)),
    )
    expect(new Set(replies).size).toBe(20)
    expect(new Set(server.accepted.map(({ raw }) => raw.toString())).size).toBe(20)
    expect(server.server.sessions()).toBe(20)
  })

  test('that breaks off in its message is forgotten', async () => {
    const server = await start({ limits: { spoolOver: 20_000 } })
    const client = await loggedIn(server.ports[0]!)
    await envelope(client)
    client.raw(MESSAGE.repeat(2_000))
    await new Promise((resolve) => setTimeout(resolve, 50))
    client.destroy()
    await expect.poll(() => server.server.sessions()).toBe(0)
    expect(server.accepted).toEqual([])
    expect(await readdir(server.tempDir)).toEqual([])
  })
})

describe('clients in use', () => {
  const run = (options: object, message: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const client = new SMTPConnection({ host: '127.0.0.1', ...options })
      client.on('error', reject)
      client.connect(() => {
        client.login({ credentials: { user: USER, pass: PASSWORD } }, (loginError) => {
          if (loginError) {
            reject(loginError)
            return
          }
          const mail = {
            from: 'a@example.com',
            to: ['b@example.org', 'ü@example.org'],
            use8BitMime: true,
          }
          client.send(mail, message, (error, info) => {
            client.quit()
            if (error) reject(error)
            else resolve(info.response)
          })
        })
      })
    })
  const BODY = 'From: a@example.com\r\nSubject: =?utf-8?q?=C3=BC?=\r\n\r\n\u00fc.\r\n'
  const tls = { rejectUnauthorized: false }
  test('nodemailer over STARTTLS, SMTPUTF8', async () => {
    const { ports, accepted } = await start()
    const port = ports[0]!
    expect(await run({ port, requireTLS: true, tls }, BODY)).toMatch(/^250 2.0.0 queued as msg_/)
    expect(accepted[0]).toMatchObject({
      smtpUtf8: true,
      recipients: ['b@example.org', 'ü@example.org'],
    })
  })
  test('nodemailer over implicit TLS', async () => {
    const { ports } = await start({
      listeners: [{ host: '127.0.0.1', port: 0, tls: 'implicit', trustedNetworks: [] }],
    })
    expect(await run({ port: ports[0]!, secure: true, tls }, BODY)).toMatch(/^250 2.0.0/)
  })
  test.each(['PLAIN', 'LOGIN'])('swaks over STARTTLS with AUTH %s', async (method) => {
    const server = await start()
    const to = ['--server', '127.0.0.1', '--port', String(server.ports[0]!)]
    const auth = ['-tls', '--auth', method, '--auth-user', USER, '--auth-password', PASSWORD]
    const mail = ['--from', 'a@example.com', '--to', 'b@example.org', '--silent', '3']
    await promisify(execFile)('swaks', [...to, ...auth, ...mail])
    expect(server.accepted).toHaveLength(1)
  })
})

describe('a transaction', () => {
  const cases: [lines: string[], reply: string, why: string][] = [
    [['RCPT TO:<b@example.org>'], '503 5.5.1', 'RCPT before MAIL'],
    [['DATA'], '503 5.5.1', 'DATA before MAIL'],
    [['MAIL FROM:<>', 'MAIL FROM:<>'], '503 5.5.1', 'MAIL twice'],
    [['MAIL FROM:<>', 'DATA'], '554 5.5.1', 'DATA without a recipient'],
    [['MAIL FROM:<>', 'RCPT TO:<x>', 'DATA'], '554 5.5.1', 'DATA without a valid recipient'],
    [['MAIL FROM:<>', 'RCPT TO:<b@example.org>', 'DATA x'], '501 5.5.4', 'DATA with an argument'],
    [['MAIL FROM:<a@example.com> SIZE=2000000'], '552 5.3.4', 'too large, as announced'],
    [['MAIL FROM:<a@example.com> BODY=8BITMIME SMTPUTF8 RET=FULL'], '250 2.1.0', 'parameters'],
    [['MAIL FROM:<a@@example.com>'], '553 5.1.7', 'a malformed sender'],
    [['MAIL FROM:<>', 'RCPT TO:<b@@example.org>'], '553 5.1.3', 'a malformed recipient'],
    [['MAIL FROM:<>', 'AUTH PLAIN'], '503 5.5.1', 'AUTH in a transaction'],
    [['VRFY root'], '252 2.0.0', 'nobody is verified'],
    [['EXPN list'], '502 5.5.1', 'known, but not here'],
    [['BDAT 5 LAST'], '502 5.5.1', 'not announced'],
    [['XYZZY'], '500 5.5.2', 'unknown'],
    [[''], '500 5.5.2', 'an empty line'],
  ]
  test.each(cases)('%j ends in %s: %s', async (lines, expected) => {
    const { ports } = await start()
    const client = await loggedIn(ports[0]!)
    let reply = ''
    for (const line of lines) reply = await client.say(line)
    expect(reply.slice(0, 9).trim()).toBe(expected)
    expect(await client.say('RSET')).toBe('250 2.0.0 Flushed')
    expect(await sendOne(client)).toMatch(/^250/)
  })

  test('has so many recipients and no more', async () => {
    const { ports, accepted } = await start()
    const client = await loggedIn(ports[0]!)
    await client.say('MAIL FROM:<>')
    for (let i = 0; i < 5; i++)
      expect(await client.say(`RCPT TO:<b${i}@example.org>`)).toMatch(/^250/)
    expect(await client.say('RCPT TO:<b5@example.org>')).toMatch(/^452 4\.5\.3/)
    await client.say('DATA')
    client.raw(`${MESSAGE}.\r\n`)
    expect(await client.reply()).toMatch(/^250/)
    expect(accepted[0]!.recipients).toHaveLength(5)
  })

  const refusals: [error: unknown, reply: RegExp, why: string][] = [
    [new AppError('STORE_FULL'), /^452 4\.3\.1/, 'no room'],
    [new AppError('SENDER_FORBIDDEN'), /^550 5\.7\.1/, 'policy'],
    [new AppError('MESSAGE_INVALID', { enhanced: '5.4.6' }), /^554 5\.4\.6/, 'a loop'],
    [new AppError('RATE_LIMITED', { retryAfterMs: 60_000 }), /^450 4\.7\.1 .* 60 s\.$/, 'rate'],
    [new TypeError('boom at /srv/x.js'), /^451 4\.3\.0 Something went wrong/, 'a bug'],
  ]
  test.each(refusals)('%s is answered %s', async (error, reply) => {
    const server = await start()
    const client = await loggedIn(server.ports[0]!)
    server.answer = () => Promise.reject(error instanceof Error ? error : new Error())
    expect(await sendOne(client)).toMatch(reply)
    expect(server.log.of('smtp-bug')).toHaveLength(error instanceof TypeError ? 1 : 0)
    server.answer = () => Promise.resolve()
    expect(await sendOne(client)).toMatch(/^250/)
  })

  test('over the size ends in 552, and the session goes on', async () => {
    const server = await start({ limits: { maxMessageSize: 65_536 } })
    const client = await loggedIn(server.ports[0]!)
    expect(await sendOne(client, MESSAGE + `${'x'.repeat(70)}\r\n`.repeat(3_000))).toMatch(
      /^552 5\.3\.4 .*65536 octets/,
    )
    expect(await sendOne(client)).toMatch(/^250/)
  })

  test('far over the size is cut off, with 552', async () => {
    const server = await start({ limits: { maxMessageSize: 65_536 } })
    const client = await loggedIn(server.ports[0]!)
    await envelope(client)
    const piece = Buffer.from(`${'x'.repeat(1022)}\r\n`.repeat(64))
    for (let i = 0; i < 160; i++) client.raw(piece)
    expect(await client.reply()).toMatch(/^552 5\.3\.4/)
    await client.untilClosed()
    expect(server.counters.cut).toBe(1)
  })

  test('of a login with limits of its own keeps to them', async () => {
    const server = await start()
    server.login = () => principal({ limits: { messageSize: 1_000 } })
    const client = await loggedIn(server.ports[0]!)
    expect(await client.say('MAIL FROM:<> SIZE=1001')).toMatch(/^552 5\.3\.4/)
    expect(await sendOne(client, `${MESSAGE}${'x'.repeat(990)}\r\n`)).toMatch(/^552 5\.3\.4/)
    server.budget = () => {
      throw new AppError('RATE_LIMITED')
    }
    expect(await client.say('MAIL FROM:<>')).toMatch(/^450 4\.7\.1/)
  })
})
