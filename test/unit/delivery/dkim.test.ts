import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { signMessage } from '../../../server/delivery/dkim.ts'
import {
  dkimRecord,
  dkimRecordName,
  generateDkimKey,
  parseDkimKey,
  splitTxt,
} from '../../../server/delivery/dkim-key.ts'
import { hashBody } from '../../../server/protocol/dkim.ts'
import { verifyDkim } from '../../support/dkim-verify.ts'

const NOW = 1_750_000_000_000
const rsa = parseDkimKey({
  domain: 'a.test',
  selector: 'r2025',
  pem: await generateDkimKey('rsa-sha256'),
})
const ed = parseDkimKey({
  domain: 'mta.test',
  selector: 'e2025',
  pem: await generateDkimKey('ed25519-sha256'),
})
const DNS = new Map([rsa, ed].map((key) => [dkimRecordName(key), dkimRecord(key)]))
const lookup = (name: string): string | undefined => DNS.get(name)
const results = (message: string | Buffer): string[] =>
  verifyDkim(Buffer.isBuffer(message) ? message : Buffer.from(message, 'latin1'), lookup).map(
    (one) => one.result,
  )

const HEADER =
  'From: Ann <ann@a.test>\r\nTo: bob@b.test\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n and more\r\n' +
  'Date: Sun, 15 Jun 2025 15:06:40 +0000\r\nMessage-ID: <1@a.test>\r\nMIME-Version: 1.0\r\n' +
  'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n' +
  'List-Unsubscribe: <https://u.test/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n'
const MESSAGE = `${HEADER}\r\nHello  Bob \r\n\r\nBye\r\n\r\n`
const sign = (message: string, keys = [rsa, ed]): Promise<string> =>
  signMessage(Buffer.from(message, 'latin1'), keys, NOW)

test('both algorithms sign one message, in the order of the keys', async () => {
  const fields = await sign(MESSAGE)
  const message = Buffer.from(fields + MESSAGE, 'latin1')
  expect(verifyDkim(message, lookup)).toMatchObject([
    { domain: 'a.test', selector: 'r2025', algorithm: 'rsa-sha256', result: 'pass' },
    { domain: 'mta.test', selector: 'e2025', algorithm: 'ed25519-sha256', result: 'pass' },
  ])
  for (const line of fields.split('\r\n')) expect(line.length).toBeLessThanOrEqual(78)
  expect(fields).toContain(`t=${NOW / 1000};`)
})

test('without keys there is nothing to put in front', async () => {
  expect(await sign(MESSAGE, [])).toBe('')
})

describe('what is changed after signing', () => {
  const swap =
    (from: string, to: string) =>
    (message: string): string =>
      message.replaceAll(from, to)
  const prepend =
    (field: string) =>
    (message: string): string =>
      field + message
  test.each<[reason: string, result: string, change: (message: string) => string]>([
    ['nothing', 'pass', (message) => message],
    ['a trace field is not signed', 'pass', prepend('Received: from x by y\r\n')],
    ['refolded', 'pass', swap('\r\n and more', ' and more')],
    ['case of the name and white space', 'pass', swap('Subject: ', 'SUBJECT:   ')],
    ['white space in the body', 'pass', swap('Hello  Bob ', 'Hello Bob')],
    ['empty lines at the end', 'pass', swap('Bye\r\n\r\n', 'Bye\r\n')],
    ['a letter of the body', 'body hash', swap('Bye', 'bye')],
    ['text appended', 'body hash', (message) => `${message}more\r\n`],
    ['subject', 'signature', swap('and more', 'and less')],
    ['From', 'signature', swap('ann@a.test', 'eve@a.test')],
    ['unsubscribe link', 'signature', swap('u.test/1', 'u.test/2')],
    ['transfer encoding', 'signature', swap('7bit', '8bit')],
    ['the signature field itself', 'signature', swap('t=1750000000', 't=1750000001')],
    ['a second From above', 'signature', prepend('From: eve@e.test\r\n')],
    ['a second From below', 'signature', swap('Date:', 'From: eve@e.test\r\nDate:')],
    ['a second Subject', 'signature', prepend('Subject: other\r\n')],
    ['a Reply-To where there was none', 'signature', prepend('Reply-To: eve@e.test\r\n')],
    ['a Cc where there was none', 'signature', prepend('Cc: eve@e.test\r\n')],
    ['a second Content-Type', 'signature', prepend('Content-Type: text/html\r\n')],
    ['a Feedback-ID where there was none', 'signature', prepend('Feedback-ID: a:b:c:d\r\n')],
    ['a CFBL-Address where there was none', 'signature', prepend('CFBL-Address: eve@e.test\r\n')],
    ['a second List-Unsubscribe', 'signature', prepend('List-Unsubscribe: <https://e.test>\r\n')],
  ])('%s → %s', async (_reason, result, change) => {
    expect(results(change((await sign(MESSAGE)) + MESSAGE))).toEqual([result, result])
  })
})

