/**
 * What an SMTP client is told: each error of ours as a reply code with its enhanced code (RFC 3463). Anything that
 * is not an AppError is answered with 451 4.3.0, so that the client keeps the mail; its text never leaves the machine.
 */
import { AppError } from '../core/errors.ts'
import type { ErrorCode, ErrorKind } from '../core/errors.ts'

export interface Reply {
  readonly code: number
  /** `5.7.8`; empty where RFC 2034 §3 wants none (greeting, HELO, EHLO, 3xx). */
  readonly enhanced: string
  /** One line, printable ASCII. */
  readonly text: string
}

export const reply = (code: number, enhanced: string, text: string): Reply => ({
  code,
  enhanced,
  text,
})

type Codes = readonly [code: number, enhanced: string]

const BY_KIND: Readonly<Record<ErrorKind, Codes>> = {
  invalid: [554, '5.6.0'],
  unauthenticated: [535, '5.7.8'],
  forbidden: [550, '5.7.1'],
  'not-found': [550, '5.6.0'],
  conflict: [554, '5.6.0'],
  limited: [450, '4.7.1'],
  'too-big': [552, '5.3.4'],
  unavailable: [451, '4.3.0'],
  internal: [451, '4.3.0'],
}

/** Where the kind alone says too little. */
const BY_CODE: Readonly<Partial<Record<ErrorCode, Codes>>> = {
  ADDRESS_INVALID: [553, '5.1.3'],
  SENDER_INVALID: [553, '5.1.7'],
  MESSAGE_BARE_NEWLINE: [550, '5.6.11'],
  MESSAGE_LINE_TOO_LONG: [550, '5.6.0'],
  RECIPIENTS_MISSING: [554, '5.5.1'],
  RECIPIENTS_TOO_MANY: [452, '4.5.3'],
  AUTH_REQUIRED: [530, '5.7.0'],
  CONNECTIONS_LIMITED: [421, '4.7.0'],
  // A policy, for now: RFC 3463 §3.8 has X.7.1 for permanent errors only, and 4.5.3 would make clients split and resend.
  QUOTA_EXCEEDED: [452, '4.7.0'],
  STORE_FULL: [452, '4.3.1'],
  SHUTTING_DOWN: [421, '4.3.2'],
}

const GENERIC = reply(451, '4.3.0', 'Something went wrong on our side; please try again later.')

/** RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets with code and CRLF. */
const MAX_TEXT = 480

/** The reply for an error a service threw. Never throws. */
export function replyFor(error: unknown): Reply {
  if (!(error instanceof AppError)) return GENERIC
  const [code, enhanced] = BY_CODE[error.code] ?? BY_KIND[error.kind]
  const text =
    error.retryAfterMs === undefined
      ? error.public
      : `${error.public} Try again in ${Math.ceil(error.retryAfterMs / 1000)} s.`
  return reply(code, enhancedOf(error, code) ?? enhanced, replyText(text))
}

/** A service may know better (`5.4.6` for a loop), as long as it does not contradict the class of the code. */
const enhancedOf = (error: AppError, code: number): string | undefined =>
  error.enhanced?.startsWith(`${Math.floor(code / 100)}.`) === true ? error.enhanced : undefined

/** Whether the log must hear of it: a bug, or something of ours that does not work. */
export const isOurFault = (error: unknown): boolean =>
  !(error instanceof AppError) || error.kind === 'internal'

/**
 * Makes any text fit for one reply line. CR and LF would split the reply, other controls and non-ASCII have no place
 * in it (RFC 5321 §4.2: textstring).
 */
export function replyText(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]+/g, ' ').trim()
  return clean.length <= MAX_TEXT ? clean : `${clean.slice(0, MAX_TEXT - 3)}...`
}

/** `{550, '5.7.1', 'No.'}` → `550 5.7.1 No.\r\n` */
export const replyLine = ({ code, enhanced, text }: Reply): string =>
  enhanced === '' ? `${code} ${text}\r\n` : `${code} ${enhanced} ${text}\r\n`
