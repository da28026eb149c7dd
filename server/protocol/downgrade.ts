/**
 * Makes a message safe for a 7-bit path once, when it is accepted, so that it never has to be changed after signing
 * (RFC 6152 §3): walks the MIME parts and re-encodes those with 8-bit bytes or lines over 998 octets. What is signed
 * (multipart/signed, RFC 1847) or cannot be read is left as it is and reported. Parts that are fine keep their bytes.
 */
import { isAscii, isUtf8 } from 'node:buffer'
import { asciiField } from './downgrade-field.ts'
import { fieldText, readHeader, HEADER_LIMITS, type Header } from './header.ts'
import { scanLines } from './lines.ts'
import { parameter, parseParameterised, type Parameterised } from './parameters.ts'
import { encodeBase64Lines, encodeQuotedPrintable, rewrapBase64 } from './quoted-printable.ts'

export interface Downgraded {
  readonly raw: Buffer
  readonly changed: boolean
  /** What is still 8-bit or too long, and why: `multipart/signed`, `field From`. Empty: the message is 7-bit safe. */
  readonly untouched: readonly string[]
}

export const MIME_LIMITS = { depth: 50, parts: 1000, boundary: 200 } as const

interface Walk {
  parts: number
  /** Bytes that may still be looked at: nested containers are scanned again on each level. */
  budget: number
  readonly untouched: string[]
}

const isClean = (bytes: Buffer): boolean => isAscii(bytes) && scanLines(bytes) <= HEADER_LIMITS.line

/** Takes a message with CRLF line ends (inspect.ts saw to that). Never throws; one pass per nesting level. */
export function downgradeMessage(raw: Buffer): Downgraded {
  if (isClean(raw)) return { raw, changed: false, untouched: [] }
  const walk: Walk = { parts: 0, budget: raw.length * 8 + 1_000_000, untouched: [] }
  const chunks = downgradePart(raw, walk, { depth: 0, isMessage: true, inDigest: false })
  const joined = Buffer.concat(chunks)
  const out = joined.at(-1) === 10 ? joined : Buffer.concat([joined, Buffer.from('\r\n')])
  return { raw: out, changed: !out.equals(raw), untouched: walk.untouched }
}

interface Place {
  readonly depth: number
  /** A whole message (it needs MIME-Version), not a part of a multipart. */
  readonly isMessage: boolean
  /** RFC 2046 §5.1.5: parts of multipart/digest are messages unless they say otherwise. */
  readonly inDigest: boolean
}

/** The part as chunks; `[bytes]` itself when nothing had to change. */
function downgradePart(bytes: Buffer, walk: Walk, place: Place): Buffer[] {
  walk.budget -= bytes.length
  walk.parts++
  const tooMuch =
    place.depth > MIME_LIMITS.depth || walk.parts > MIME_LIMITS.parts || walk.budget < 0
  if (tooMuch) return leave(bytes, walk, 'too many or too deeply nested parts')
  if (isClean(bytes)) return [bytes]
  const header = readHeader(bytes)
  if (!header.ok) return leave(bytes, walk, header.reason)

  const body = bytes.subarray(header.bodyStart)
  const type = contentType(header, place)
  // The header of a part is not covered by what is left alone inside it.
  const keepBody = (why: string): Buffer[] => [
    writeHeader(header, walk, {}),
    ...leave(body, walk, why),
  ]
  if (type.value === 'multipart/signed') return keepBody(type.value)
  const encoding = lastValue(header, 'content-transfer-encoding').toLowerCase()
  const isIdentity = /^(?:7bit|8bit|binary|)$/.test(encoding)
  const before = walk.untouched.length

  if (isClean(body)) return [writeHeader(header, walk, {}), body]
  if (type.value.startsWith('multipart/') || /^message\/(?:rfc822|global)$/.test(type.value)) {
    // RFC 2045 §6.4 forbids other encodings here.
    if (!isIdentity) return keepBody(`${type.value} in ${encoding}`)
    const inside = type.value.startsWith('multipart/')
      ? downgradeParts(body, type, walk, place.depth + 1)
      : downgradePart(body, walk, { depth: place.depth + 1, isMessage: true, inDigest: false })
    const isSafe = walk.untouched.length === before
    return [writeHeader(header, walk, isSafe ? { encoding: '' } : {}), ...inside]
  }
  if (!isIdentity && encoding !== 'quoted-printable' && encoding !== 'base64') {
    return keepBody(`encoding ${encoding}`)
  }
  return downgradeLeaf(header, body, { type, encoding, place, walk })
}

function leave(bytes: Buffer, walk: Walk, why: string): Buffer[] {
  if (!isClean(bytes)) walk.untouched.push(why)
  return [bytes]
}

const lastValue = (header: Header, name: string): string => {
  const field = header.fields.findLast((one) => one.name === name)
  return field === undefined ? '' : fieldText(header, field)
}

function contentType(header: Header, place: Place): Parameterised {
  const text = lastValue(header, 'content-type')
  return parseParameterised(text || (place.inDigest ? 'message/rfc822' : 'text/plain'))
}

interface Leaf {
  readonly type: Parameterised
  readonly encoding: string
  readonly place: Place
  readonly walk: Walk
}

