/**
 * The installation's master key: a ring of versions, 32 random bytes each, in a file only the owner may read. It never
 * leaves this module whole, but for a backup; everything else gets a key derived for one purpose (HKDF-SHA256,
 * RFC 5869). The file holds one line per version, `1:<64 hex digits>`; 64 hex digits alone are version 1.
 */
import { hkdfSync } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { AppError } from '../../core/errors.ts'
import type { Random } from '../../core/ports.ts'

/**
 * Purpose → whether its key changes when the master key is rotated. What is only ever compared cannot be converted:
 * a hash of a secret we no longer have, a token that is out in somebody's mailbox, a chain that was written. These
 * stay with version 1, and a rotation does not help when version 1 itself has leaked.
 */
const ROTATES = {
  /** Secrets we must read again: DKIM keys, passwords of next hops, TOTP secrets. */
  seal: true,
  /** API keys, SMTP passwords, setup links. */
  'secret-hash': false,
  /** Signed return paths of mail that is under way. */
  'return-path': false,
  /** The chain of the audit log. */
  audit: false,
  /** The recovery key, which somebody keeps on paper. */
  backup: false,
  /** Session cookies. */
  session: false,
  /** One-time links and tokens in mail. */
  token: false,
} as const satisfies Record<string, boolean>
export type KeyPurpose = keyof typeof ROTATES

export interface MasterKey {
  /**
   * 32 bytes, the same for the same purpose and version. Without a version: the current one for what rotates,
   * version 1 for everything else. Throws INTERNAL for a version that is not in the file.
   */
  derive(purpose: KeyPurpose, version?: number): Buffer
  /** The version that new secrets are sealed with. */
  readonly current: number
  /** All that this process knows. */
  readonly versions: readonly number[]
  /** Those that the file held when it was read last. */
  readonly inFile: readonly number[]
  /** Reads the file again. What was read before stays known to this process, even when it is no longer in the file. */
  refresh(): void
}

/** Version → 32 bytes. */
export type KeyRing = ReadonlyMap<number, Buffer>

const KEY_BYTES = 32
const FIRST = 1

export const masterKeyFile = (dataDir: string): string => join(dataDir, 'master.key')

/** Reads `master.key` in the data directory, or makes it (mode 0600) on first start. */
export function loadMasterKey(dataDir: string, random: Random): MasterKey {
  const known = readMasterKey(dataDir)
  if (known !== undefined) return known
  writeKeyFile(masterKeyFile(dataDir), new Map([[FIRST, random.bytes(KEY_BYTES)]]))
  return loadMasterKey(dataDir, random)
}

/** Undefined when there is none yet. Throws CONFIG_INVALID when the file holds something else. */
export function readMasterKey(dataDir: string): MasterKey | undefined {
  const file = masterKeyFile(dataDir)
  const ring = readKeyFile(file)
  return ring === undefined ? undefined : masterKeyOf(ring, () => readKeyFile(file))
}

/** A key over a ring that is at hand, such as that of a backup. */
export function masterKeyOf(
  ring: KeyRing,
  reread: () => KeyRing | undefined = () => undefined,
): MasterKey {
  const keys = new Map(ring)
  let latest = ring
  const derived = new Map<string, Buffer>()
  return {
    get current() {
      return Math.max(...latest.keys())
    },
    get versions() {
      return sorted(keys)
    },
    get inFile() {
      return sorted(latest)
    },
    refresh() {
      const read = reread()
      if (read === undefined) return
      for (const [version, key] of read) keys.set(version, key)
      latest = read
    },
    derive(purpose, version = ROTATES[purpose] ? Math.max(...latest.keys()) : FIRST) {
      const info = `posthorn/${purpose}/${version}`
      const have = derived.get(info)
      if (have !== undefined) return have
      const secret = keys.get(version)
      if (secret === undefined)
        throw new AppError('INTERNAL', { detail: `master.key has no version ${version}.` })
      const key = Buffer.from(hkdfSync('sha256', secret, 'posthorn', info, KEY_BYTES))
      derived.set(info, key)
      return key
    },
  }
}

const sorted = (ring: KeyRing): readonly number[] => [...ring.keys()].sort((a, b) => a - b)

function readKeyFile(file: string): KeyRing | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const ring = parseKeyRing(text)
  if (ring !== undefined) return ring
  throw new AppError('CONFIG_INVALID', {
    public: `${file} does not hold a master key (one line "1:" and 64 hex digits for each version). Restore it from a backup: without it sealed secrets cannot be read.`,
  })
}

/** Undefined when the text is no key file, or one without version 1. */
export function parseKeyRing(text: string): KeyRing | undefined {
  const ring = new Map<number, Buffer>()
  for (const line of text.trim().split(/\s+/)) {
    const [, version = String(FIRST), hex] =
      /^(?:([1-9]\d{0,5}):)?([0-9a-f]{64})$/i.exec(line) ?? []
    if (hex === undefined || ring.has(Number(version))) return undefined
    ring.set(Number(version), Buffer.from(hex, 'hex'))
  }
  return ring.has(FIRST) ? ring : undefined
}

const formatKeyRing = (ring: KeyRing): string =>
  [...ring].map(([version, key]) => `${version}:${key.toString('hex')}\n`).join('')

/** Adds a version and returns its number. Throws STATE_CONFLICT while another process changes the file. */
export function addKeyVersion(dataDir: string, random: Random): number {
  return changeKeyFile(dataDir, (ring) => {
    const version = Math.max(...ring.keys()) + 1
    ring.set(version, random.bytes(KEY_BYTES))
    return version
  })
}

/** Takes a version out for good. The caller has made sure that nothing needs it. */
export function removeKeyVersion(dataDir: string, version: number): void {
  changeKeyFile(dataDir, (ring) => void ring.delete(version))
}

function changeKeyFile<T>(dataDir: string, change: (ring: Map<number, Buffer>) => T): T {
  const file = masterKeyFile(dataDir)
  return replaceFile(file, () => {
    const known = readKeyFile(file)
    if (known === undefined)
      throw new AppError('STATE_CONFLICT', { public: `There is no ${file} yet.` })
    const ring = new Map(known)
    const result = change(ring)
    return { text: formatKeyRing(ring), result }
  })
}

/** Writes a key file where there is none; one that another process made meanwhile stays. */
function writeKeyFile(file: string, ring: KeyRing): void {
  replaceFile(file, () => ({ text: formatKeyRing(readKeyFile(file) ?? ring), result: undefined }))
}

/**
 * The draft is made before the old content is read and takes its place by renaming, so it is a lock too: two that
 * change the file at a time would each forget the other's key, and with it whatever was sealed under it.
 */
function replaceFile<T>(file: string, content: () => { text: string; result: T }): T {
  const draft = `${file}.new`
  const handle = openDraft(draft)
  let result: T
  try {
    const made = content()
    result = made.result
    writeSync(handle, made.text)
    fsyncSync(handle)
    renameSync(draft, file)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  } finally {
    closeSync(handle)
  }
  syncFolder(dirname(file))
  return result
}

function openDraft(draft: string): number {
  try {
    return openSync(draft, 'wx', 0o600)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    throw new AppError('STATE_CONFLICT', {
      public: `Another process changes the master key just now. If none does, one was cut off: remove ${draft}.`,
    })
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
