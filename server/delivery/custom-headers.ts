/**
 * Header fields that a client adds to a message. Fields that the platform, the transport or a field of the request
 * owns are refused, so that each can be there only once and only true; so is anything that could start a new line.
 */
import { AppError } from '../core/errors.ts'
import type { FieldError } from '../core/errors.ts'
import { fieldNameFault, fieldValueFault } from '../protocol/header.ts'

/** Written from the request, by the transport, or by an authentication step. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'from',
  'sender', // shown by readers as the true author
  'to',
  'cc',
  'bcc',
  'reply-to',
  'subject',
  'date',
  'message-id',
  'mime-version',
  'received',
  'received-spf',
  'return-path',
  'delivered-to',
  'dkim-signature',
  'domainkey-signature',
  'authentication-results',
])
const FORBIDDEN_FAMILIES = /^(?:content|resent|arc)-/
/** Read by machines that know no encoded words (RFC 2047 §5): their values must be ASCII. */
const ASCII_ONLY =
  /^(?:list-.*|in-reply-to|references|feedback-id|cfbl-.*|auto-submitted|precedence)$/
const NOT_ASCII = /[^\0-\x7f]/

/**
 * Checks the `headers` object of a request and returns its entries. Throws AppError HEADER_FORBIDDEN or
 * HEADER_INVALID with one entry in `fields` (`headers/<name>`) per field that cannot be sent.
 */
export function checkCustomHeaders(
  headers: Readonly<Record<string, string>>,
): readonly (readonly [name: string, value: string])[] {
  const entries = Object.entries(headers)
  if (entries.length === 0) return entries
  const forbidden: FieldError[] = []
  const invalid: FieldError[] = []
  const seen = new Set<string>()
  for (const [name, value] of entries) {
    const path = `headers/${name}`
    const lower = name.toLowerCase()
    const fault = entryFault(lower, value)
    if (FORBIDDEN.has(lower) || FORBIDDEN_FAMILIES.test(lower)) {
      forbidden.push({ path, message: 'cannot be set by the client' })
    } else if (fault !== undefined) invalid.push({ path, message: fault })
    else if (seen.has(lower)) invalid.push({ path, message: 'is given twice' })
    seen.add(lower)
  }
  if (forbidden.length > 0) {
    throw new AppError('HEADER_FORBIDDEN', { fields: [...forbidden, ...invalid] })
  }
  if (invalid.length > 0) throw new AppError('HEADER_INVALID', { fields: invalid })
  return entries
}

function entryFault(name: string, value: string): string | undefined {
  if (value.trim() === '') return 'has no value'
  if (NOT_ASCII.test(value) && ASCII_ONLY.test(name)) return 'must be ASCII'
  return fieldNameFault(name) ?? fieldValueFault(value)
}
