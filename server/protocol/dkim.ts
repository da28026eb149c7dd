/**
 * DKIM (RFC 6376), the pure part: relaxed/relaxed canonicalisation, which header fields are signed, and the text of
 * a signature. It knows no keys and never changes the message. Input is a strict message: CRLF lines, no bare CR or
 * LF. Header text is handled as latin1, so that bytes beyond ASCII (SMTPUTF8) pass through unchanged.
 */
import { createHash, hash } from 'node:crypto'
import type { Field, Header } from './header.ts'

export type DkimAlgorithm = 'rsa-sha256' | 'ed25519-sha256'

/**
 * What is signed, in the order of `h=`. `oversign`: listed once more than present, so that a second field of that
 * name, added on the way, breaks the signature (RFC 6376 §8.15). The unsubscribe pair must be covered for
 * one-click (RFC 8058 §4), CFBL-* by RFC 9477 §3.1.1.
 */
const RULES: ReadonlyMap<string, 'oversign' | 'if-present'> = new Map([
  ['from', 'oversign'],
  ['to', 'oversign'],
  ['cc', 'oversign'],
  ['subject', 'oversign'],
  ['date', 'oversign'],
  ['message-id', 'oversign'],
  ['reply-to', 'oversign'],
  ['in-reply-to', 'if-present'],
  ['references', 'if-present'],
  ['sender', 'if-present'],
  ['mime-version', 'oversign'],
  ['content-type', 'oversign'],
  ['content-transfer-encoding', 'if-present'],
  ['list-id', 'if-present'],
  ['list-unsubscribe', 'oversign'],
  ['list-unsubscribe-post', 'oversign'],
  ['feedback-id', 'oversign'],
  ['cfbl-address', 'oversign'],
  ['cfbl-feedback-id', 'oversign'],
])

/** Longest line of the signature field, without CRLF (RFC 5322 §2.1.1). */
const LINE = 78
const [TAB, LF, CR, SPACE] = [9, 10, 13, 32]
// What relaxed canonicalisation may have to touch: a tab, two spaces, a space before CR.
const UNRELAXED = /\t| [ \r]/

/** Relaxed form of one header field, without CRLF: `Subject:  A\r\n b\r\n` → `subject:A b` (RFC 6376 §3.4.2). */
export function relaxHeader(field: string): string {
  const colon = field.indexOf(':')
  let value = field.slice(colon + 1, field.endsWith('\r\n') ? -2 : undefined)
  if (/[\t\r\n]| {2}/.test(value)) value = value.replace(/[ \t\r\n]+/g, ' ')
  // Not trim(): it would also take U+00A0, which here is the last byte of a UTF-8 letter.
  const from = value.startsWith(' ') ? 1 : 0
  const to = value.endsWith(' ') ? value.length - 1 : value.length
  return `${field.slice(0, colon).trimEnd().toLowerCase()}:${value.slice(from, to)}`
}

export interface SignedHeader {
  /** The `h=` list: lower case names joined by colons. */
  readonly names: string
  /** Relaxed fields in the order of `names`, each with CRLF: what is hashed before the signature field. */
  readonly canonical: string
}

/** Picks the fields to sign. Several fields of one name are taken from the bottom up (RFC 6376 §5.4.2). */
export function selectHeader(header: Header): SignedHeader {
  let names = ''
  let canonical = ''
  const present = new Map<string, Field[]>()
  for (const field of header.fields) {
    const rule = RULES.get(field.name)
    if (rule === undefined) continue
    const same = present.get(field.name)
    if (same) same.unshift(field)
    else present.set(field.name, [field])
  }
  for (const [name, rule] of RULES) {
    for (const field of present.get(name) ?? []) {
      names += `${name}:`
      canonical += `${relaxHeader(header.text.slice(field.start, field.end))}\r\n`
    }
    if (rule === 'oversign') names += `${name}:`
  }
  return { names: names.slice(0, -1), canonical }
}

export interface SignatureFacts {
  readonly algorithm: DkimAlgorithm
  readonly domain: string
  readonly selector: string
  /** When it is signed, epoch ms. */
  readonly at: number
  /** `SignedHeader.names` and the body hash. */
  readonly names: string
  readonly bodyHash: string
}

/**
 * The DKIM-Signature field with an empty `b=` at its end, folded, without a final CRLF. What is signed is
 * `canonical + relaxHeader(this)` (RFC 6376 §3.7). No `l=`: it would let anybody append to the message.
 */
