/**
 * Mailboxes in header fields (RFC 5322 §3.4): reads From, To, Cc, Reply-To and Sender, writes one mailbox. What
 * two readers could understand differently is refused, because the From that is checked must be the From that the
 * recipient sees.
 */
import {
  parseAddress,
  type AddressOptions,
  type EmailAddress,
  type ParsedAddress,
} from '../core/address.ts'
import { decodeWords, encodeWords, withoutControls } from './encoded-word.ts'

export interface Mailbox {
  /** Display name, decoded; empty when there is none. */
  readonly name: string
  readonly address: EmailAddress
}
export interface ParsedMailbox extends Mailbox {
  readonly parts: ParsedAddress
}
export type MailboxList =
  | { readonly ok: true; readonly mailboxes: readonly ParsedMailbox[] }
  | { readonly ok: false; readonly reason: string }

const MAX_COMMENT_DEPTH = 20
/** Runs of what is neither white space nor has a meaning of its own. */
const WORD = /[^\s"(),:;<>\\]+/y
const SPACES = /\s+/y

/** One element of the list while it is read. */
interface Element {
  /** Display name so far, quotes removed. */
  phrase: string
  /** The same as written, for an address that stands without brackets. */
  bare: string
  comment: string
  angle: string | undefined
}
const newElement = (): Element => ({ phrase: '', bare: '', comment: '', angle: undefined })

/**
 * Reads an unfolded address list; groups are flattened, an empty group gives no mailbox. Never throws, linear time.
 * `'"Doe, Jane" <jane@example.com>, bob@example.com'` → two mailboxes.
 */
export function parseMailboxes(text: string, options: AddressOptions = {}): MailboxList {
  const mailboxes: ParsedMailbox[] = []
  let element = newElement()
  let inGroup = false
  let at = 0

  const finish = (): string | undefined => {
    const address = element.angle ?? element.bare.trim()
    if (element.angle === undefined && address === '') {
      return element.phrase === '' ? undefined : 'display name without an address'
    }
    const parts = parseAddress(address, options)
    if (!parts.ok) return parts.reason
    const name = element.angle === undefined ? element.comment : element.phrase || element.comment
    mailboxes.push({ name: decodeWords(name.trim()), address: parts.address, parts })
    element = newElement()
    return undefined
  }

  while (at < text.length) {
    const char = text[at]!
    let reason: string | undefined
    switch (char) {
      case ',':
        reason = finish()
        at++
        break
      case ':':
        // RFC 5322 §3.4: groups do not nest.
        if (inGroup || element.angle !== undefined) return { ok: false, reason: 'unexpected colon' }
        inGroup = true
        element = newElement()
        at++
        break
      case ';':
        if (!inGroup) return { ok: false, reason: 'unexpected semicolon' }
        reason = finish()
        inGroup = false
        at++
        break
      case '(': {
        const end = commentEnd(text, at)
        if (end < 0) return { ok: false, reason: 'comment without an end' }
        element.comment = text.slice(at + 1, end - 1).replace(/\\(.)/g, '$1')
        at = end
        break
      }
      case '<': {
        if (element.angle !== undefined)
          return { ok: false, reason: 'two addresses in one mailbox' }
        const end = angleEnd(text, at)
        if (end < 0) return { ok: false, reason: 'angle bracket without an end' }
        element.angle = text.slice(at + 1, end - 1).trim()
        at = end
        break
      }
      case '"': {
        const end = quoteEnd(text, at)
        if (end < 0) return { ok: false, reason: 'quote without an end' }
        if (element.angle !== undefined) return { ok: false, reason: 'text after the address' }
        element.phrase += text.slice(at + 1, end - 1).replace(/\\(.)/g, '$1')
        element.bare += text.slice(at, end)
        at = end
        break
      }
      case '>':
      case ')':
      case '\\':
        return { ok: false, reason: `unexpected ${char}` }
      default: {
        SPACES.lastIndex = at
        if (SPACES.test(text)) {
          at = SPACES.lastIndex
          if (element.phrase !== '') element.phrase += ' '
          if (element.bare !== '') element.bare += ' '
          break
        }
        WORD.lastIndex = at
        WORD.test(text)
        if (element.angle !== undefined) return { ok: false, reason: 'text after the address' }
        const word = text.slice(at, WORD.lastIndex)
        element.phrase += word
        element.bare += word
        at = WORD.lastIndex
      }
    }
    if (reason !== undefined) return { ok: false, reason }
  }
  if (inGroup) return { ok: false, reason: 'group without an end' }
  const reason = finish()
  return reason === undefined ? { ok: true, mailboxes } : { ok: false, reason }
}

/** Offset after the closing quote, or -1. */
function quoteEnd(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '"') return i + 1
  }
  return -1
}

function angleEnd(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '>') return i + 1
    if (text[i] === '"') {
      i = quoteEnd(text, i) - 1
      if (i < 0) return -1
    }
  }
  return -1
}

function commentEnd(text: string, start: number): number {
  let depth = 0
  for (let i = start; i < text.length; i++) {
    const char = text[i]
    if (char === '\\') i++
    else if (char === '(' && ++depth > MAX_COMMENT_DEPTH) return -1
    else if (char === ')' && --depth === 0) return i + 1
  }
  return -1
}

/** RFC 5322 §3.2.3 atoms with spaces between: needs no quotes. */
const ATOMS = /^[\w!#$%&'*+/=?^`{|}~-]+(?: [\w!#$%&'*+/=?^`{|}~-]+)*$/
const ASCII = /^[\x20-\x7e]*$/

/** `{name: 'Doe, Jane', …}` → `"Doe, Jane" <jane@example.com>`; names beyond ASCII become encoded words. */
export function formatMailbox(mailbox: Mailbox): string {
  const name = withoutControls(mailbox.name).trim()
  if (name === '') return mailbox.address
  if (!ASCII.test(name) || name.includes('=?')) return `${encodeWords(name)} <${mailbox.address}>`
  if (ATOMS.test(name)) return `${name} <${mailbox.address}>`
  return `"${name.replace(/["\\]/g, '\\$&')}" <${mailbox.address}>`
}
