/**
 * One header field made fit for a 7-bit path: raw 8-bit becomes encoded words, RFC 2231 or percent-encoding, whatever
 * its grammar allows; lines over 998 octets are folded. A UTF-8 address has no ASCII form and is left to SMTPUTF8.
 */
import { encodeWords, decodeWords } from './encoded-word.ts'
import { fieldText, foldLine, type Field, type Header } from './header.ts'
import { formatMailbox, parseMailboxes } from './mailbox.ts'
import { formatParameterised, parseParameterised } from './parameters.ts'

const ADDRESSES = /^(?:resent-)?(?:from|sender|to|cc|bcc|reply-to)$/
const PARAMETERS = /^content-(?:type|disposition)$/
const URLS = /^list-|^feedback-|^archived-at$/
/** Fields whose grammar has no place for an encoded word (RFC 2047 §5). */
const TOKENS =
  /^(?:received|return-path|(?:resent-)?(?:message-id|date)|in-reply-to|references|mime-version|content-(?:id|transfer-encoding)|dkim-.*|arc-.*|authentication-results|received-spf|auto-submitted|precedence)$/

const NOT_ASCII = /[^\0-\x7f]/
const NOT_ASCII_RUN = /[^\0-\x7f]+/g

/** The field with its CRLF in ASCII, folded at 78; undefined when there is no such form. */
export function asciiField(header: Header, field: Field): string | undefined {
  const name = header.text.slice(field.start, field.value - 1)
  const value = fieldText(header, field)
  const ascii = asciiValue(field.name, value)
  return ascii === undefined ? undefined : foldLine(`${name}: ${ascii}`)
}

function asciiValue(name: string, value: string): string | undefined {
  if (ADDRESSES.test(name)) {
    const list = parseMailboxes(value, { allowQuoted: true })
    // A lone empty group has nobody to write; it is left as it was.
    if (!list.ok || list.mailboxes.length === 0) return undefined
    return list.mailboxes.map(formatMailbox).join(', ')
  }
  if (!NOT_ASCII.test(value)) return value
  if (PARAMETERS.test(name)) return formatParameterised(parseParameterised(value))
  if (URLS.test(name)) return value.replace(NOT_ASCII_RUN, (run) => encodeURIComponent(run))
  if (TOKENS.test(name)) return value.replace(NOT_ASCII_RUN, '?')
  return encodeWords(decodeWords(value))
}