export function unsignedField(facts: SignatureFacts): string {
  let field = `DKIM-Signature: v=1; a=${facts.algorithm}; c=relaxed/relaxed;`
  let column = field.length
  const seconds = Math.floor(facts.at / 1000)
  for (const tag of [`d=${facts.domain};`, `s=${facts.selector};`, `t=${seconds};`]) {
    const fits = column + 1 + tag.length <= LINE
    field += fits ? ` ${tag}` : `\r\n ${tag}`
    column = fits ? column + 1 + tag.length : 1 + tag.length
  }
  return `${field}\r\n bh=${facts.bodyHash};\r\n ${foldNames(`h=${facts.names};`)}\r\n b=`
}

/** Folds before a colon, where white space is allowed (RFC 6376 §3.5). */
function foldNames(tag: string): string {
  let folded = ''
  let start = 0
  while (tag.length - start > LINE - 1) {
    const colon = tag.lastIndexOf(':', start + LINE - 2)
    // A name alone is never as long as a line, so there is a colon after `start`.
    folded += `${tag.slice(start, colon)}\r\n `
    start = colon
  }
  return folded + tag.slice(start)
}

/** Puts the signature (base64) into the field made by `unsignedField`; ends in CRLF. */
export function signedField(unsigned: string, signature: string): string {
  // `b=` and its leading space take three columns of the first line.
  let field = unsigned + signature.slice(0, LINE - 3)
  for (let at = LINE - 3; at < signature.length; at += LINE - 1) {
    field += `\r\n ${signature.slice(at, at + LINE - 1)}`
  }
  return `${field}\r\n`
}

/** Runs of white space become one space, white space at the end of a line goes. Returns `lines` itself when clean. */
function relaxLines(lines: Buffer): Buffer {
  const length = lines.length
  const last = lines[length - 1]
  // The regular expression is 1.5 times faster than a loop over the bytes, and most bodies stop here.
  if (last !== SPACE && !UNRELAXED.test(lines.toString('latin1'))) return lines
  const out = Buffer.allocUnsafe(length)
  let written = 0
  for (let i = 0; i < length; i++) {
    const byte = lines[i]!
    if (byte > SPACE || (byte !== SPACE && byte !== TAB)) {
      out[written++] = byte
      continue
    }
    let next = lines[i + 1]
    while (next === SPACE || next === TAB) next = lines[++i + 1]
    if (next !== undefined && (next !== CR || lines[i + 2] !== LF)) out[written++] = SPACE
  }
  return out.subarray(0, written)
}

/** Length without the CRLFs at its end. */
function contentLength(lines: Buffer): number {
  let end = lines.length
  while (end >= 2 && lines[end - 1] === LF && lines[end - 2] === CR) end -= 2
  return end
}

/** Relaxed body (RFC 6376 §3.4.4): empty lines at the end go, a body that is not empty ends with CRLF. */
export function relaxBody(body: Buffer): Buffer {
  const lines = relaxLines(body)
  const end = contentLength(lines)
  if (end === 0) return lines.subarray(0, 0)
  return end + 2 <= lines.length
    ? lines.subarray(0, end + 2)
    : Buffer.concat([lines.subarray(0, end), Buffer.from('\r\n')])
}

/** Body hash (`bh=`, base64) of a body that is at hand as a whole. 4 KB: 8 µs when clean, 11 µs when not. */
export const hashBody = (body: Buffer): string => hash('sha256', relaxBody(body), 'base64')

export interface BodyHash {
  update(chunk: Buffer): void
  /** The value of `bh=`; call once. */
  digest(): string
}

/** Body hash of a body that arrives in chunks cut anywhere. Holds at most one unfinished line. */
export function startBodyHash(): BodyHash {
  const sha = createHash('sha256')
  let unfinished: Buffer = Buffer.alloc(0)
  let empty = true
  /** CRLFs seen and not hashed yet: they count only when something follows. */
  let held = 0

  function take(lines: Buffer): void {
    const relaxed = relaxLines(lines)
    const end = contentLength(relaxed)
    if (end > 0) {
      sha.update('\r\n'.repeat(held)).update(relaxed.subarray(0, end))
      empty = false
      held = 0
    }
    held += (relaxed.length - end) / 2
  }

  return {
    update(chunk) {
      const data = unfinished.length > 0 ? Buffer.concat([unfinished, chunk]) : chunk
      const cut = data.lastIndexOf(LF) + 1
      if (cut > 0) take(data.subarray(0, cut))
      unfinished = data.subarray(cut)
    },
    digest() {
      if (unfinished.length > 0) take(unfinished)
      if (!empty) sha.update('\r\n')
      return sha.digest('base64')
    },
  }
}
