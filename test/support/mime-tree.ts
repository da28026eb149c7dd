/**
 * A small MIME reader for tests (RFC 2045, 2046, 2047, 2231): takes a composed message apart and says what is wrong
 * with its form. Shares no code with the writers.
 */

export interface MimePart {
  /** Lower case name → unfolded values, encoded words left as they are. */
  readonly headers: ReadonlyMap<string, readonly string[]>
  /** Lower case, without parameters; `text/plain` when the field is missing. */
  readonly type: string
  /** Content of a leaf, transfer encoding removed. */
  readonly content: Buffer
  readonly children: readonly MimePart[]
}

export function readMime(raw: Buffer): MimePart {
  const text = raw.toString('latin1')
  const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n') + 2
  const headers = new Map<string, string[]>()
  const unfolded = text.slice(0, end).replace(/\r\n(?=[ \t])/g, '')
  for (const line of unfolded.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon < 1) continue
    const name = line.slice(0, colon).toLowerCase()
    headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()])
  }
  const body = text.slice(end + 2)
  const contentType = headers.get('content-type')?.[0] ?? 'text/plain'
  const type = contentType.split(';', 1)[0]!.trim().toLowerCase()
  const boundary = type.startsWith('multipart/') ? parameter(contentType, 'boundary') : undefined
  const children = boundary === undefined ? [] : splitParts(body, boundary)
  const encoding = headers.get('content-transfer-encoding')?.[0] ?? '7bit'
  return { headers, type, content: decode(body, encoding.toLowerCase()), children }
}

function splitParts(body: string, boundary: string): MimePart[] {
  const pieces = `\r\n${body}`.split(`\r\n--${boundary}`)
  if (!pieces.at(-1)!.startsWith('--')) throw new Error('multipart without an end')
  return pieces.slice(1, -1).map((piece) => readMime(Buffer.from(piece.slice(2), 'latin1')))
}

function decode(body: string, encoding: string): Buffer {
  switch (encoding) {
    case 'base64':
      return Buffer.from(body, 'base64')
    case 'quoted-printable': {
      const joined = body.replace(/[ \t]+(?=\r\n|$)/g, '').replace(/=\r\n/g, '')
      const bytes = joined.replace(/=([0-9A-F]{2})/g, (_, hex: string) =>
        String.fromCharCode(parseInt(hex, 16)),
      )
      return Buffer.from(bytes, 'latin1')
    }
    case '7bit':
      return Buffer.from(body, 'latin1')
    default:
      throw new Error(`transfer encoding ${encoding}`)
  }
}

/** A parameter of a structured field, with RFC 2231 continuations and charsets. */
export function parameter(field: string, name: string): string | undefined {
  const values = new Map<string, string>()
  for (const [, key, quoted, bare] of field.matchAll(
    /;\s*([^=;\s]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/g,
  )) {
    values.set(key!.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? bare!)
  }
  const plain = values.get(name)
  if (plain !== undefined) return plain
  let joined = values.get(`${name}*`) ?? ''
  for (let i = 0; ; i++) {
    const section = values.get(`${name}*${i}*`) ?? values.get(`${name}*${i}`)
    if (section === undefined) break
    joined += section
  }
  return joined === '' ? undefined : decodeURIComponent(joined.replace(/^[^']*'[^']*'/, ''))
}

/** `multipart/mixed(multipart/alternative(text/plain,text/html),application/pdf)` */
export const shape = (part: MimePart): string =>
  part.children.length === 0 ? part.type : `${part.type}(${part.children.map(shape).join(',')})`

/** Leaves in order. */
export const leaves = (part: MimePart): readonly MimePart[] =>
  part.children.length === 0 ? [part] : part.children.flatMap(leaves)

/** Text of a leaf with LF line ends and no line end at its end. */
export const textOf = (part: MimePart | undefined): string =>
  (part?.content.toString('utf8') ?? '').replaceAll('\r\n', '\n').replace(/\n+$/, '')

/** RFC 2047 → text. */
export const decodedWords = (value: string): string =>
  value
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_, encoding: string, payload: string) =>
      encoding.toLowerCase() === 'b'
        ? Buffer.from(payload, 'base64').toString('latin1')
        : decode(payload.replace(/_/g, ' '), 'quoted-printable').toString('latin1'),
    )
    // Bytes first, because a character may lie in two words.
    .replace(/[\x80-\xff]+/g, (bytes) => Buffer.from(bytes, 'latin1').toString('utf8'))

/** What breaks the rules of 7-bit mail, in words; empty for a clean message. */
export function formFaults(raw: Buffer): string[] {
  const text = raw.toString('latin1')
  const faults: string[] = []
  if (/[^\x01-\x7f]/.test(text)) faults.push('octet beyond ASCII, or NUL')
  if (/\r(?!\n)|(?<!\r)\n/.test(text)) faults.push('bare CR or LF')
  if (!text.endsWith('\r\n')) faults.push('no line end at the end')
  const lines = text.split('\r\n')
  if (lines.some((line) => line.length > 998)) faults.push('line over 998')
  const header = lines.slice(0, lines.indexOf(''))
  for (const line of header) {
    if (line.length > 78 && /\S\s+\S/.test(line.replace(/^[!-9;-~]+:\s*/, '').trim())) {
      faults.push(`header line over 78 that could be folded: ${line}`)
    }
    if (line.trim() === '') faults.push('white space only header line')
    if (!/^[!-9;-~]+:|^[ \t]/.test(line)) faults.push(`no header field: ${line}`)
  }
  const names = header.flatMap((line) => /^([!-9;-~]+):/.exec(line)?.[1]?.toLowerCase() ?? [])
  if (new Set(names).size < names.length) faults.push('a field twice')
  for (const name of ['from', 'date', 'message-id', 'subject', 'mime-version', 'content-type']) {
    if (!names.includes(name)) faults.push(`no ${name}`)
  }
  return faults
}
