/**
 * Encoded words (RFC 2047): text beyond ASCII in header fields. Decoding never throws and never lets a control
 * character through, so that a decoded subject or name cannot carry a line end into what is built from it.
 */

// Spaces in the payload are against §2 (2), and common.
const WORD = /=\?([^?\s]+)\?([bq])\?([^?]*)\?=/gi
const PLAIN = /^[\x20-\x7e]*$/
/** Safe in an encoded word wherever it stands, RFC 2047 §5 (3). */
const SAFE = /^[A-Za-z0-9!*+/-]$/
// 75 is allowed (§2); less leaves room for `Subject: ` before the first word on a line of 78.
const MAX_PAYLOAD = 52

/** Control characters become spaces. */
export const withoutControls = (text: string): string =>
  text.replace(/[\0-\x1f\x7f-\x9f\u2028\u2029]/g, ' ')

/** Bytes in a named charset → text; undefined when the charset is unknown. Bad sequences become U+FFFD. */
export function decodeCharset(bytes: Buffer, charset: string): string | undefined {
  const label = charset.toLowerCase()
  if (label === 'utf-8' || label === 'utf8') return bytes.toString('utf8')
  try {
    return new TextDecoder(label).decode(bytes)
  } catch {
    return undefined // RangeError: no such encoding
  }
}

function payloadBytes(encoding: string, payload: string): Buffer {
  if (encoding === 'b' || encoding === 'B') return Buffer.from(payload, 'base64')
  const text = payload
    .replace(/_/g, ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return Buffer.from(text, 'latin1')
}

/**
 * Replaces each encoded word of an unfolded value by its text. White space between two of them goes (§6.2), and
 * neighbours of one charset are joined as bytes first, because many senders split inside a character. Words in
 * unknown charsets stay as they are.
 */
export function decodeWords(value: string): string {
  if (!value.includes('=?')) return withoutControls(value)
  let text = ''
  let after = 0
  let bytes: Buffer[] = []
  let charset = ''
  let source = ''
  const flush = (): void => {
    if (bytes.length > 0) text += decodeCharset(Buffer.concat(bytes), charset) ?? source
    bytes = []
    source = ''
  }
  for (const found of value.matchAll(WORD)) {
    const between = value.slice(after, found.index)
    const [whole, label = '', encoding = '', payload = ''] = found
    // RFC 2231 §5 allows `charset*language`.
    const named = label.split('*', 1)[0]!.toLowerCase()
    const adjacent = bytes.length > 0 && /^\s*$/.test(between)
    if (!adjacent || named !== charset) flush()
    if (!adjacent) text += between
    bytes.push(payloadBytes(encoding, payload))
    charset = named
    source += (source === '' ? '' : ' ') + whole
    after = found.index + whole.length
  }
  flush()
  return withoutControls(text + value.slice(after))
}

/**
 * Text → what may stand in a header field: itself when it is plain ASCII, else UTF-8 encoded words with single
 * spaces between (which a folder may break at). `decodeWords` gives the text back.
 */
export function encodeWords(text: string): string {
  const clean = withoutControls(text)
  if (PLAIN.test(clean) && !clean.includes('=?')) return clean
  const octets = Buffer.byteLength(clean)
  let quotedSize = 0
  for (const char of clean) quotedSize += quotedChar(char).length
  const words: string[] = []
  // Base64 is shorter sooner, but Q can be read and searched in a log.
  if (quotedSize <= octets * 2) {
    for (const piece of pieces(clean, (char) => quotedChar(char).length, MAX_PAYLOAD)) {
      words.push(`=?utf-8?Q?${Array.from(piece, quotedChar).join('')}?=`)
    }
  } else {
    for (const piece of pieces(clean, (char) => Buffer.byteLength(char), (MAX_PAYLOAD / 4) * 3)) {
      words.push(`=?utf-8?B?${Buffer.from(piece).toString('base64')}?=`)
    }
  }
  return words.join(' ')
}

function quotedChar(char: string): string {
  if (char === ' ') return '_'
  if (SAFE.test(char)) return char
  return Buffer.from(char).toString('hex').toUpperCase().replace(/../g, '=$&')
}

/** Cuts between characters, never inside one (§5), so that each piece weighs at most `max`. */
function* pieces(text: string, weigh: (char: string) => number, max: number): Generator<string> {
  let piece = ''
  let weight = 0
  for (const char of text) {
    const more = weigh(char)
    if (weight + more > max) {
      yield piece
      piece = ''
      weight = 0
    }
    piece += char
    weight += more
  }
  yield piece
}