function downgradeLeaf(header: Header, body: Buffer, leaf: Leaf): Buffer[] {
  const { type, encoding, place, walk } = leaf
  if (encoding === 'base64') return [writeHeader(header, walk, {}), rewrapBase64(body)]
  if (encoding === 'quoted-printable') {
    return [writeHeader(header, walk, {}), encodeQuotedPrintable(body, { encoded: true })]
  }
  const isText = /^(?:text|message)\//.test(type.value)
  const change: HeaderChange = {
    encoding: isText && !isMostly8bit(body) ? 'quoted-printable' : 'base64',
    charset: isAscii(body) ? 'us-ascii' : isUtf8(body) ? 'utf-8' : 'unknown-8bit',
    isMessage: place.isMessage,
  }
  const encoded =
    change.encoding === 'base64' ? encodeBase64Lines(body) : encodeQuotedPrintable(body)
  return [writeHeader(header, walk, change), encoded]
}

/** Beyond a quarter quoted-printable is the larger of the two, and nobody could read it raw either. */
function isMostly8bit(body: Buffer): boolean {
  let high = 0
  // By index: the iterator of a typed array costs ten times as much.
  for (let i = 0; i < body.length; i++) high += body[i]! >> 7
  return high * 4 > body.length
}

/** Each part between the delimiter lines, RFC 2046 §5.1.1. */
function downgradeParts(body: Buffer, type: Parameterised, walk: Walk, depth: number): Buffer[] {
  const boundary = parameter(type, 'boundary')
  if (boundary === undefined || boundary === '' || boundary.length > MIME_LIMITS.boundary) {
    return leave(body, walk, 'multipart without a usable boundary')
  }
  const chunks: Buffer[] = []
  const inDigest = type.value === 'multipart/digest'
  let delimiter = nextDelimiter(body, boundary, 0)
  if (delimiter === undefined) return leave(body, walk, 'multipart without parts')
  // Preamble and epilogue are for nobody; they are kept only when they do no harm.
  const preamble = body.subarray(0, delimiter.start)
  if (isClean(preamble)) chunks.push(preamble)
  for (;;) {
    chunks.push(body.subarray(delimiter.start, delimiter.end))
    if (delimiter.closes) break
    const next = nextDelimiter(body, boundary, delimiter.end)
    const part = body.subarray(delimiter.end, Math.max(delimiter.end, next?.start ?? body.length))
    chunks.push(...downgradePart(part, walk, { depth, isMessage: false, inDigest }))
    if (next === undefined) return chunks
    delimiter = next
  }
  const epilogue = body.subarray(delimiter.end)
  if (isClean(epilogue)) chunks.push(epilogue)
  return chunks
}

interface Delimiter {
  /** From the CRLF before the dashes (it belongs to the delimiter) to after the CRLF of the line. */
  readonly start: number
  readonly end: number
  readonly closes: boolean
}

function nextDelimiter(body: Buffer, boundary: string, from: number): Delimiter | undefined {
  const dashes = `--${boundary}`
  let at = body.indexOf(dashes, from, 'latin1')
  for (; at >= 0; at = body.indexOf(dashes, at + 2, 'latin1')) {
    if (at > 0 && body[at - 1] !== 10) continue
    const after = at + dashes.length
    const eol = body.indexOf('\r\n', after, 'latin1')
    const lineEnd = eol < 0 ? body.length : eol
    // A longer line with other text is not a delimiter; do not copy much to find out.
    const rest = body.toString('latin1', after, Math.min(lineEnd, after + 100))
    const found = /^(--)?[ \t]*$/.exec(rest)
    if (found === null) continue
    // The CRLF before an empty part is the end of the delimiter before it.
    const start = at >= from + 2 ? at - 2 : at
    return { start, end: eol < 0 ? body.length : eol + 2, closes: found[1] !== undefined }
  }
  return undefined
}

interface HeaderChange {
  /** New Content-Transfer-Encoding; '' takes the field away; undefined keeps it. */
  readonly encoding?: string
  /** For a leaf that had no Content-Type. */
  readonly charset?: string
  readonly isMessage?: boolean
}

/** The header block with its empty line, in ASCII as far as that is possible. */
function writeHeader(header: Header, walk: Walk, change: HeaderChange): Buffer {
  let text = ''
  const names = new Set<string>()
  for (const field of header.fields) {
    if (field.name === 'content-transfer-encoding' && change.encoding !== undefined) continue
    names.add(field.name)
    const source = header.text.slice(field.start, field.end)
    if (isSafeField(source)) text += source
    else {
      const ascii = asciiField(header, field)
      if (ascii === undefined) walk.untouched.push(`field ${field.name}`)
      text += ascii ?? source
    }
  }
  if (change.charset !== undefined) {
    if (change.isMessage === true && !names.has('mime-version')) text += 'MIME-Version: 1.0\r\n'
    if (!names.has('content-type'))
      text += `Content-Type: text/plain; charset=${change.charset}\r\n`
  }
  if (change.encoding) text += `Content-Transfer-Encoding: ${change.encoding}\r\n`
  if (text !== '' && !text.endsWith('\r\n')) text += '\r\n'
  return Buffer.from(text + '\r\n', 'latin1')
}

/** Most fields are shorter than one allowed line, so the lines are seldom looked at. */
function isSafeField(source: string): boolean {
  if (/[^\0-\x7f]/.test(source)) return false
  if (source.length <= HEADER_LIMITS.line) return true
  return source.split('\r\n').every((line) => line.length <= HEADER_LIMITS.line)
}
