/** The header of a request to a stranger's host: nothing in it may end its line, and nothing secret may change hosts. */
import { failure } from './fault.ts'
import type { FetchFailure } from './fault.ts'

export type RequestHeader = Readonly<Record<string, string>>

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** RFC 9110 §5.5, without the octets above ASCII, which arrive as something else in half of the world. */
const VALUE = /^[\t\x20-\x7e]*$/
const MAX_FIELDS = 50
const MAX_CHARS = 8_192

/** They frame the message or say who is spoken to: ours alone. */
const RESERVED: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** What may follow a redirect to another origin. All else could be a credential, whatever its name. */
const HARMLESS: ReadonlySet<string> = new Set(['accept', 'content-type', 'user-agent'])

/** Undefined when the fields may be sent. */
export function headerProblem(header: RequestHeader): FetchFailure | undefined {
  const fields = Object.entries(header)
  let chars = 0
  for (const [name, value] of fields) {
    chars += name.length + value.length
    if (!TOKEN.test(name)) return failure('bad-header', 'a field name that is no token')
    if (RESERVED.has(name.toLowerCase())) return failure('bad-header', `${name} cannot be set`)
    if (!VALUE.test(value)) {
      return failure('bad-header', `${name} has a line break, a control or a non-ASCII character`)
    }
  }
  if (fields.length > MAX_FIELDS || chars > MAX_CHARS) {
    return failure('bad-header', 'too many or too long fields')
  }
  return undefined
}

/** What a redirect leaves of the fields: to another origin (`crossing`) only harmless ones. */
export const fieldsFor = (
  header: RequestHeader,
  { crossing, bodiless }: { readonly crossing: boolean; readonly bodiless: boolean },
): RequestHeader =>
  Object.fromEntries(
    Object.entries(header).filter(([name]) => {
      const plain = name.toLowerCase()
      if (bodiless && plain === 'content-type') return false
      return !crossing || HARMLESS.has(plain)
    }),
  )
