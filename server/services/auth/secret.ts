/**
 * Secrets we hand out: API keys, SMTP passwords, setup tokens. They are random enough (160 bits) for a fast keyed
 * hash, so checking one costs microseconds and a stolen database opens nothing.
 */
import { createHash, createHmac } from 'node:crypto'
import type { Random } from '../../core/ports.ts'

const CHECK_LENGTH = 6

export type KeyMode = 'live' | 'test'

/** A lower-case base32-like word of 32 letters. */
export const newSecret = (random: Random): string => {
  const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789'
  return [...random.bytes(32)].map((byte) => alphabet[byte % 32]!).join('')
}

const checkOf = (body: string): string =>
  createHash('sha256').update(body).digest('hex').slice(0, CHECK_LENGTH)

/** `ph_live_<secret><check>`: the check lets a leaked key be recognised without asking us. */
export function newApiKey(mode: KeyMode, random: Random): string {
  const body = `ph_${mode}_${newSecret(random)}`
  return body + checkOf(body)
}

/** Whether the text can be one of our keys at all; false saves the look-up. */
export function isApiKey(text: string): boolean {
  const body = text.slice(0, -CHECK_LENGTH)
  return /^ph_(?:live|test)_[a-z0-9]{32}$/.test(body) && text.endsWith(checkOf(body))
}

/** What the database keeps of a secret: HMAC-SHA256, hex. */
export const hashSecret = (secret: string, key: Buffer): string =>
  createHmac('sha256', key).update(secret).digest('hex')
