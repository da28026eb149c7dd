/**
 * Random clients against SMTP submission: whatever bytes come, in whatever pieces, the server answers or closes, keeps
 * serving others, and accepts nothing that was not sent as a message.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { smtpClient } from '../support/raw-client.ts'
import { testSubmission } from '../support/submission.ts'
import type { TestSubmission } from '../support/submission.ts'

let server: TestSubmission
beforeAll(async () => {
  server = await testSubmission({
    listeners: [
      { host: '127.0.0.1', port: 0, tls: 'starttls', trustedNetworks: ['127.0.0.0/8'] },
      { host: '127.0.0.1', port: 0, tls: 'implicit', trustedNetworks: [] },
      { host: '127.0.0.1', port: 0, tls: 'starttls', trustedNetworks: [] },
    ],
    limits: { idleTimeoutMs: 2_000, spoolOver: 2_000, maxMessageSize: 10_000, maxRecipients: 3 },
  })
})
afterAll(() => server.close())

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 150)

const fragment = fc.constantFrom(
  'EHLO x\r\n',
  'HELO x\r\n',
  'MAIL FROM:<a@example.com>\r\n',
  'MAIL FROM:<> SIZE=1\r\n',
  'MAIL FROM:<a@example.com> SMTPUTF8 BODY=8BITMIME\r\n',
  'RCPT TO:<b@example.org>\r\n',
  'RCPT TO:<\xc3\xbc@example.org>\r\n',
  'DATA\r\n',
  'From: a@example.com\r\n\r\n',
  '.\r\n',
  '..\r\n',
  '\r\n.\r\n',
  '\n.\n',
  'RSET\r\n',
  'NOOP\r\n',
  'QUIT\r\n',
  'AUTH PLAIN\r\n',
  'AUTH LOGIN\r\n',
  'AUTH PLAIN AGEAYg==\r\n',
  'STARTTLS\r\n',
  '*\r\n',
  'VRFY\r\n',
  'BDAT 3 LAST\r\n',
  '\r',
  '\n',
  '\0',
  '\xff\xfe',
  `${'x'.repeat(5_000)}\r\n`,
)
const noise = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
const script = fc.array(fc.oneof({ weight: 8, arbitrary: fragment }, noise), { maxLength: 40 })

interface Talk {
  readonly port: number
  readonly script: readonly string[]
  readonly cuts: readonly number[]
  readonly abrupt: boolean
}
const talk: fc.Arbitrary<Talk> = fc.record({
  port: fc.nat(2),
  script,
  cuts: fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 12 }),
  abrupt: fc.boolean(),
})

/** What the server said until it closed, or until the client had sent all and hung up. */
async function run({ port, script: lines, cuts, abrupt }: Talk): Promise<string> {
  const client = await smtpClient(server.ports[port]!)
  const bytes = lines.join('')
  let at = 0
  for (const cut of cuts) {
    client.raw(bytes.slice(at, (at += cut)))
    await new Promise((resolve) => setImmediate(resolve))
  }
  client.raw(bytes.slice(at))
  if (abrupt) {
    client.destroy()
    return ''
  }
  client.socket.end()
  return client.untilClosed()
}

/** Reply lines of RFC 5321 §4.2, printable, not too long, and nothing between them. */
const REPLIES = /^(?:[2-5]\d\d[ -][\x20-\x7e]{0,506}\r\n)*$/

test('random sessions', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(talk, { minLength: 1, maxLength: 4 }), async (talks) => {
      const before = server.accepted.length
      const answers = await Promise.all(talks.map(run))
      talks.forEach(({ port }, i) => {
        // On the TLS port the answer may be an alert, in bytes.
        if (port !== 1 && !talks[i]!.script.includes('STARTTLS\r\n'))
          expect(answers[i]).toMatch(REPLIES)
      })
      const mails = talks.map(({ script: lines }) => lines.filter((l) => /DATA/.test(l)).length)
      expect(server.accepted.length - before).toBeLessThanOrEqual(mails.reduce((a, b) => a + b))
      // Others are still served.
      const other = await smtpClient(server.ports[0]!)
      expect(await other.reply()).toMatch(/^220/)
      expect(await other.say('EHLO x')).toMatch(/^250/)
      other.destroy()
    }),
    { numRuns: RUNS },
  )
  expect(server.log.of('smtp-bug')).toEqual([])
  await expect.poll(() => server.server.sessions(), { timeout: 10_000 }).toBe(0)
}, 120_000)

test('a message goes through whole, however it is cut up', async () => {
  const line = fc
    .string({ unit: fc.constantFrom('.', 'a', ' ', '\u00fc', '='), maxLength: 30 })
    .map((text) => `${text}\r\n`)
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 80 }),
      fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 30 }),
      async (lines, cuts) => {
        const body = Buffer.from(`From: a@example.com\r\n\r\n${lines.join('')}`)
        const stuffed = body.toString('latin1').replaceAll('\r\n.', '\r\n..')
        const head = 'EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n'
        const wire = `${head}${stuffed}.\r\nQUIT\r\n`
        const client = await smtpClient(server.ports[0]!)
        let at = 0
        for (const cut of cuts) {
          client.raw(wire.slice(at, (at += cut)))
          await new Promise((resolve) => setImmediate(resolve))
        }
        client.raw(wire.slice(at))
        expect(await client.untilClosed()).toMatch(/250 2\.0\.0 queued as msg_\w+\r\n221 [^\n]*\n$/)
        expect(server.accepted.pop()?.raw.equals(body)).toBe(true)
      },
    ),
    { numRuns: RUNS },
  )
}, 120_000)
