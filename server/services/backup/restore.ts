/**
 * Puts a backup into a data directory. It is taken apart and proved beside what is there; only then does the old data
 * go aside and the new take its place, by renaming. Renaming stays inside the directory, because a data directory is
 * often the root of a volume of its own.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../../core/errors.ts'
import { databaseFile } from '../../store/open.ts'
import { isDatabaseInUse } from '../../store/snapshot.ts'
import { acquireInstanceLock } from '../instance-lock.ts'
import type { Progress } from './make.ts'
import { tryBackup } from './try.ts'
import type { Tried } from './try.ts'

export interface RestoreOptions {
  readonly dataDir: string
  readonly recoveryKey: Buffer
  /** Move aside what is there. */
  readonly replace: boolean
  /** Epoch ms; goes into the name of what is put aside. */
  readonly now: number
  readonly progress?: (progress: Progress) => void
}

export interface Restored extends Tried {
  /** Where the old data went; undefined when there was none. */
  readonly aside: string | undefined
}

/** What a restore replaces. Certificates, backups and whatever else is there stay. */
const REPLACED = /^(?:posthorn\.sqlite(?:-wal|-shm)?|master\.key|spool)$/

/** The data that a restore would put aside. */
const present = (dataDir: string): readonly string[] =>
  existsSync(dataDir) ? readdirSync(dataDir).filter((name) => REPLACED.test(name)) : []

/** Takes the backup apart, proves it, and leaves no trace. Throws what `tryBackup` throws. */
export async function rehearseRestore(
  source: AsyncIterable<Buffer>,
  { dataDir, recoveryKey, progress }: Pick<RestoreOptions, 'dataDir' | 'recoveryKey' | 'progress'>,
): Promise<Tried & { readonly replaces: boolean }> {
  const folder = mkdtempSync(join(existsSync(dataDir) ? dataDir : tmpdir(), 'rehearsal-'))
  try {
    const tried = await tryBackup(source, { recoveryKey, folder, durable: false, progress })
    return { ...tried, replaces: present(dataDir).length > 0 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * Throws STATE_CONFLICT while anything works on the data directory, or when it holds data and `replace` is not given;
 * otherwise what `tryBackup` throws. Until the backup has proved itself nothing is touched.
 */
export async function restoreBackup(
  source: AsyncIterable<Buffer>,
  options: RestoreOptions,
): Promise<Restored> {
  const { dataDir, recoveryKey, progress } = options
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const lock = acquireInstanceLock(dataDir)
  if ('heldBy' in lock)
    throw new AppError('STATE_CONFLICT', {
      public: `A server (process ${lock.heldBy}) works on ${dataDir}. Stop it first.`,
    })
  const staging = join(dataDir, `restoring-${options.now}`)
  try {
    refuse(options)
    const tried = await tryBackup(source, { recoveryKey, folder: staging, durable: true, progress })
    refuse(options)
    return { ...tried, aside: swap(dataDir, staging, options.now) }
  } finally {
    rmSync(staging, { recursive: true, force: true })
    lock.release()
  }
}

function refuse({ dataDir, replace }: RestoreOptions): void {
  if (present(dataDir).length === 0) return
  if (!replace)
    throw new AppError('STATE_CONFLICT', {
      public: `There is data in ${dataDir}. Restore elsewhere, or let it be moved aside with --replace.`,
    })
  const file = databaseFile(dataDir)
  if (existsSync(file) && isDatabaseInUse(file))
    throw new AppError('STATE_CONFLICT', {
      public: `Another process works on the database in ${dataDir}. Stop it first.`,
    })
}

/** The database goes first and comes last: a swap that is cut off leaves none that a server would take for whole. */
function swap(dataDir: string, staging: string, now: number): string | undefined {
  sync(join(staging, 'spool'))
  sync(staging)
  const old = [...present(dataDir)].sort((a, b) => rank(a) - rank(b))
  const aside = join(dataDir, `before-restore-${now}`)
  if (old.length > 0) mkdirSync(aside, { mode: 0o700 })
  for (const name of old) renameSync(join(dataDir, name), join(aside, name))
  for (const name of ['spool', 'master.key', 'posthorn.sqlite'])
    renameSync(join(staging, name), join(dataDir, name))
  if (old.length > 0) sync(aside)
  sync(dataDir)
  return old.length > 0 ? aside : undefined
}

const rank = (name: string): number => (name.startsWith('posthorn.sqlite') ? name.length : 100)

function sync(path: string): void {
  const handle = openSync(path, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
