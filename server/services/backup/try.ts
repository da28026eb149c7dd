/**
 * Takes a backup apart into a folder and proves what comes out: that the file is whole and genuine, the database sound
 * and known to this program, every spool file there, and every sealed secret readable with the key inside.
 */
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createBrotliDecompress } from 'node:zlib'
import { AppError } from '../../core/errors.ts'
import { databaseFile } from '../../store/open.ts'
import { openSnapshot } from '../../store/snapshot.ts'
import type { Snapshot, SnapshotFacts } from '../../store/snapshot.ts'
import { masterKeyFile, masterKeyOf, parseKeyRing } from '../auth/master-key.ts'
import { makeOpener } from '../auth/seal.ts'
import { unpack } from './archive.ts'
import { decrypt } from './cipher.ts'
import type { BackupHeader } from './header.ts'
import type { Progress } from './make.ts'

export interface Tried {
  readonly header: BackupHeader
  readonly facts: SnapshotFacts
  readonly secrets: number
}

export interface TryOptions {
  readonly recoveryKey: Buffer
  /** Made here; holds a data directory afterwards. */
  readonly folder: string
  readonly durable: boolean
  readonly progress?: ((progress: Progress) => void) | undefined
}

const PAGE = 1_000

const damaged = (why: string, cause?: unknown): AppError =>
  new AppError('BACKUP_DAMAGED', { public: `The backup is not whole: ${why}.`, cause })

/** Throws BACKUP_DAMAGED, BACKUP_KEY_WRONG, or CONFIG_INVALID when a newer program has written it. */
export async function tryBackup(
  source: AsyncIterable<Buffer>,
  { recoveryKey, folder, durable, progress }: TryOptions,
): Promise<Tried> {
  const { header, content } = await decrypt(source, recoveryKey)
  mkdirSync(join(folder, 'spool'), { recursive: true, mode: 0o700 })
  const plain = createBrotliDecompress()
  const feeding = pipeline(Readable.from(content), plain)
  // Its failure arrives through the stream, too; this one only must not go unhandled.
  feeding.catch(() => undefined)
  try {
    await unpack(plain, {
      folder,
      durable,
      wrote: (done) => progress?.({ phase: 'unpack', done, total: undefined }),
    })
    await feeding
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    throw /^(?:Z_|ERR_(?:_|BROTLI))/.test(code)
      ? damaged('it cannot be decompressed', error)
      : error
  }
  progress?.({ phase: 'check', done: 0, total: undefined })
  return { header, ...inspect(folder) }
}

function inspect(folder: string): Omit<Tried, 'header'> {
  let snapshot: Snapshot
  try {
    statSync(databaseFile(folder))
    snapshot = openSnapshot(databaseFile(folder))
  } catch (cause) {
    throw damaged('its database cannot be opened', cause)
  }
  try {
    const facts = factsOf(snapshot)
    checkSpool(snapshot, folder)
    return { facts, secrets: checkSecrets(snapshot, folder) }
  } finally {
    snapshot.close()
  }
}

function factsOf(snapshot: Snapshot): SnapshotFacts {
  try {
    const damage = snapshot.damage()
    if (damage !== undefined) throw damaged(`its database is damaged: ${damage}`)
    return snapshot.facts()
  } catch (error) {
    throw error instanceof AppError ? error : damaged('its database cannot be read', error)
  }
}

function checkSpool(snapshot: Snapshot, folder: string): void {
  let after = ''
  for (;;) {
    const rows = snapshot.spool(after, PAGE)
    for (const { name, size } of rows) {
      const found = statSync(join(folder, 'spool', name), { throwIfNoEntry: false })?.size
      if (found !== size)
        throw damaged(
          found === undefined
            ? `the body ${name} is missing`
            : `the body ${name} has ${found} bytes instead of ${size}`,
        )
    }
    const last = rows.at(-1)
    if (last === undefined) return
    after = last.name
  }
}

/** Resolves with how many secrets there are. */
function checkSecrets(snapshot: Snapshot, folder: string): number {
  const ring = parseKeyRing(readText(masterKeyFile(folder)))
  if (ring === undefined) throw damaged('its master key is missing')
  const open = makeOpener(masterKeyOf(ring))
  let secrets = 0
  for (const { column, key, context, text } of snapshot.sealed()) {
    try {
      open(text, context)
    } catch (cause) {
      throw damaged(`${column} of row ${key} does not open with its master key`, cause)
    }
    secrets++
  }
  return secrets
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
