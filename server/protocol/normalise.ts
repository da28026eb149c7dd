/**
 * Makes the bytes to keep from an inspected message (RFC 6409 §8): adds what is missing, drops what must not leave.
 * It touches the header only; the body is copied once, as bytes. Normalising its own result changes nothing.
 */
import { AppError } from '../core/errors.ts'
import { formatMailDate } from './date.ts'
import type { Inspection } from './inspect.ts'

export interface NormaliseFacts {
  /** Epoch ms, for a missing Date. */
  readonly now: number
  /** Right side of a Message-ID that is made here. */
  readonly messageIdDomain: string
  /** Left side of it; called only when the message has no usable one. */
  readonly newMessageId: () => string
  /** A complete trace field with its CRLF, put on top. */
  readonly receivedLine?: string
}

export interface NormalisedMessage {
  readonly raw: Buffer
  /** Without angle brackets. */
  readonly messageId: string
}

const CRLF = '\r\n'

/**
 * Drops `fieldsToDrop`, puts the trace field and missing Message-ID, Date and MIME-Version on top, and makes sure that
 * the header ends in an empty line and the message in CRLF. The buffer has memory of its own, so that it can be
 * transferred to another thread.
 */
export function normaliseMessage(inspection: Inspection, facts: NormaliseFacts): NormalisedMessage {
  const { raw, header, fieldsToDrop } = inspection
  let top = facts.receivedLine ?? ''
  if (top !== '' && !/^[!-9;-~]+:(?:[\t\x20-\x7e]|\r\n[ \t])*\r\n$/.test(top)) {
    throw new AppError('INTERNAL', { detail: 'the trace field is not one complete field' })
  }
  let { messageId } = header
  if (messageId === undefined) {
    messageId = `${facts.newMessageId()}@${facts.messageIdDomain}`
    top += `Message-ID: <${messageId}>\r\n`
  }
  if (header.date === undefined) top += `Date: ${formatMailDate(facts.now)}\r\n`
  if (inspection.hasContentType && !inspection.hasMimeVersion) top += 'MIME-Version: 1.0\r\n'

  let dropped = 0
  for (const field of fieldsToDrop) dropped += field.end - field.start
  const tail = missingTail(inspection)

  const out = Buffer.allocUnsafeSlow(raw.length - dropped + top.length + tail.length)
  let at = out.write(top, 0, 'latin1')
  let from = 0
  for (const field of fieldsToDrop) {
    at += raw.copy(out, at, from, field.start)
    from = field.end
  }
  at += raw.copy(out, at, from)
  out.write(tail, at, 'latin1')
  return { raw: out, messageId }
}

/** What a message needs at its end: a CRLF for the last line, and the empty line when there is none. */
function missingTail({ raw, parsed, fieldsToDrop }: Inspection): string {
  const ended = raw[raw.length - 1] === 10 || fieldsToDrop.at(-1)?.end === raw.length
  return (ended ? '' : CRLF) + (parsed.text.length === raw.length ? CRLF : '')
}
