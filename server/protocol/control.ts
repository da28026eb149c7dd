/**
 * The X-Posthorn-* header fields by which an SMTP client says what an API client says in JSON: tags, metadata,
 * stream, time and idempotency key. They are read once at submission and never leave with the mail.
 */
import type { ErrorCode } from '../core/errors.ts'
import type { Stream } from '../core/work.ts'

export interface Control {
  readonly tags: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  readonly stream: Stream | undefined
  /** Epoch ms. */
  readonly sendAt: number | undefined
  readonly idempotencyKey: string | undefined
}
export interface Refusal {
  readonly ok: false
  readonly code: ErrorCode
  /** Fit to be shown to the client. */
  readonly text: string
  /** RFC 3463 code for an SMTP reply. */
  readonly enhanced: string
}

export const CONTROL_PREFIX = 'x-posthorn-'
export const CONTROL_LIMITS = {
  tags: 10,
  tagLength: 128,
  metadataKeys: 50,
  metadataKeyLength: 64,
  metadataValueLength: 1024,
} as const
export const NO_CONTROL: Control = {
  tags: [],
  metadata: {},
  stream: undefined,
  sendAt: undefined,
  idempotencyKey: undefined,
}

const refuse = (code: ErrorCode, text: string): Refusal => ({
  ok: false,
  code,
  text,
  enhanced: '5.6.0',
})
const invalid = (text: string): Refusal => refuse('HEADER_INVALID', text)

/**
 * Reads `[lower-case name, decoded value]` pairs. X-Posthorn-Tag and -Metadata may be repeated, the others not.
 * Unknown names are passed over: they may come from another installation the mail went through.
 */
export function readControl(
  pairs: readonly (readonly [string, string])[],
): { readonly ok: true; readonly control: Control } | Refusal {
  const tags = new Set<string>()
  const metadata = new Map<string, string>()
  const single = new Map<string, string>()
  for (const [name, value] of pairs) {
    switch (name) {
      case 'x-posthorn-tag':
        for (const tag of value.split(',')) if (tag.trim() !== '') tags.add(tag.trim())
        break
      case 'x-posthorn-metadata': {
        const reason = addMetadata(metadata, value)
        if (reason !== undefined) return invalid(`X-Posthorn-Metadata: ${reason}.`)
        break
      }
      case 'x-posthorn-stream':
      case 'x-posthorn-send-at':
      case 'x-posthorn-idempotency-key':
        if (single.has(name)) return invalid(`More than one ${name} field.`)
        single.set(name, value)
        break
    }
  }
  const reason = tagsFault(tags) ?? metadataFault(metadata)
  if (reason !== undefined) return invalid(reason)

  const stream = single.get('x-posthorn-stream')?.toLowerCase()
  if (stream !== undefined && stream !== 'transactional' && stream !== 'bulk') {
    return refuse('STREAM_UNKNOWN', 'X-Posthorn-Stream: this stream does not exist.')
  }
  const sendAtText = single.get('x-posthorn-send-at')
  const sendAt = sendAtText === undefined ? undefined : parseInstant(sendAtText)
  if (sendAtText !== undefined && sendAt === undefined) {
    return refuse('SEND_AT_INVALID', 'X-Posthorn-Send-At: not an RFC 3339 time or epoch seconds.')
  }
  const idempotencyKey = single.get('x-posthorn-idempotency-key')
  if (idempotencyKey !== undefined && !/^[!-~]{1,255}$/.test(idempotencyKey)) {
    return refuse(
      'IDEMPOTENCY_KEY_INVALID',
      'X-Posthorn-Idempotency-Key: not 1 to 255 visible ASCII characters.',
    )
  }
  return {
    ok: true,
    // fromEntries defines properties, so a key named __proto__ is just a key.
    control: {
      tags: [...tags],
      metadata: Object.fromEntries(metadata),
      stream,
      sendAt,
      idempotencyKey,
    },
  }
}

/** A JSON object of strings, or one `key=value`. */
function addMetadata(metadata: Map<string, string>, value: string): string | undefined {
  if (!value.startsWith('{')) {
    const equals = value.indexOf('=')
    if (equals < 1) return 'neither a JSON object nor key=value'
    metadata.set(value.slice(0, equals).trim(), value.slice(equals + 1).trim())
    return undefined
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(value)
  } catch {
    return 'not valid JSON'
  }
  if (typeof parsed !== 'object' || parsed === null) return 'not a JSON object'
  for (const [key, entry] of Object.entries(parsed)) {
    if (typeof entry !== 'string') return `the value of ${JSON.stringify(key)} is not a string`
    metadata.set(key, entry)
  }
  return undefined
}

function tagsFault(tags: ReadonlySet<string>): string | undefined {
  if (tags.size > CONTROL_LIMITS.tags) return `More than ${CONTROL_LIMITS.tags} tags.`
  for (const tag of tags) {
    if (tag.length > CONTROL_LIMITS.tagLength) {
      return `A tag is longer than ${CONTROL_LIMITS.tagLength} characters.`
    }
  }
  return undefined
}

function metadataFault(metadata: ReadonlyMap<string, string>): string | undefined {
  if (metadata.size > CONTROL_LIMITS.metadataKeys) {
    return `More than ${CONTROL_LIMITS.metadataKeys} metadata keys.`
  }
  for (const [key, value] of metadata) {
    if (key === '' || key.length > CONTROL_LIMITS.metadataKeyLength) {
      return `A metadata key is empty or longer than ${CONTROL_LIMITS.metadataKeyLength} characters.`
    }
    if (value.length > CONTROL_LIMITS.metadataValueLength) {
      return `A metadata value is longer than ${CONTROL_LIMITS.metadataValueLength} characters.`
    }
  }
  return undefined
}

/** RFC 3339 date-time or epoch seconds → epoch ms. */
function parseInstant(text: string): number | undefined {
  if (/^\d{9,11}(?:\.\d{1,3})?$/.test(text)) return Math.round(Number(text) * 1000)
  if (!/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i.test(text))
    return undefined
  const at = Date.parse(text.toUpperCase())
  // Date.parse turns 31 February into March.
  const day = new Date(Date.parse(`${text.slice(0, 10)}T00:00:00Z`)).getUTCDate()
  return Number.isNaN(at) || day !== Number(text.slice(8, 10)) ? undefined : at
}
