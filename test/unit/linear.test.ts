/**
 * Every parser that meets text of strangers takes time linear in its length, whatever the text: regular expressions
 * that try again from each place, and loops that search to the end each time, show here. Texts grow to a megabyte (a
 * header field to what a header may have); one that takes too long early is not let grow.
 */
import { Compile } from 'typebox/compile'
import { describe, expect, test } from 'vitest'
import { maskAddress, parseAddress, parseDomain } from '../../server/core/address.ts'
import { decodeId } from '../../server/core/ids.ts'
import { clientKey, networkTest } from '../../server/core/network.ts'
import { decodeBase64 } from '../../server/http/base64.ts'
import { parseInstant } from '../../server/http/instant.ts'
import { parseJsonBody } from '../../server/http/json-body.ts'
import { MessageInput } from '../../server/http/schemas/message-input.ts'
import { classify } from '../../server/policy/classify.ts'
import { readControl } from '../../server/protocol/control.ts'
import { parseMailDate } from '../../server/protocol/date.ts'
import { relaxBody, relaxHeader } from '../../server/protocol/dkim.ts'
import { downgradeMessage } from '../../server/protocol/downgrade.ts'
import { decodeWords, encodeWords } from '../../server/protocol/encoded-word.ts'
import {
  HEADER_LIMITS,
  foldLine,
  formatField,
  readHeader,
  unfold,
} from '../../server/protocol/header.ts'
import { htmlToText } from '../../server/protocol/html-text.ts'
import { inspectMessage } from '../../server/protocol/inspect.ts'
import { parseMailboxes } from '../../server/protocol/mailbox.ts'
import { formatParameterised, parseParameterised } from '../../server/protocol/parameters.ts'
import { createReplyReader } from '../../server/protocol/reply.ts'
import { isApiKey } from '../../server/services/auth/secret.ts'
import { readMailParams } from '../../server/smtp/esmtp-params.ts'
import { readArguments } from '../../server/smtp/path.ts'

/** What a text is made of; the end is what a regular expression hopes for until it is there. */
const UNITS = [
  ...['a', '1', ' ', '\t', '.', ',', ';', ':', '@', '=', '?', '-', '+', '(', ')', '"', "'", '\\'],
  ...['<', '>', '&', '%', '[', '{', '/', '_', 'é', '\u00a0', '\r\n ', '\r\n', '\n', '\r'],
  ...['=?', '=?a?q?', '=?utf-8?b?YQ==?= ', '&#1', '&a', '<a ', '<a href="', '<a x=\u00a0"', '<p'],
  ...['<!--', '<style>', '</style', '<pre>\r\n', '<ul><li>', ';a=', ';a="', '; ', 'a@a,', 'a: ;'],
  ...['mon ', '(a', '"a" ', 'a b', '\\"', '.a', 'xn--', '--b\r\n', '4.2.2 ', '550-5.1.1 a\r\n'],
]
const END = '!\u0001'

const validator = Compile(MessageInput)
const raw = (text: string): Buffer => Buffer.from(text.slice(0, text.length), 'utf8')
/** A message with the text as the value of a field, 8-bit, so that it is rewritten where it can be. */
const withField = (name: string) => (text: string) => {
  const value = text.replace(/[\r\n]/g, ' ')
  const message = raw(`From: a@b.example\r\n${name}: ${value} é\r\n\r\né\r\n`)
  return ['From', 'Date', 'Message-ID'].includes(name)
    ? inspectMessage(message)
    : downgradeMessage(message)
}

