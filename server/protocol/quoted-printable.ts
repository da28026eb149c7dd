/**
 * Quoted-printable and base64 bodies (RFC 2045 §6.7, §6.8), written with CRLF lines of at most 76 octets. Line ends of
 * the input stay line ends; only bytes that a 7-bit path could harm are changed.
 */

const CR = 13
const LF = 10
const EQUALS = 61
const HEX = Buffer.from('0123456789ABCDEF')
/** One less than allowed, so that the `=` of a soft break always fits. */
const MAX_LINE = 75

/** 1 where the byte may stand for itself (§6.7 rule 2), white space included. */
const LITERAL = new Uint8Array(256)
for (let byte = 32; byte < 127; byte++) LITERAL[byte] = byte === EQUALS ? 0 : 1
LITERAL[9] = 1

export interface QuotedPrintableOptions {
  /** The input is quoted-printable already, but has 8-bit bytes or long lines: keep its escapes. */
  readonly encoded?: boolean
}

/** Bytes with CRLF line ends → quoted-printable. */
export function encodeQuotedPrintable(body: Buffer, options: QuotedPrintableOptions = {}): Buffer {
  const keepEscapes = options.encoded === true
  const out = Buffer.allocUnsafe(encodedBound(body))
  let to = 0
  let column = 0
  for (let i = 0; i < body.length; i++) {
    const byte = body[i]!
    if (byte === CR && body[i + 1] === LF) {
      out[to++] = CR
      out[to++] = LF
      column = 0
      i++
      continue
    }
    let literal = LITERAL[byte] === 1
    let width = literal ? 1 : 3
    if (keepEscapes) {
      if (byte === EQUALS) {
        literal = true
        // Room for the two digits, so that no soft break comes between.
        width = body[i + 1] === CR ? 0 : 3
      }
    } else if (literal && byte <= 32 && endsLine(body, i + 1)) {
      literal = false
      width = 3
    }
    if (column + width > MAX_LINE) {
      out[to++] = EQUALS
      out[to++] = CR
      out[to++] = LF
      column = 0
    }
    if (literal) {
      out[to++] = byte
      column++
    } else {
      out[to++] = EQUALS
      out[to++] = HEX[byte >> 4]!
      out[to++] = HEX[byte & 15]!
      column += 3
    }
  }
  return out.subarray(0, to)
}

const endsLine = (body: Buffer, at: number): boolean =>
  at === body.length || (body[at] === CR && body[at + 1] === LF)

/** Never below the encoded size: every byte that may need an escape counts three, plus the soft breaks. */
function encodedBound(body: Buffer): number {
  let octets = body.length
  // By index: the iterator of a typed array costs ten times as much.
  for (let i = 0; i < body.length; i++) if (body[i]! <= 32 || LITERAL[body[i]!] === 0) octets += 2
  // A line breaks before it has 73 octets only at a line end of its own.
  return octets + Math.ceil(octets / 72) * 3 + 3
}

/** Bytes → base64 in lines of 76 with CRLF between, none after the last. */
export function encodeBase64Lines(body: Buffer): Buffer {
  return Buffer.from(wrap(body.toString('base64')), 'latin1')
}

/** Base64 text with lines too long or stray bytes → the same data in proper lines. */
export const rewrapBase64 = (body: Buffer): Buffer =>
  Buffer.from(wrap(body.toString('latin1').replace(/[^A-Za-z0-9+/=]/g, '')), 'latin1')

const wrap = (text: string): string => text.replace(/.{76}(?=.)/g, '$&\r\n')
