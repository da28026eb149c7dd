/**
 * The header block of a message (RFC 5322 §2.2): where it ends, which fields it has, and how one is written. It
 * finds fields by offset and leaves their bytes alone, so that what was signed stays as it was. Lines end in CRLF;
 * messages with bare line ends are refused or repaired before (inspect.ts).
 */
import { AppError } from '../core/errors.ts'
import { decodeWords, encodeWords } from './encoded-word.ts'

export interface Field {
  /** Lower case. */
  readonly name: string
  /** Offsets in the message (= in `Header.text`): first byte, first byte after the colon, end after the CRLF. */
  readonly start: number
  readonly value: number
  readonly end: number
}
export interface Header {
  readonly ok: true
  /** The header block as latin1 text, up to and with the CRLF of its last field; one char per byte. */
  readonly text: string
  readonly fields: readonly Field[]
  /** First byte of the body; the length of the message when there is none. */
  readonly bodyStart: number
}
export interface HeaderFault {
  readonly ok: false
  readonly reason: string
  readonly tooBig: boolean
}

export const HEADER_LIMITS = { bytes: 256 * 1024, fields: 1000, line: 998 } as const

/** RFC 5322 §3.6.8 ftext. */
const NAME = /^[!-9;-~]+$/
const NOT_ASCII = /[^\0-\x7f]/
const SPACE = 32
const TAB = 9

const fault = (reason: string, tooBig = false): HeaderFault => ({ ok: false, reason, tooBig })

/** Where the header block ends and the body starts. Without an empty line everything is header. */
export function splitMessage(raw: Buffer): { headerEnd: number; bodyStart: number } {
  if (raw.length >= 2 && raw[0] === 13 && raw[1] === 10) return { headerEnd: 0, bodyStart: 2 }
  const end = raw.indexOf('\r\n\r\n', 0, 'latin1')
  if (end < 0) return { headerEnd: raw.length, bodyStart: raw.length }
  return { headerEnd: end + 2, bodyStart: end + 4 }
}

/** Finds the fields of a message or MIME part. Costs about 0.1 µs per field; reads nothing of the body. */
export function readHeader(raw: Buffer): Header | HeaderFault {
  const { headerEnd, bodyStart } = splitMessage(raw)
  if (headerEnd > HEADER_LIMITS.bytes) return fault('header block larger than 256 KiB', true)
  const text = raw.toString('latin1', 0, headerEnd)
  const fields: Field[] = []
  let start = 0
  while (start < text.length) {
    let eol = text.indexOf('\r\n', start)
    const colon = text.indexOf(':', start)
    if (colon < 0 || (eol >= 0 && colon > eol)) return fault('header line without a colon')
    while (eol >= 0) {
      const next = text.charCodeAt(eol + 2)
      if (next !== SPACE && next !== TAB) break
      eol = text.indexOf('\r\n', eol + 2)
    }
    const end = eol < 0 ? text.length : eol + 2
    const name = text.slice(start, colon)
    if (!NAME.test(name)) return fault(nameFault(name))
    if (fields.length === HEADER_LIMITS.fields) return fault('more than 1,000 header fields', true)
    fields.push({ name: name.toLowerCase(), start, value: colon + 1, end })
    start = end
  }
  return { ok: true, text, fields, bodyStart }
}

function nameFault(name: string): string {
  if (/^[ \t]/.test(name)) return 'header starts with a continuation line'
  // RFC 5322 §4.5 calls it obsolete; receivers differ on what it means, so nobody gets to see it.
  if (/^[!-9;-~]+[ \t]+$/.test(name)) return 'white space before the colon of a header field'
  return 'header field name with a character that is not allowed'
}

/** The bytes after the colon as latin1 text: folding and all, with the final CRLF. */
export const rawValue = (header: Header, field: Field): string =>
  header.text.slice(field.value, field.end)

/** Removes folding (RFC 5322 §2.2.3) and the white space around the value. */
export const unfold = (value: string): string =>
  (value.includes('\n') ? value.replace(/\r?\n(?=[ \t]|$)/g, '') : value).trim()

/** The unfolded value. Raw 8-bit is read as UTF-8, or as windows-1252 where it is not. */
export function fieldText(header: Header, field: Field): string {
  const value = unfold(rawValue(header, field))
  return NOT_ASCII.test(value) ? decodeUnknown(Buffer.from(value, 'latin1')) : value
}

/** The unfolded value of an unstructured field with its encoded words decoded. */
export const decodedText = (header: Header, field: Field): string =>
  decodeWords(fieldText(header, field))

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const windows1252 = new TextDecoder('windows-1252')
function decodeUnknown(bytes: Buffer): string {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return windows1252.decode(bytes)
  }
}

/** Why this cannot be the name of a field, or undefined. */
export function fieldNameFault(name: string): string | undefined {
  if (name === '') return 'empty field name'
  if (name.length > 76) return 'field name longer than 76 characters'
  return NAME.test(name) ? undefined : 'field name with a character that is not allowed'
}

/** Why this cannot be the (unfolded) value of a field, or undefined. CR and LF would start another field. */
export function fieldValueFault(value: string): string | undefined {
  if (/[\r\n]/.test(value)) return 'line end in a header value'
  return /[\0-\x08\x0b-\x1f\x7f]/.test(value) ? 'control character in a header value' : undefined
}

/**
 * `('Subject', 'Grüße')` → `Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n`, folded at 78 where there is white space.
 * With `structured` the value is written as it is (mailboxes, Message-IDs) and only folded.
 * Throws AppError HEADER_INVALID for a name or value that cannot be written.
 */
export function formatField(name: string, value: string, structured = false): string {
  const reason = fieldNameFault(name) ?? fieldValueFault(value)
  if (reason !== undefined) throw new AppError('HEADER_INVALID', { public: `${name}: ${reason}` })
  const folded = foldLine(`${name}: ${structured ? value : encodeWords(value)}`.trimEnd())
  if (folded === undefined) {
    throw new AppError('HEADER_INVALID', { public: `${name}: a word longer than 998 octets` })
  }
  return folded
}

/**
 * Folds one unfolded field to lines of at most 78 chars where white space allows and 998 at worst; ends in CRLF.
 * Undefined when a single word is longer than that.
 */
export function foldLine(line: string): string | undefined {
  if (line.length <= 78) return line + '\r\n'
  let folded = ''
  let start = 0
  // Not right after the name: an empty first line confuses more readers than a long one does.
  let least = line.indexOf(':') + 2
  while (line.length - start > 78) {
    const cut = foldPoint(line, least, start + 78)
    if (cut - start > HEADER_LIMITS.line) return undefined
    if (cut === line.length) break
    folded += line.slice(start, cut) + '\r\n'
    start = cut
    least = cut + 1
  }
  return line.length - start > HEADER_LIMITS.line ? undefined : folded + line.slice(start) + '\r\n'
}

/** The last start of white space in (least, most], else the first one after it, else the end of the line. */
function foldPoint(line: string, least: number, most: number): number {
  for (let i = most; i > least; i--) if (startsSpace(line, i)) return i
  for (let i = Math.max(most, least) + 1; i < line.length; i++) if (startsSpace(line, i)) return i
  return line.length
}

function startsSpace(line: string, at: number): boolean {
  const code = line.charCodeAt(at)
  if (code !== SPACE && code !== TAB) return false
  const before = line.charCodeAt(at - 1)
  return before !== SPACE && before !== TAB
}
