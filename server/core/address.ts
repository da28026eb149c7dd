/**
 * E-mail addresses and mail domains: the only place that makes an `EmailAddress` or a `DomainName`. Strict by
 * design: what passes here can be written into an SMTP command or a header without another look, so control
 * characters, CR, LF and IP literals never pass. It judges syntax only and asks no DNS.
 */
import { hash } from 'node:crypto'
import { domainToASCII } from 'node:url'

declare const brand: unique symbol
/** A lower-case host name of A-labels, with at least one dot and no trailing one. */
export type DomainName = string & { readonly [brand]: 'domain' }
/** `local@domain`; the local part as written, the domain as a `DomainName`. */
export type EmailAddress = string & { readonly [brand]: 'address' }

export interface ParsedAddress {
  readonly ok: true
  readonly address: EmailAddress
  readonly local: string
  readonly domain: DomainName
  /** The local part is not ASCII: the mail needs SMTPUTF8 (RFC 6531). */
  readonly utf8: boolean
}
export interface ParsedDomain {
  readonly ok: true
  readonly domain: DomainName
}
export interface SyntaxFault {
  readonly ok: false
  /** One phrase per rule, fit to be shown: `label longer than 63 octets`. */
  readonly reason: string
}

export interface AddressOptions {
  /** Accept UTF-8 local parts, RFC 6531. */
  readonly smtpUtf8?: boolean
  /** Accept quoted local parts, `"john doe"@example.com`. */
  readonly allowQuoted?: boolean
}

/** RFC 5321 §4.5.3.1, in octets. A path is at most 256 with its angle brackets, hence 254. */
export const ADDRESS_LIMITS = { local: 64, domain: 253, label: 63, address: 254 } as const

// C0, DEL, C1, the two Unicode line ends, and surrogates that stand alone.
const FORBIDDEN =
  /[\0-\x1f\x7f-\x9f\u2028\u2029]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/
const NOT_ASCII = /[^\0-\x7f]/
/** RFC 5321 §4.1.2 Dot-string; the second form takes any UTF-8 beyond ASCII (RFC 6531 §3.3). */
const DOT_ATOM = /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*$/
const DOT_ATOM_UTF8 =
  /^[\w!#$%&'*+/=?^`{|}~\x80-\uffff-]+(?:\.[\w!#$%&'*+/=?^`{|}~\x80-\uffff-]+)*$/
const QUOTED = /^"(?:[^"\\]|\\[\x20-\x7e])+"$/
const LETTERS_DIGITS_HYPHENS = /^[a-z0-9-]*$/

const fault = (reason: string): SyntaxFault => ({ ok: false, reason })

/**
 * Reads a mail domain. Unicode labels become A-labels (UTS 46, non-transitional); case is folded.
 * `Münster.Example` → `{ok: true, domain: 'xn--mnster-3ya.example'}`.
 */
export function parseDomain(text: string): ParsedDomain | SyntaxFault {
  if (text === '') return fault('empty domain')
  if (text.length > ADDRESS_LIMITS.domain) return fault('domain longer than 253 octets')
  if (FORBIDDEN.test(text)) return fault('control character')
  if (text.startsWith('[')) return fault('address literal instead of a domain')
  let domain = text.toLowerCase()
  if (NOT_ASCII.test(domain) || domain.includes('xn--')) {
    // domainToASCII is a URL host parser: it would decode `%41`, so ASCII is judged before it sees any.
    if (/[^a-z0-9.\x80-\uffff-]/.test(domain)) return fault('character not allowed in domain')
    domain = domainToASCII(domain)
    if (domain === '') return fault('not a valid internationalised domain')
    if (domain.length > ADDRESS_LIMITS.domain) return fault('domain longer than 253 octets')
  }
  const reason = labelsFault(domain)
  if (reason !== undefined) return fault(reason)
  // The brand: every rule above was checked.
  return { ok: true, domain: domain as DomainName }
}

function labelsFault(domain: string): string | undefined {
  let start = 0
  let last = ''
  let labels = 0
  while (start <= domain.length) {
    const dot = domain.indexOf('.', start)
    const end = dot < 0 ? domain.length : dot
    last = domain.slice(start, end)
    if (last === '') return 'empty label'
    if (last.length > ADDRESS_LIMITS.label) return 'label longer than 63 octets'
    if (!LETTERS_DIGITS_HYPHENS.test(last)) return 'character not allowed in domain'
    if (last.startsWith('-') || last.endsWith('-')) return 'label starts or ends with a hyphen'
    labels++
    start = end + 1
  }
  if (labels < 2) return 'domain without a dot'
  // RFC 3696 §2: no top-level domain is all digits; it would be an IPv4 address.
  return /^\d+$/.test(last) ? 'top-level domain is all digits' : undefined
}

/**
 * Reads one addr-spec, without display name, brackets or comments (RFC 5321 §4.1.2 with the limits of
 * §4.5.3.1). Never throws.
 */
export function parseAddress(
  text: string,
  options: AddressOptions = {},
): ParsedAddress | SyntaxFault {
  if (text === '') return fault('empty address')
  // No octet count is below the length, and this bounds the work on hostile input.
  if (text.length > 1024) return fault('address longer than 254 octets')
  if (FORBIDDEN.test(text)) return fault('control character')
  const at = text.lastIndexOf('@')
  if (at < 0) return fault('no @')
  const local = text.slice(0, at)
  const utf8 = NOT_ASCII.test(local)
  const reason = localFault(local, utf8, options)
  if (reason !== undefined) return fault(reason)

  const parsed = parseDomain(text.slice(at + 1))
  if (!parsed.ok) return parsed
  const { domain } = parsed
  const address = `${local}@${domain}`
  const octets = utf8 ? Buffer.byteLength(address) : address.length
  if (octets > ADDRESS_LIMITS.address) return fault('address longer than 254 octets')
  // The brand: every rule above was checked.
  return { ok: true, address: address as EmailAddress, local, domain, utf8 }
}

function localFault(local: string, utf8: boolean, options: AddressOptions): string | undefined {
  if (local === '' || local === '""') return 'empty local part'
  if (utf8 && options.smtpUtf8 !== true) return 'non-ASCII local part needs SMTPUTF8'
  const octets = utf8 ? Buffer.byteLength(local) : local.length
  if (octets > ADDRESS_LIMITS.local) return 'local part longer than 64 octets'
  if (local.startsWith('"')) {
    if (!QUOTED.test(local)) return 'badly quoted local part'
    return options.allowQuoted === true ? undefined : 'quoted local part'
  }
  if ((utf8 ? DOT_ATOM_UTF8 : DOT_ATOM).test(local)) return undefined
  if (local.startsWith('.') || local.endsWith('.')) return 'local part starts or ends with a dot'
  if (local.includes('..')) return 'two dots in a row in the local part'
  return 'character not allowed in local part'
}

/**
 * What logs above debug show instead of an address: `#1f0e9a3c@example.com`. The same address gives the same
 * mark, in any case, so lines can be put together. It hides from the eye, not from somebody who guesses.
 */
export function maskAddress(address: string): string {
  const mark = hash('sha256', address.toLowerCase(), 'hex').slice(0, 8)
  const at = address.lastIndexOf('@')
  const parsed = at < 0 ? undefined : parseDomain(address.slice(at + 1))
  return parsed?.ok === true ? `#${mark}@${parsed.domain}` : `#${mark}`
}
