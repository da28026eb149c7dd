/**
 * Makes text safe for 7-bit transport (RFC 2045 §6): as it is where that suffices, quoted-printable for mostly
 * Latin text, base64 for the rest. Relays that lack 8BITMIME would re-encode anything else and break its signature.
 */
import { encodeBase64Lines, encodeQuotedPrintable } from './quoted-printable.ts'

export interface EncodedText {
  readonly encoding: '7bit' | 'quoted-printable' | 'base64'
  /** ASCII, CRLF line ends, no line over 998 octets; ends in CRLF unless empty. */
  readonly content: string
}

/** RFC 5322 §2.1.1, without CRLF. */
const MAX_LINE = 998

/** Any line ends → CRLF. */
export const toCrlf = (text: string): string =>
  text.includes('\r') ? text.replace(/\r\n|\r|\n/g, '\r\n') : text.replaceAll('\n', '\r\n')

/** Chooses the encoding of a text part. Takes any line ends; adds one at the end when there is none. */
export function encodeText(text: string): EncodedText {
  const lines = toCrlf(text)
  const content = lines === '' || lines.endsWith('\r\n') ? lines : `${lines}\r\n`
  // One octet per UTF-16 unit is the same as ASCII, and counting is faster than looking.
  const octets = Buffer.byteLength(content)
  if (octets === content.length && !content.includes('\0') && linesFit(content)) {
    return { encoding: '7bit', content }
  }
  const bytes = Buffer.from(content)
  // Quoted-printable triples each octet beyond ASCII; base64 adds a third to everything.
  return octets > content.length * 1.2
    ? { encoding: 'base64', content: `${encodeBase64Lines(bytes).toString('latin1')}\r\n` }
    : { encoding: 'quoted-printable', content: encodeQuotedPrintable(bytes).toString('latin1') }
}

function linesFit(text: string): boolean {
  let start = 0
  while (text.length - start > MAX_LINE) {
    const end = text.indexOf('\r\n', start)
    if (end < 0 || end - start > MAX_LINE) return false
    start = end + 2
  }
  return true
}
