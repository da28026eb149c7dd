/** What a client is told about each error of ours: codes, enhanced codes, and never more than one clean line. */
import { describe, expect, test } from 'vitest'
import { AppError, ERROR_CODES } from '../../../server/core/errors.ts'
import type { ErrorCode } from '../../../server/core/errors.ts'
import { isOurFault, replyFor, replyLine, replyText } from '../../../server/smtp/replies.ts'

const cases: [code: ErrorCode, reply: string, why: string][] = [
  ['STORE_FULL', '452 4.3.1', 'the client keeps the mail and tries again'],
  ['STORE_UNAVAILABLE', '451 4.3.0', 'the same'],
  ['SHUTTING_DOWN', '421 4.3.2', 'the connection ends'],
  ['MESSAGE_TOO_BIG', '552 5.3.4', 'RFC 1870 §6.1'],
  ['MESSAGE_BARE_NEWLINE', '550 5.6.11', 'smuggling'],
  ['MESSAGE_INVALID', '554 5.6.0', 'a message that is none'],
  ['HEADER_INVALID', '554 5.6.0', 'the same'],
  ['ADDRESS_INVALID', '553 5.1.3', 'a recipient'],
  ['SENDER_INVALID', '553 5.1.7', 'a sender'],
  ['SENDER_FORBIDDEN', '550 5.7.1', 'policy'],
  ['RECIPIENTS_TOO_MANY', '452 4.5.3', 'RFC 5321 §4.5.3.1.10'],
  ['RECIPIENTS_MISSING', '554 5.5.1', 'no valid recipients'],
  ['RATE_LIMITED', '450 4.7.1', 'later'],
  ['QUOTA_EXCEEDED', '452 4.7.0', 'later, the same mail on another connection would not help'],
  ['CONNECTIONS_LIMITED', '421 4.7.0', 'later, and not on this connection'],
  ['AUTH_REQUIRED', '530 5.7.0', 'RFC 4954 §6'],
  ['AUTH_FAILED', '535 5.7.8', 'RFC 4954 §6'],
  ['AUTH_REVOKED', '535 5.7.8', 'the same'],
  ['INTERNAL', '451 4.3.0', 'our fault never costs the mail'],
]

test.each(cases)('%s is %s: %s', (code, expected) => {
  const { code: reply, enhanced } = replyFor(new AppError(code))
  expect(`${reply} ${enhanced}`).toBe(expected)
})

test('every error has a reply whose class agrees with its enhanced code', () => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const { code: reply, enhanced } = replyFor(new AppError(code))
    expect(reply, code).toBeGreaterThanOrEqual(400)
    expect(enhanced, code).toMatch(new RegExp(`^${Math.floor(reply / 100)}\\.\\d+\\.\\d+$`))
  }
})

test('what is not an AppError is answered without a word of it', () => {
  const line = replyLine(replyFor(new TypeError('x is not a function at /srv/a.js:1')))
  expect(line).toBe('451 4.3.0 Something went wrong on our side; please try again later.\r\n')
  expect(isOurFault(new TypeError('x'))).toBe(true)
  expect(isOurFault(new AppError('RATE_LIMITED'))).toBe(false)
})

describe('the text', () => {
  test('tells when to try again', () => {
    expect(replyFor(new AppError('RATE_LIMITED', { retryAfterMs: 1_500 })).text).toMatch(
      /in 2 s\.$/,
    )
  })
  test('does not carry the detail', () => {
    const error = new AppError('STORE_UNAVAILABLE', { detail: 'disk sda1 failed' })
    expect(replyFor(error).text).not.toContain('sda1')
  })
  test('takes the more exact enhanced code of a service, if it fits', () => {
    expect(replyFor(new AppError('MESSAGE_INVALID', { enhanced: '5.4.6' })).enhanced).toBe('5.4.6')
    expect(replyFor(new AppError('MESSAGE_INVALID', { enhanced: '4.4.6' })).enhanced).toBe('5.6.0')
  })
  const texts: [text: string, line: string, why: string][] = [
    ['a\r\n250 OK', 'a 250 OK', 'a line end would split the reply'],
    ['a\0b\tc', 'a b c', 'control characters'],
    ['caf\u00e9 \u2028x', 'caf   x', 'not ASCII'],
    ['  a  ', 'a', 'white space around'],
  ]
  test.each(texts)('%j becomes %j: %s', (text, line) => {
    expect(replyText(text)).toBe(line)
  })
  test('fits into the 512 octets of RFC 5321 §4.5.3.1.5', () => {
    const line = replyLine({ code: 550, enhanced: '5.6.11', text: replyText('x'.repeat(5_000)) })
    expect(line.length).toBeLessThanOrEqual(512)
  })
})
