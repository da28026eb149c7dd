/**
 * A DKIM verifier written straight from RFC 6376 and RFC 8463, for tests: slow, simple, relaxed/relaxed only. It
 * shares no code with the signer, so that the two cannot be wrong together.
 */
import { createHash, createPublicKey, verify } from 'node:crypto'

export interface DkimResult {
  readonly domain: string
  readonly selector: string
  readonly algorithm: string
  /** `pass`, or why not. */
  readonly result: string
  /** Lower case names of the `h=` tag, in its order. */
  readonly signed: readonly string[]
}
/** `selector._domainkey.domain` → the TXT value, its strings joined. */
export type DkimLookup = (name: string) => string | undefined

/** One result per DKIM-Signature field, from the top. */
export function verifyDkim(raw: Buffer, lookup: DkimLookup): DkimResult[] {
  const { fields, body } = split(raw.toString('latin1'))
  return fields
    .filter((field) => nameOf(field) === 'dkim-signature')
    .map((signature) => {
      const tags = parseTags(signature.slice(signature.indexOf(':') + 1))
      const tag = (name: string): string => (tags.get(name) ?? '').replace(/\s/g, '')
      const signed = tag('h').toLowerCase().split(':')
      const common = { domain: tag('d'), selector: tag('s'), algorithm: tag('a'), signed }
      const verdict = judge(signature, tag, signed, fields, body, lookup)
      return { ...common, result: verdict }
    })
}

function judge(
  signature: string,
  tag: (name: string) => string,
  signed: readonly string[],
  fields: readonly string[],
  body: string,
  lookup: DkimLookup,
): string {
  if (tag('v') !== '1') return 'version'
  if (tag('c') !== 'relaxed/relaxed') return 'canonicalisation'
  if (tag('l') !== '') return 'length tag'
  if (!signed.includes('from')) return 'from not signed'
  const record = lookup(`${tag('s')}._domainkey.${tag('d')}`)
  if (record === undefined) return 'no key'
  const key = parseTags(record)
  if ((key.get('v') ?? 'DKIM1') !== 'DKIM1') return 'key version'

  const bodyHash = createHash('sha256').update(relaxedBody(body), 'latin1').digest('base64')
  if (bodyHash !== tag('bh')) return 'body hash'

  // §5.4.2: from the bottom, each field once; a name beyond the last field counts as empty.
  const left = [...fields]
  let data = ''
  for (const name of signed) {
    const at = left.findLastIndex((field) => nameOf(field) === name)
    if (at < 0) continue
    data += `${relaxedField(left.splice(at, 1)[0]!)}\r\n`
  }
  data += relaxedField(signature.replace(/([;\s]b\s*=)[^;]*/, '$1'))
  const bytes = Buffer.from(data, 'latin1')
  const value = Buffer.from(tag('b'), 'base64')
  const p = Buffer.from((key.get('p') ?? '').replace(/\s/g, ''), 'base64')
  switch (`${tag('a')} ${key.get('k') ?? 'rsa'}`) {
    case 'rsa-sha256 rsa': {
      const publicKey = createPublicKey({ key: p, format: 'der', type: 'spki' })
      return verify('sha256', bytes, publicKey, value) ? 'pass' : 'signature'
    }
    case 'ed25519-sha256 ed25519': {
      const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), p])
      const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
      const digest = createHash('sha256').update(bytes).digest()
      return verify(null, digest, publicKey, value) ? 'pass' : 'signature'
    }
    default:
      return 'algorithm'
  }
}

function split(message: string): { fields: string[]; body: string } {
  const end = message.indexOf('\r\n\r\n')
  const header = end < 0 ? message : message.slice(0, end)
  const fields: string[] = []
  for (const line of header.split('\r\n')) {
    if (/^[ \t]/.test(line)) fields.push(`${fields.pop() ?? ''}\r\n${line}`)
    else if (line !== '') fields.push(line)
  }
  return { fields, body: end < 0 ? '' : message.slice(end + 4) }
}

const nameOf = (field: string): string => field.slice(0, field.indexOf(':')).trim().toLowerCase()

function parseTags(list: string): Map<string, string> {
  const tags = new Map<string, string>()
  for (const part of list.split(';')) {
    const equals = part.indexOf('=')
    if (equals > 0) tags.set(part.slice(0, equals).trim(), part.slice(equals + 1).trim())
  }
  return tags
}

/** §3.4.2 */
function relaxedField(field: string): string {
  const colon = field.indexOf(':')
  const value = field
    .slice(colon + 1)
    .replace(/\r\n/g, '')
    .replace(/[ \t]+/g, ' ')
    .replace(/^ | $/g, '')
  return `${field.slice(0, colon).toLowerCase().trim()}:${value}`
}

/** §3.4.4, letter by letter. */
function relaxedBody(body: string): string {
  let out = ''
  let line = ''
  let emptyLines = ''
  const endLine = (): void => {
    if (line.endsWith(' ')) line = line.slice(0, -1)
    if (line === '') emptyLines += '\r\n'
    else {
      out += `${emptyLines}${line}\r\n`
      emptyLines = ''
    }
    line = ''
  }
  for (let i = 0; i < body.length; i++) {
    const char = body[i]!
    if (char === '\r' && body[i + 1] === '\n') {
      endLine()
      i++
    } else if (char === ' ' || char === '\t') {
      if (!line.endsWith(' ')) line += ' '
    } else line += char
  }
  endLine()
  return out
}
