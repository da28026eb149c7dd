/**
 * A backup is a folder: the database (a consistent copy made while mail flows), the spool files it names, the master
 * key, and a manifest. Restoring checks all of it before it touches the data directory.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
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
  copyDatabase(databaseFile(dataDir), databaseFile(folder))
  const facts = inspectDatabase(databaseFile(folder))
  for (const name of facts.spool)
    copyFileSync(join(dataDir, SPOOL, name), join(folder, SPOOL, name))
  copyFileSync(join(dataDir, KEY), join(folder, KEY))
  const report = reportOf(folder, facts)
  // Last: a folder without it is a backup that was cut off.
  writeFileSync(join(folder, MANIFEST), `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 })
  return report
}

/** What a backup holds; throws CONFIG_INVALID when it is not whole. */
export function inspectBackup(folder: string): BackupReport {
  if (!existsSync(join(folder, MANIFEST)))
    throw new AppError('CONFIG_INVALID', {
      public: `${folder} has no ${MANIFEST}: it is no backup, or one that was cut off.`,
    })
  const facts = inspectDatabase(databaseFile(folder))
  const missing = facts.spool.filter((name) => !existsSync(join(folder, SPOOL, name)))
  if (missing.length > 0)
    throw new AppError('CONFIG_INVALID', {
      public: `${missing.length} spool files are missing from ${folder}, ${missing[0] ?? ''} among them.`,
    })
  if (readFileSync(join(folder, KEY), 'utf8').trim().length !== 64)
    throw new AppError('CONFIG_INVALID', { public: `${folder} holds no usable master key.` })
  return reportOf(folder, facts)
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
    copyFileSync(join(folder, SPOOL, name), join(dataDir, SPOOL, basename(name)))
  copyFileSync(join(folder, KEY), join(dataDir, KEY))
  copyFileSync(databaseFile(folder), databaseFile(dataDir))
  return report
}

const reportOf = (folder: string, facts: SnapshotFacts): BackupReport => ({
  folder,
  messages: facts.messages,
  deliveries: facts.deliveries,
  schema: facts.schema,
  spoolFiles: facts.spool.length,
})
