/**
 * The envelope sender of each delivery (VERP): `b+<token>@bounce.example.com`. A bounce that comes back names its delivery
 * by a signed token, so that nobody can make up bounces for mail of others. The token uses one case only, because
 * remote systems fold it, and carries its key's generation and day of issue, so that keys can change and tokens age.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { ID_EPOCH } from '../core/ids.ts'

export interface ReturnPathRequest {
  /** Key of the delivery row. */
  readonly delivery: number
  /** What the address is for, 0 to 255, in the caller's numbering; 0 when left out. */
  readonly kind?: number
  /** One char of the token alphabet that names `key`; '0', the first key, when left out. */
  readonly generation?: string
  /** At least 16 bytes. */
  readonly key: Buffer
  readonly domain: string
  /** Epoch ms. */
  readonly now: number
}

export type ReturnPathFault = 'not-ours' | 'malformed' | 'unknown-key' | 'forged' | 'too-old'
export type ReturnPath =
  | {
      readonly ok: true
      readonly delivery: number
      readonly kind: number
      /** Midnight UTC of the day of issue, epoch ms. */
      readonly issuedAt: number
    }
  | { readonly ok: false; readonly reason: ReturnPathFault }

/** Bounces come within days; complaints about old mail may take months. */
export const RETURN_PATH_MAX_AGE_DAYS = 90

export const FIRST_GENERATION = '0'
const PREFIX = 'b+'
const DAY_MS = 86_400_000
// Crockford's, lower case, as in core/ids.ts: digits and letters only, which every mail system leaves whole.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
/** Generation 1, kind 2, day 3 (89 years), delivery 11 (53 bits), MAC 16 (80 bits). */
const SIGNED_LENGTH = 17
const TOKEN = /^[0-9a-hjkmnp-tv-z]{33}$/

/** Local part of 35 chars. About 3 µs, nearly all of it the HMAC. */
export function makeReturnPath(request: ReturnPathRequest): string {
  const { delivery, kind = 0, generation = FIRST_GENERATION, key, domain, now } = request
  const day = Math.floor((now - ID_EPOCH) / DAY_MS)
  const signed = generation + encode(kind, 2) + encode(day, 3) + encode(delivery, 11)
  return `${PREFIX}${signed}${mac(signed, key)}@${domain}`
}

/**
 * Reads the local part of a bounce's recipient, in any case. `keys` maps generations to keys. Never throws; nothing of
 * the token is believed before its MAC was checked.
 */
export function readReturnPath(
  local: string,
  keys: ReadonlyMap<string, Buffer>,
  now: number,
): ReturnPath {
  const folded = local.toLowerCase()
  if (!folded.startsWith(PREFIX)) return { ok: false, reason: 'not-ours' }
  const token = folded.slice(PREFIX.length)
  if (!TOKEN.test(token)) return { ok: false, reason: 'malformed' }
  const key = keys.get(token[0]!)
  if (key === undefined) return { ok: false, reason: 'unknown-key' }
  const signed = token.slice(0, SIGNED_LENGTH)
  const expected = Buffer.from(mac(signed, key), 'latin1')
  if (!timingSafeEqual(expected, Buffer.from(token.slice(SIGNED_LENGTH), 'latin1'))) {
    return { ok: false, reason: 'forged' }
  }
  const issuedAt = ID_EPOCH + decode(token.slice(3, 6)) * DAY_MS
  if (now - issuedAt > (RETURN_PATH_MAX_AGE_DAYS + 1) * DAY_MS) {
    return { ok: false, reason: 'too-old' }
  }
  const kind = decode(token.slice(1, 3))
  return { ok: true, delivery: decode(token.slice(6, SIGNED_LENGTH)), kind, issuedAt }
}

/** HMAC-SHA-256 cut to 80 bits. The label keeps other uses of the same key apart. */
function mac(signed: string, key: Buffer): string {
  const digest = createHmac('sha256', key).update(`return-path:${signed}`, 'latin1').digest()
  return encode(digest.readUIntBE(0, 5), 8) + encode(digest.readUIntBE(5, 5), 8)
}

function encode(value: number, width: number): string {
  let text = ''
  let rest = value
  for (let i = 0; i < width; i++) {
    text = ALPHABET[rest % 32]! + text
    rest = Math.floor(rest / 32)
  }
  return text
}

function decode(text: string): number {
  let value = 0
  for (const char of text) value = value * 32 + ALPHABET.indexOf(char)
  return value
}
