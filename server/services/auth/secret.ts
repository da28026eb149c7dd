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

/** The first letters of the SHA-256 of all that stands before, in hex. */
const checkOf = (body: string): string =>
  createHash('sha256').update(body).digest('hex').slice(0, CHECK_LENGTH)

/** `ph_live_<secret><check>`: the check lets a leaked key be recognised without asking us. */
export function newApiKey(mode: KeyMode, random: Random): string {
  const body = `ph_${mode}_${newSecret(random)}`
  return body + checkOf(body)
}

/** For scanners that look for leaked secrets: what any of our keys looks like, wherever it stands. */
export const API_KEY_PATTERN = '\\bph_(?:live|test)_[a-z0-9]{32}[0-9a-f]{6}\\b'
const API_KEY = new RegExp(`^${API_KEY_PATTERN}$`)

/** Whether a text has the form of a key; cheap. The check is left to those who meet a key without the database. */
export const hasKeyForm = (text: string): boolean => API_KEY.test(text)

/** Whether the text is a key that an installation of Posthorn has made, by its form and its check. */
export const isApiKey = (text: string): boolean =>
  hasKeyForm(text) && text.endsWith(checkOf(text.slice(0, -CHECK_LENGTH)))

export interface FoundKey {
  readonly text: string
  readonly mode: KeyMode
  /** False: it only looks like one, or a letter of it is wrong. */
  readonly isGenuine: boolean
}

/** Everything in a text that looks like a key of ours, each once, in order. */
export function findApiKeys(text: string): readonly FoundKey[] {
  const found = new Set(text.match(new RegExp(API_KEY_PATTERN, 'g')))
  return [...found].map((key) => ({
    text: key,
    mode: key.startsWith('ph_live_') ? 'live' : 'test',
    isGenuine: isApiKey(key),
  }))
}

/** What the database keeps of a secret: HMAC-SHA256, hex. */
export const hashSecret = (secret: string, key: Buffer): string =>
  createHmac('sha256', key).update(secret).digest('hex')
