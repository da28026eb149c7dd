/**
 * Writes messages (RFC 5322, RFC 2045, RFC 2046): the header block of any message, and the content of those that
 * have text and HTML only, which is most of them, in a tenth of the time a general composer takes. What could end
 * a header field is made harmless or refused here; Bcc is never written.
 */
import { hash } from 'node:crypto'
import { AppError } from '../core/errors.ts'
import { formatMailDate } from './date.ts'
import { encodeWords, withoutControls } from './encoded-word.ts'
import { foldLine } from './header.ts'
import { formatMailbox } from './mailbox.ts'
import type { Mailbox } from './mailbox.ts'
import { encodeText } from './transfer-encoding.ts'

export interface HeaderValues {
  readonly from: Mailbox
  readonly to: readonly Mailbox[]
  readonly cc: readonly Mailbox[]
  readonly replyTo: readonly Mailbox[]
  readonly subject: string
  /** Epoch ms. */
  readonly date: number
  /** Without angle brackets. */
  readonly messageId: string
  /** Further fields, checked. */
  readonly custom: readonly (readonly [name: string, value: string])[]
}

/** Line ends and controls become single spaces: what a subject can honestly contain. */
export const cleanSubject = (subject: string): string =>
  withoutControls(subject.replace(/[\r\n]+[ \t]*/g, ' ')).trim()

/**
 * The header block up to and with MIME-Version; each line ends in CRLF. May hold characters beyond ASCII in
 * addresses only (SMTPUTF8). Throws AppError HEADER_INVALID for a word that no line can hold.
 */
export function headerBlock(values: HeaderValues): string {
  const { to, cc, replyTo } = values
  // RFC 5322 §3.6.3 allows none; filters count a mail without To as a fault, so it gets the empty group.
  const recipients =
    to.length > 0 || cc.length > 0 ? formatMailboxes(to) : 'undisclosed-recipients:;'
  let block = line('From', formatMailbox(values.from), 'from')
  if (recipients !== '') block += line('To', recipients, 'to')
  if (cc.length > 0) block += line('Cc', formatMailboxes(cc), 'cc')
  if (replyTo.length > 0) block += line('Reply-To', formatMailboxes(replyTo), 'replyTo')
  block += line('Subject', encodeWords(cleanSubject(values.subject)), 'subject')
  block += `Date: ${formatMailDate(values.date)}\r\nMessage-ID: <${values.messageId}>\r\n`
  for (const [name, value] of values.custom) {
    block += line(name, encodeWords(value).trim(), `headers/${name}`)
  }
  return `${block}MIME-Version: 1.0\r\n`
}

const formatMailboxes = (boxes: readonly Mailbox[]): string => boxes.map(formatMailbox).join(', ')

function line(name: string, value: string, path: string): string {
  const folded = foldLine(value === '' ? `${name}:` : `${name}: ${value}`)
  if (folded !== undefined) return folded
  throw new AppError('HEADER_INVALID', {
    fields: [{ path, message: 'has a word longer than 998 octets' }],
  })
}

/**
 * Content of a message without attachments: its Content-* fields, an empty line, the encoded parts; all ASCII.
 * With both text and HTML it is multipart/alternative, plainest first (RFC 2046 §5.1.4). `seed` is a word to
 * make the boundary from (the Message-ID).
 */
export function textContent(
  parts: { readonly text: string | undefined; readonly html: string | undefined },
  seed: string,
): string {
  const { text, html } = parts
  if (html === undefined) return part('plain', text ?? '')
  if (text === undefined) return part('html', html)
  const plain = part('plain', text)
  const rich = part('html', html)
  // Neither quoted-printable nor base64 can contain `=_`; a 7bit part might, and no part can contain its own hash.
  let boundary = `=_${seed.replace(/[^A-Za-z0-9]/g, '').slice(0, 40)}`
  if (plain.includes(boundary) || rich.includes(boundary)) {
    boundary = `=_${hash('sha256', plain + rich, 'hex')}`
  }
  return (
    `Content-Type: multipart/alternative;\r\n boundary="${boundary}"\r\n\r\n` +
    `--${boundary}\r\n${plain}\r\n--${boundary}\r\n${rich}\r\n--${boundary}--\r\n`
  )
}

function part(subtype: 'plain' | 'html', text: string): string {
  const { encoding, content } = encodeText(text)
  return `Content-Type: text/${subtype}; charset=utf-8\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${content}`
}
