/**
 * The installation's master key: 32 random bytes in a file only the owner may read. It never leaves this module
 * whole; everything else gets a key derived for one purpose (HKDF-SHA256, RFC 5869).
 */
import { hkdfSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../core/errors.ts'
import type { Random } from '../../core/ports.ts'

export type KeyPurpose = 'seal' | 'secret-hash' | 'return-path' | 'audit' | 'backup' | 'session' | 'token'

export interface MasterKey {
  /** 32 bytes, the same for the same purpose. */
  derive(purpose: KeyPurpose): Buffer
}

const KEY_BYTES = 32

/** Reads `master.key` in the data directory, or makes it (mode 0600) on first start. */
export function loadMasterKey(dataDir: string, random: Random): MasterKey {
  const file = join(dataDir, 'master.key')
  const secret = readKey(file) ?? createKey(file, random)
  return {
    derive: (purpose) =>
      Buffer.from(hkdfSync('sha256', secret, 'posthorn', `posthorn/${purpose}/1`, KEY_BYTES)),
  }
}

function readKey(file: string): Buffer | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const key = Buffer.from(text.trim(), 'hex')
  if (key.length !== KEY_BYTES)
    throw new AppError('CONFIG_INVALID', {
      public: `${file} does not hold a master key (64 hex digits). Restore it from a backup: without it sealed secrets cannot be read.`,
    })
  return key
}

function createKey(file: string, random: Random): Buffer {
  const key = random.bytes(KEY_BYTES)
  writeFileSync(file, `${key.toString('hex')}\n`, { mode: 0o600, flag: 'wx' })
  return key
}