const PARSERS: readonly (readonly [name: string, parse: (text: string) => unknown])[] = [
  ['an address', (text) => parseAddress(text, { smtpUtf8: true, allowQuoted: true })],
  ['a domain', (text) => parseDomain(text)],
  ['an address in a log', (text) => maskAddress(text)],
  ['an address of the net', (text) => [clientKey(text), networkTest(['10.0.0.0/8'])(text)]],
  ['an id', (text) => decodeId('message', text)],
  ['an API key', (text) => isApiKey(`ph_live_${text}`)],
  ['mailboxes', (text) => parseMailboxes(text, { allowQuoted: true })],
  ['a value with parameters', (text) => formatParameterised(parseParameterised(text))],
  ['a parameter', (text) => formatParameterised(parseParameterised(`text/plain; a="${text}`))],
  ['encoded words', (text) => decodeWords(text)],
  ['words to encode', (text) => encodeWords(text)],
  ['a folded field', (text) => unfold(text)],
  ['a field to fold', (text) => foldLine(`X: ${text}`)],
  ['a date', (text) => parseMailDate(text)],
  ['a date after its day', (text) => parseMailDate(`Mon${text}`)],
  ['HTML', (text) => htmlToText(text)],
  ['the inside of a tag', (text) => htmlToText(`<a ${text}>x</a>`)],
  ['a header', (text) => readHeader(raw(text))],
  [
    'a message in the body',
    (text) => inspectMessage(raw(`From: a@b.example\r\n\r\n${text}`), { repair: true }),
  ],
  ['From', withField('From')],
  ['Subject', withField('Subject')],
  ['Date', withField('Date')],
  ['Message-ID', withField('Message-ID')],
  ['Content-Type', withField('Content-Type')],
  ['References', withField('References')],
  [
    'parts of a message',
    (text) =>
      downgradeMessage(
        raw(
          `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n${text.replace(/\r?\n|\r/g, '\r\n')}é`,
        ),
      ),
  ],
  ['control fields', (text) => CONTROLS.map((name) => readControl([[name, text]]))],
  ['a field to sign', (text) => relaxHeader(`X: ${text}\r\n`)],
  ['a body to sign', (text) => relaxBody(raw(text))],
  ['a reply', (text) => createReplyReader(() => undefined).push(raw(`550 ${text}\r\n`))],
  ['a refusal', (text) => classify(refusal(text))],
  ['arguments of MAIL', (text) => readArguments(`MAIL FROM:<${text}> ${text}`, 'MAIL', 'FROM')],
  ['ESMTP parameters', (text) => ESMTP.map((name) => readMailParams(new Map([[name, text]])))],
  ['a JSON body', (text) => quietly(() => parseJsonBody(raw(`{"a":${JSON.stringify(text)}`)))],
  ['a body that is no JSON', (text) => quietly(() => parseJsonBody(raw(text)))],
  ['base64', (text) => decodeBase64(text)],
  ['an instant', (text) => parseInstant(`2030-01-01T00:00:00.${text}`)],
  [
    'a request',
    (text) =>
      validator.Check({
        from: { email: text, name: text },
        to: [text],
        subject: text,
        text,
        sendAt: text,
        tags: [text],
        headers: { [text]: text },
        metadata: { [text]: text },
        attachments: [{ filename: text, contentType: text, content: text, contentId: text }],
      }),
  ],
  ['a field to write', (text) => quietly(() => formatField('X', text))],
]

const CONTROLS = ['tag', 'metadata', 'stream', 'send-at', 'idempotency-key'].map(
  (name) => `x-posthorn-${name}`,
)
const ESMTP = ['SIZE', 'BODY', 'RET', 'ENVID', 'AUTH']

const refusal = (text: string) =>
  ({
    kind: 'refused',
    stage: 'rcpt',
    reply: { code: 550, enhanced: undefined, text },
    fault: undefined,
    detail: undefined,
    host: undefined,
    ip: undefined,
    sourceIp: undefined,
    tls: undefined,
    startedAt: 0,
    endedAt: 0,
    transcript: '',
  }) as const

function quietly(parse: () => unknown): unknown {
  try {
    return parse()
  } catch {
    return undefined
  }
}

const KIB = 1024
/** No header is longer, so what reads one of its fields is not given more. */
const IN_HEADER = HEADER_LIMITS.bytes - KIB
/** Where even the square of the length is bearable. */
const FIRST = 32 * KIB
const BEARABLE_MS = 250
/** Below this nothing is measured but noise. */
const NOISE_MS = 80

/** Of the processor: what else the machine does at the time does not count. */
function timeOf(parse: (text: string) => unknown, text: string): number {
  const before = process.cpuUsage()
  parse(text)
  return process.cpuUsage(before).user / 1000
}

/** What is wrong with the growth, or undefined. */
function growthFault(
  parse: (text: string) => unknown,
  unit: string,
  most: number,
): string | undefined {
  const timeFor = (length: number): number =>
    timeOf(parse, unit.repeat(Math.ceil(length / unit.length)) + END)
  const first = timeFor(FIRST)
  const says = (ms: number, length: number): string =>
    `${JSON.stringify(unit)}: ${ms.toFixed(0)} ms for ${length / KIB} KiB, ${first.toFixed(0)} ms for ${FIRST / KIB}`
  if (first > BEARABLE_MS) return says(first, FIRST)
  // Three times what a line through the first gives; the square is eight or thirty-two times that.
  const allowed = (length: number): number =>
    3 * (length / FIRST) * Math.max(first, NOISE_MS / (IN_HEADER / FIRST))
  for (const length of new Set([IN_HEADER, most])) {
    const ms = timeFor(length)
    if (ms > allowed(length)) return says(ms, length)
  }
  return undefined
}

/** What is given the value of a header field. */
const FIELDS: ReadonlySet<string> = new Set([
  ...['mailboxes', 'a value with parameters', 'a parameter', 'encoded words', 'words to encode'],
  ...['a field to write', 'From', 'Subject', 'Date', 'Message-ID', 'Content-Type', 'References'],
])

describe('takes linear time:', { timeout: 120_000 }, () => {
  test.each(PARSERS)('%s', (name, parse) => {
    const most = FIELDS.has(name) ? IN_HEADER : 1024 * KIB
    const faults = UNITS.map((unit) => growthFault(parse, unit, most))
    expect(faults.filter((fault) => fault !== undefined)).toEqual([])
  })

  test('and this finds what does not', () => {
    // Looks for the end of each comment anew.
    const square = (text: string): unknown => text.replace(/\([^)]*\)/g, '')
    expect(growthFault(square, '(', 1024 * KIB)).toContain('"("')
  })
})
