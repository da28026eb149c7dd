/**
 * Seals secrets for the database: AES-256-GCM under a derived key. The text says which format and which version of the
 * master key it needs: `s2.<version>.<base64url of nonce, tag, text>`. What a secret is for is bound to it, so that one
 * moved to another column does not open. Texts of the first format, `s1.…`, are of version 1 and bound to nothing.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { AppError } from '../../core/errors.ts'
import type { Random } from '../../core/ports.ts'
import type { MasterKey } from './master-key.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16
const CIPHER = 'aes-256-gcm'

/** What a sealed secret is for. */
export type SealContext = 'dkim' | 'next-hop' | 'totp'

export interface Seal {
  /** Under the current version of the master key. */
  seal(plain: string, context: SealContext): string
  /** Throws INTERNAL when the text was sealed for something else, under a key that is gone, or was altered. */
  open(sealed: string, context: SealContext): string
}

export function makeSeal(masterKey: MasterKey, random: Random): Seal {
  return {
    open: makeOpener(masterKey),
    seal(plain, context) {
      // Sealing is rare, and sealing with a version that was rotated out would keep that version alive.
      masterKey.refresh()
      const version = masterKey.current
      const nonce = random.bytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, masterKey.derive('seal', version), nonce)
      cipher.setAAD(Buffer.from(context))
      const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
      const bytes = Buffer.concat([nonce, cipher.getAuthTag(), body])
      return `s2.${version}.${bytes.toString('base64url')}`
    },
  }
}

/** Only the half of a seal that reads. */
export function makeOpener(masterKey: MasterKey): Seal['open'] {
  /** A version that this process has not seen was made by a rotation meanwhile. */
  function keyOf(version: number): Buffer {
    if (!masterKey.versions.includes(version)) masterKey.refresh()
    return masterKey.derive('seal', version)
  }
  return (sealed, context) => {
    const parts = partsOf(sealed)
    if (parts === undefined || parts.bytes.length < NONCE_BYTES + TAG_BYTES)
      throw new AppError('INTERNAL', { detail: 'A sealed secret is not of a known format.' })
    const { version, bytes, isBound } = parts
    const decipher = createDecipheriv(CIPHER, keyOf(version), bytes.subarray(0, NONCE_BYTES))
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    if (isBound) decipher.setAAD(Buffer.from(context))
    try {
      const body = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES))
      return Buffer.concat([body, decipher.final()]).toString('utf8')
    } catch (cause) {
      throw new AppError('INTERNAL', { detail: 'A sealed secret does not open.', cause })
    }
  }
}

function partsOf(sealed: string): { version: number; bytes: Buffer; isBound: boolean } | undefined {
  const [, first, version, second] =
    /^(?:s1\.([\w-]+)|s2\.([1-9]\d{0,5})\.([\w-]+))$/.exec(sealed) ?? []
  const text = first ?? second
  if (text === undefined) return undefined
  return {
    version: Number(version ?? 1),
    bytes: Buffer.from(text, 'base64url'),
    isBound: version !== undefined,
  }
}
