/** Seals secrets for the database: AES-256-GCM under a derived key; the text says which format it is. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { AppError } from '../../core/errors.ts'
import type { Random } from '../../core/ports.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16
const FORMAT = 's1.'

export interface Seal {
  seal(plain: string): string
  /** Throws INTERNAL when the text was sealed under another key or was altered. */
  open(sealed: string): string
}

export function makeSeal(key: Buffer, random: Random): Seal {
  return {
    seal(plain) {
      const nonce = random.bytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', key, nonce)
      const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
      return FORMAT + Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')
    },
    open(sealed) {
      const bytes = Buffer.from(sealed.slice(FORMAT.length), 'base64url')
      if (!sealed.startsWith(FORMAT) || bytes.length < NONCE_BYTES + TAG_BYTES)
        throw new AppError('INTERNAL', { detail: 'A sealed secret is not of a known format.' })
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES))
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
      try {
        const body = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES))
        return Buffer.concat([body, decipher.final()]).toString('utf8')
      } catch (cause) {
        throw new AppError('INTERNAL', { detail: 'A sealed secret does not open.', cause })
      }
    },
  }
}
