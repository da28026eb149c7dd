/**
 * The recovery key as a person keeps it: 256 bits and a check of 24 bits as 14 groups of four letters, in an alphabet
 * without I, L, O and U (Crockford's base32), so that it survives paper and telephone.
 */
import { createHash } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const KEY_BYTES = 32
const CHECK_BYTES = 3
/** 35 bytes are 56 letters of 5 bits without a rest. */
const LETTERS = ((KEY_BYTES + CHECK_BYTES) * 8) / 5

const checkOf = (key: Buffer): Buffer =>
  createHash('sha256').update('posthorn recovery key').update(key).digest().subarray(0, CHECK_BYTES)

/** `7M3K-…-0QZP`. */
export function formatRecoveryKey(key: Buffer): string {
  const bits = BigInt(`0x${Buffer.concat([key, checkOf(key)]).toString('hex')}`)
  const letters = Array.from({ length: LETTERS }, (_, i) => {
    const shift = BigInt(5 * (LETTERS - 1 - i))
    return ALPHABET[Number((bits >> shift) & 31n)]
  }).join('')
  return letters.replace(/.{4}(?=.)/g, '$&-')
}

/** Case, spaces and hyphens do not matter, O is 0, I and L are 1. Undefined when it is not a recovery key. */
export function parseRecoveryKey(text: string): Buffer | undefined {
  const letters = text.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1')
  if (letters.length !== LETTERS) return undefined
  let bits = 0n
  for (const letter of letters) {
    const digit = ALPHABET.indexOf(letter)
    if (digit < 0) return undefined
    bits = (bits << 5n) | BigInt(digit)
  }
  const bytes = Buffer.from(bits.toString(16).padStart((KEY_BYTES + CHECK_BYTES) * 2, '0'), 'hex')
  const key = bytes.subarray(0, KEY_BYTES)
  return checkOf(key).equals(bytes.subarray(KEY_BYTES)) ? key : undefined
}
