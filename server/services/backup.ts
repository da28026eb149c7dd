/**
 * A backup is a folder: the database (a consistent copy made while mail flows), the spool files it names, the master
 * key, and a manifest. Restoring checks all of it before it touches the data directory.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'
import { databaseFile } from '../store/open.ts'
import { copyDatabase, inspectDatabase } from '../store/snapshot.ts'
import type { SnapshotFacts } from '../store/snapshot.ts'

const MANIFEST = 'manifest.json'
const KEY = 'master.key'
const SPOOL = 'spool'

export interface BackupReport extends Omit<SnapshotFacts, 'spool'> {
  readonly folder: string
  readonly spoolFiles: number
}

/** Makes `<target>/posthorn-<time>/` and proves it readable. Throws AppError or the system's error. */
export function makeBackup(dataDir: string, target: string, clock: Clock): BackupReport {
  const stamp = new Date(clock.now()).toISOString().replaceAll(/[:.]/g, '-')
  const folder = join(target, `posthorn-${stamp}`)
  mkdirSync(join(folder, SPOOL), { recursive: true, mode: 0o700 })
  // Files before the database: what retention removes in between is no longer named by any row, and what comes in
  // between is too young for it.
  // An installation that never ran has no spool yet.
  const spool = join(dataDir, SPOOL)
  const names = existsSync(spool) ? readdirSync(spool) : []
  const early = new Set(names.filter((name) => tryCopy(name)))
  copyDatabase(databaseFile(dataDir), databaseFile(folder))
  const facts = inspectDatabase(databaseFile(folder))
  for (const { name } of facts.spool)
    if (!early.delete(name)) copyDurably(join(dataDir, SPOOL, name), join(folder, SPOOL, name))
  for (const name of early) rmSync(join(folder, SPOOL, name))
  copyDurably(join(dataDir, KEY), join(folder, KEY))
  const report = reportOf(folder, facts)
  // Last: a folder without it is a backup that was cut off.
  writeFileSync(join(folder, MANIFEST), `${JSON.stringify(report, null, 2)}\n`, {
    mode: 0o600,
    flush: true,
  })
  for (const path of [join(folder, SPOOL), folder]) sync(path)
  return report

  function tryCopy(name: string): boolean {
    try {
      copyDurably(join(dataDir, SPOOL, name), join(folder, SPOOL, name))
      return true
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
      throw error
    }
  }
}

/** What a backup holds; throws CONFIG_INVALID when it is not whole. */
export function inspectBackup(folder: string): BackupReport {
  const broken = (why: string, cause?: unknown): AppError =>
    new AppError('CONFIG_INVALID', { public: why, cause })
  if (!existsSync(join(folder, MANIFEST)))
    throw broken(`${folder} has no ${MANIFEST}: it is no backup, or one that was cut off.`)
  const facts = attempt(
    () => inspectDatabase(databaseFile(folder)),
    (cause) => broken(`The database in ${folder} is missing or damaged.`, cause),
  )
  const lost = facts.spool.filter(
    ({ name, size }) =>
      statSync(join(folder, SPOOL, name), { throwIfNoEntry: false })?.size !== size,
  )
  if (lost.length > 0)
    throw broken(
      `${lost.length} spool files in ${folder} are missing or cut short, ${lost[0]?.name ?? ''} among them.`,
    )
  const key = attempt(
    () => readFileSync(join(folder, KEY), 'utf8').trim(),
    (cause) => broken(`${folder} holds no master key.`, cause),
  )
  if (key.length !== 64) throw broken(`${folder} holds no usable master key.`)
  return reportOf(folder, facts)
}

function attempt<T>(work: () => T, explain: (cause: unknown) => AppError): T {
  try {
    return work()
  } catch (cause) {
    throw explain(cause)
  }
}

/**
 * Puts a backup into an empty or new data directory; what is there goes aside to `<dataDir>.before-restore-<time>`
 * when `replace` is given. The server must not run.
 */
export function restoreBackup(
  folder: string,
  dataDir: string,
  options: { replace: boolean; clock: Clock },
): BackupReport {
  const report = inspectBackup(folder)
  if (existsSync(dataDir) && readdirSync(dataDir).length > 0) {
    if (!options.replace)
      throw new AppError('STATE_CONFLICT', {
        public: `${dataDir} is not empty. Restore elsewhere, or let its content be moved aside with --replace.`,
      })
    renameSync(dataDir, `${dataDir}.before-restore-${options.clock.now()}`)
  }
  mkdirSync(join(dataDir, SPOOL), { recursive: true, mode: 0o700 })
  for (const name of readdirSync(join(folder, SPOOL)))
    copyDurably(join(folder, SPOOL, name), join(dataDir, SPOOL, name))
  copyDurably(join(folder, KEY), join(dataDir, KEY))
  // Last and by renaming: a restore that is cut off leaves no database that a server would start on.
  const draft = `${databaseFile(dataDir)}.restoring`
  copyDurably(databaseFile(folder), draft)
  renameSync(draft, databaseFile(dataDir))
  for (const path of [join(dataDir, SPOOL), dataDir]) sync(path)
  return report
}

/** A backup that is reported is on the disk, not only in its cache. */
function copyDurably(from: string, to: string): void {
  copyFileSync(from, to)
  sync(to)
}

function sync(path: string): void {
  const handle = openSync(path, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

const reportOf = (folder: string, facts: SnapshotFacts): BackupReport => ({
  folder,
  messages: facts.messages,
  deliveries: facts.deliveries,
  schema: facts.schema,
  spoolFiles: facts.spool.length,
})
