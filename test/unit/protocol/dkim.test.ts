import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  hashBody,
  relaxBody,
  relaxHeader,
  selectHeader,
  signedField,
  startBodyHash,
  unsignedField,
} from '../../../server/protocol/dkim.ts'
import { readHeader } from '../../../server/protocol/header.ts'
import type { Header } from '../../../server/protocol/header.ts'
import { verifyDkim } from '../../support/dkim-verify.ts'

const header = (text: string): Header => {
  const read = readHeader(Buffer.from(text, 'latin1'))
  if (!read.ok) throw new Error(read.reason)
  return read
}

test.each([
  ['A: X\r\n', 'a:X', 'RFC 6376 §3.4.5'],
  ['B : Y\t\r\n\tZ  \r\n', 'b:Y Z', 'RFC 6376 §3.4.5'],
  ['Subject:x', 'subject:x', 'no white space at all'],
  ['Subject:', 'subject:', 'empty value'],
  ['Subject: \r\n \r\n', 'subject:', 'only white space'],
  ['Subject: a  b\t\tc', 'subject:a b c', 'runs become one space'],
  ['Subject: a\r\n b\r\n', 'subject:a b', 'folded'],
  [
    'Subject: na\xc3\xa0',
    'subject:na\xc3\xa0',
    'a UTF-8 letter that ends in the byte A0 stays whole',
  ],
])('relaxes the field %j to %j: %s', (field, relaxed) => {
  expect(relaxHeader(field)).toBe(relaxed)
})

const BODIES: readonly (readonly [body: string, relaxed: string, reason: string])[] = [
  [' C \r\nD \t E\r\n\r\n\r\n', ' C\r\nD E\r\n', 'RFC 6376 §3.4.5'],
  ['', '', 'empty body'],
  ['\r\n', '', 'one empty line'],
  ['\r\n\r\n\r\n', '', 'empty lines only'],
  [' \t\r\n  \r\n', '', 'lines of white space only'],
  ['  ', '', 'white space without a line end'],
  ['a', 'a\r\n', 'missing CRLF at the end'],
  ['a ', 'a\r\n', 'missing CRLF after white space'],
  ['a\r\n', 'a\r\n', 'nothing to do'],
  ['a\r\n\r\nb\r\n\r\n', 'a\r\n\r\nb\r\n', 'empty lines inside stay'],
  ['\r\n\r\na\r\n', '\r\n\r\na\r\n', 'empty lines at the start stay'],
  ['a\r\n \r\n', 'a\r\n', 'a last line of white space'],
  ['a\tb\r\n', 'a b\r\n', 'a single tab'],
  ['a  b\r\n', 'a b\r\n', 'two spaces'],
  ['a \r\nb\r\n', 'a\r\nb\r\n', 'a space before CRLF'],
  ['\ta\r\n', ' a\r\n', 'indentation stays one space'],
  ['na\xc3\xa0\r\n', 'na\xc3\xa0\r\n', 'bytes beyond ASCII are no white space'],
]

describe.each(BODIES)('body %j', (body, relaxed, reason) => {
  test(`relaxes to ${JSON.stringify(relaxed)}: ${reason}`, () => {
    const bytes = Buffer.from(body, 'latin1')
    expect(relaxBody(bytes).toString('latin1')).toBe(relaxed)
    const expected = createHash('sha256').update(relaxed, 'latin1').digest('base64')
    expect(hashBody(bytes)).toBe(expected)
    const hasher = startBodyHash()
    for (const byte of bytes) hasher.update(Buffer.from([byte]))
    expect(hasher.digest(), 'byte by byte').toBe(expected)
  })
})

test('a clean body is hashed where it lies, without a copy', () => {
  const body = Buffer.from('one line\r\nanother line\r\n\r\n')
  expect(relaxBody(body).buffer).toBe(body.buffer)
})