test('the key of another selector does not verify', async () => {
  const other = { ...rsa, selector: 'gone' }
  expect(results((await sign(MESSAGE, [other])) + MESSAGE)).toEqual(['no key'])
})

test('random messages verify, whole and in chunks', async () => {
  const line = fc
    .array(fc.constantFrom('a', 'Z', ' ', '\t', '  ', '.', '=20', '\xc3\xa0', 'word'), {
      maxLength: 12,
    })
    .map((words) => words.join(''))
  const value = fc.array(fc.constantFrom('x', ' ', '\t', '\r\n y', '\xc3\xa0', ','), {
    maxLength: 8,
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 12 }),
      value,
      fc.array(fc.nat(600), { maxLength: 4 }),
      async (lines, subject, cuts) => {
        const text = `From: ann@a.test\r\nSubject: ${subject.join('')}\r\nTo:b@b.test\r\n\r\n${lines.join('\r\n')}`
        const message = Buffer.from(text, 'latin1')
        const whole = await signMessage(message, [ed], NOW)
        expect(results(Buffer.concat([Buffer.from(whole), message]))).toEqual(['pass'])
        const chunks: Buffer[] = []
        let from = 0
        for (const cut of [...cuts.toSorted((a, b) => a - b), message.length]) {
          chunks.push(message.subarray(from, Math.max(from, cut)))
          from = Math.max(from, cut)
        }
        // Ed25519 signatures are deterministic, so equal input gives equal fields.
        expect(await signMessage(chunks, [ed], NOW)).toBe(whole)
      },
    ),
    { numRuns: 60 },
  )
})

test('a large message gives the same signature whole, in steps and as a stream', async () => {
  const body = Buffer.from('A line of the body with  two spaces \r\n'.repeat(30_000))
  const message = Buffer.concat([Buffer.from(`${HEADER}\r\n`), body])
  const whole = await signMessage(message, [ed], NOW)
  async function* stream(): AsyncGenerator<Buffer> {
    for (let at = 0; at < message.length; at += 65_536) yield message.subarray(at, at + 65_536)
  }
  expect(await signMessage(stream(), [ed], NOW)).toBe(whole)
  expect(whole.replace(/\s/g, '')).toContain(`bh=${hashBody(body)};`)
  expect(results(Buffer.concat([Buffer.from(whole), message]))).toEqual(['pass'])
})

test('signing leaves the event loop free', async () => {
  let running = true
  let turns = 0
  const spin = (): void => {
    turns++
    if (running) setImmediate(spin)
  }
  setImmediate(spin)
  // Some 50 ms of RSA: on this thread it would leave a handful of turns.
  await Promise.all(Array.from({ length: 200 }, () => sign(MESSAGE, [rsa])))
  running = false
  expect(turns).toBeGreaterThan(100)
})

test.each([
  ['no colon here\r\n\r\nbody', 'header line without a colon'],
  ['From : a@a.test\r\n\r\nbody', 'white space before the colon'],
])('refuses to sign %j: %s', async (message) => {
  await expect(sign(message)).rejects.toThrow('cannot sign')
})

describe('keys', () => {
  test('the record of an RSA key is cut into strings that DNS can carry', () => {
    const record = dkimRecord(rsa)
    expect(record).toMatch(/^v=DKIM1; k=rsa; p=MIIBIjAN[A-Za-z0-9+/]+=*$/)
    const strings = splitTxt(record)
    expect(strings.map((one) => one.length)).toEqual([255, record.length - 255])
    expect(strings.join('')).toBe(record)
    expect(dkimRecordName(rsa)).toBe('r2025._domainkey.a.test')
  })

  test('the record of an Ed25519 key is the bare public key', () => {
    expect(dkimRecord(ed)).toMatch(/^v=DKIM1; k=ed25519; p=[A-Za-z0-9+/]{43}=$/)
  })

  test('RFC 8463 appendix A.1: the published key of a known private key', () => {
    // PKCS #8 wraps the 32 bytes of the RFC in a fixed prefix.
    const der = Buffer.concat([
      Buffer.from('302e020100300506032b657004220420', 'hex'),
      Buffer.from('nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=', 'base64'),
    ])
    const pem = `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`
    const key = parseDkimKey({ domain: 'football.example.com', selector: 'brisbane', pem })
    expect(dkimRecord(key)).toBe(
      'v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=',
    )
  })

  test.each([
    ['not a key', 'not a readable private key'],
    [
      '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n',
      'not a readable private key',
    ],
    [
      // a key on the curve P-256
      '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\nOF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n-----END PRIVATE KEY-----\n',
      'must be RSA or Ed25519',
    ],
  ])('%# refuses what cannot sign', (pem, reason) => {
    expect(() => parseDkimKey({ domain: 'a.test', selector: 's', pem })).toThrow(reason)
  })

  test('refuses an RSA key that receivers would ignore', () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 768 })
    const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
    expect(() => parseDkimKey({ domain: 'a.test', selector: 's', pem })).toThrow('768 bits')
  })
})
