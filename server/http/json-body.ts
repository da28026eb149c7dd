/**
 * From the bytes of a body to its value. Refuses what would cost more than it is worth before it is built (nesting,
 * millions of values), and names that reach into the prototype of an object, wherever they stand.
 */
import { isUtf8 } from 'node:buffer'
import { AppError } from '../core/errors.ts'
import { isObject } from './json.ts'

export const JSON_LIMITS = {
  /** Arrays and objects inside each other. */
  depth: 64,
  /** Values in all. The largest batch with all its fields has fewer. */
  values: 1_000_000,
  /** Bytes below which no body can do harm: the parser takes a few ms for the worst of them. */
  unscanned: 64 * 1024,
} as const

const QUOTE = 34
const COMMA = 44
const BACKSLASH = 92

/** Throws BODY_NOT_JSON, BODY_INVALID for too much structure, and FIELD_UNKNOWN for a name that no object may have. */
export function parseJsonBody(body: Buffer): unknown {
  if (body.length === 0)
    throw new AppError('BODY_NOT_JSON', { public: 'The request body is empty.' })
  if (!isUtf8(body))
    throw new AppError('BODY_NOT_JSON', { public: 'The request body is not valid UTF-8.' })
  if (body.length > JSON_LIMITS.unscanned) refuseBomb(body)
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw new AppError('BODY_NOT_JSON', { cause: error, public: jsonFault(error) })
  }
  const path = forbiddenName(value, 1)
  if (path !== undefined)
    throw new AppError('FIELD_UNKNOWN', { fields: [{ path, message: 'does not exist' }] })
  return value
}

const tooDeep = (): AppError =>
  new AppError('BODY_INVALID', {
    public: `The request body is nested deeper than ${JSON_LIMITS.depth} levels.`,
  })

/**
 * Counts brackets and commas outside of strings. 50 MB of `[` take the parser eleven seconds and 1.5 GB; this takes
 * as long as it takes to see the 65th. Strings are skipped at the speed of memory, so mail costs nothing.
 */
function refuseBomb(body: Buffer): void {
  let depth = 0
  let values = 0
  for (let at = 0; at < body.length; at++) {
    const byte = body[at]!
    if (byte === QUOTE) {
      at = endOfString(body, at + 1)
      continue
    }
    // The brackets differ from the braces by one bit: 0x5b and 0x7b open, 0x5d and 0x7d close.
    const bracket = byte & 0xdf
    if (bracket === 0x5b) {
      values++
      if (++depth > JSON_LIMITS.depth) throw tooDeep()
    } else if (bracket === 0x5d) depth--
    else if (byte === COMMA) values++
  }
  if (values > JSON_LIMITS.values)
    throw new AppError('BODY_INVALID', {
      public: `The request body has more than ${JSON_LIMITS.values} values.`,
    })
}

/** Where the closing quote is; the length of the body when there is none. */
function endOfString(body: Buffer, from: number): number {
  let quote = body.indexOf(QUOTE, from)
  for (; quote >= 0; quote = body.indexOf(QUOTE, quote + 1)) {
    let slashes = 0
    while (body[quote - 1 - slashes] === BACKSLASH) slashes++
    if (slashes % 2 === 0) return quote
  }
  return body.length
}

/**
 * The path of a name that would reach a prototype if somebody copied the object carelessly: `__proto__`, and
 * `constructor` with a `prototype` in it. JSON.parse makes them properties like any other, so here they still are.
 */
function forbiddenName(value: unknown, depth: number): string | undefined {
  if (depth > JSON_LIMITS.depth) throw tooDeep()
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i]
      if (typeof item !== 'object' || item === null) continue
      const below = forbiddenName(item, depth + 1)
      if (below !== undefined) return `${i}/${below}`
    }
    return undefined
  }
  if (!isObject(value)) return undefined
  // Not by entries: these are five times as slow, and this is on the way of every mail.
  for (const name of Object.keys(value)) {
    const item = value[name]
    if (name === '__proto__') return name
    if (typeof item !== 'object' || item === null) continue
    if (name === 'constructor' && Object.hasOwn(item, 'prototype')) return name
    const below = forbiddenName(item, depth + 1)
    if (below !== undefined) return `${name}/${below}`
  }
  return undefined
}

/** The parser's place of error without the text it quotes: that may hold addresses. */
function jsonFault(error: unknown): string {
  const place =
    error instanceof Error
      ? /at position \d+(?: \(line \d+ column \d+\))?/.exec(error.message)
      : null
  return `The request body is not valid JSON${place === null ? '' : ` ${place[0]}`}.`
}