test('chunks cut anywhere give the hash of the whole', () => {
  const piece = fc.constantFrom(' ', '\t', '\r\n', 'a', 'bc', '\xe9', ' \r\n', '\r\n\r\n')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), fc.array(fc.nat(80)), (pieces, cuts) => {
      const body = Buffer.from(pieces.join(''), 'latin1')
      const hasher = startBodyHash()
      let from = 0
      for (const cut of [...cuts, body.length].toSorted((a, b) => a - b)) {
        hasher.update(body.subarray(from, Math.max(from, cut)))
        from = Math.max(from, cut)
      }
      expect(hasher.digest()).toBe(hashBody(body))
    }),
  )
})

test('lists what matters once more than present, the rest as often as present', () => {
  const { names, canonical } = selectHeader(
    header(
      'Received: x\r\nFrom: a@a.test\r\nTo: b@b.test\r\nSubject: s\r\nReferences: <r@a.test>\r\nX-Own: 1\r\n' +
        'List-Unsubscribe: <https://u.test/1>\r\nReferences: <q@a.test>\r\n',
    ),
  )
  expect(names).toBe(
    'from:from:to:to:cc:subject:subject:date:message-id:reply-to:references:references:' +
      'mime-version:content-type:list-unsubscribe:list-unsubscribe:list-unsubscribe-post:' +
      'feedback-id:cfbl-address:cfbl-feedback-id',
  )
  expect(canonical, 'several fields of one name from the bottom up').toBe(
    'from:a@a.test\r\nto:b@b.test\r\nsubject:s\r\nreferences:<q@a.test>\r\nreferences:<r@a.test>\r\n' +
      'list-unsubscribe:<https://u.test/1>\r\n',
  )
})

test.each([
  ['a.test', 's1', 'short'],
  [
    `${'sub.'.repeat(40)}a.test`,
    `s${'x'.repeat(60)}`,
    'long domain and selector on their own lines',
  ],
])('the signature field for %s keeps its lines short: %s', (domain, selector, reason) => {
  const { names } = selectHeader(header('From: a@a.test\r\n'))
  const bodyHash = hashBody(Buffer.from('x'))
  const facts = {
    algorithm: 'rsa-sha256',
    domain,
    selector,
    at: 1_700_000_000_999,
    names,
    bodyHash,
  } as const
  const signature = Buffer.alloc(256, 7).toString('base64')
  const field = signedField(unsignedField(facts), signature)
  expect(field.endsWith('\r\n')).toBe(true)
  const unfolded = field.replace(/\r\n[ \t]/g, ' ')
  expect(unfolded).toContain(' t=1700000000;')
  expect(unfolded.replace(/ /g, '')).toContain(`;h=${names};`)
  expect(unfolded.replace(/ /g, '').trimEnd().endsWith(`;b=${signature}`)).toBe(true)
  const limit = reason === 'short' ? 78 : 180
  for (const line of field.split('\r\n')) expect(line.length).toBeLessThanOrEqual(limit)
})

// RFC 8463 appendix A: a message signed with both algorithms by somebody else.
const RFC8463_BODY = 'Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n'
const RFC8463_HEADER =
  'From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\n' +
  'Subject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n' +
  'Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n'
const RFC8463_SIGNATURES = [
  'DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;',
  ' q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;',
  ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
  ' b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==',
  'DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;',
  ' q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n date : message-id : from : subject : date;',
  ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
  ' b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz',
  ' dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=',
  '',
].join('\r\n')
const RFC8463_KEYS: Readonly<Record<string, string>> = {
  'brisbane._domainkey.football.example.com':
    'v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=',
  'test._domainkey.football.example.com':
    'v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/' +
    'J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB',
}

test('RFC 8463 appendix A: our body hash is theirs', () => {
  expect(hashBody(Buffer.from(RFC8463_BODY))).toBe('2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=')
})

test('RFC 8463 appendix A: the verifier of these tests accepts both signatures', () => {
  const message = Buffer.from(`${RFC8463_SIGNATURES}${RFC8463_HEADER}\r\n${RFC8463_BODY}`)
  expect(verifyDkim(message, (name) => RFC8463_KEYS[name])).toMatchObject([
    { algorithm: 'ed25519-sha256', result: 'pass' },
    { algorithm: 'rsa-sha256', result: 'pass' },
  ])
})
