/** `posthorn backup` and `posthorn restore`: copies of everything that cannot be had again. Neither opens the services. */
import { existsSync } from 'node:fs'
import { join, relative, resolve, isAbsolute } from 'node:path'
import { AppError } from '../core/errors.ts'
import { inspectBackup, makeBackup, restoreBackup, type BackupReport } from '../services/backup.ts'
import { instanceHolder } from '../services/instance-lock.ts'
import { databaseFile } from '../store/open.ts'
import type { Command } from './command.ts'
import { list } from './output.ts'
import { countText } from './time.ts'
import { argument } from './values.ts'

const facts = (report: BackupReport): string =>
  list([
    ['messages', countText(report.messages)],
    ['deliveries', countText(report.deliveries)],
    ['large bodies', countText(report.spoolFiles)],
    ['schema', report.schema],
  ])

/** What the file system or the database refused, as an error with its reason instead of a stack. */
function orReason<T>(what: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (error instanceof AppError || !(error instanceof Error)) throw error
    throw new AppError('STORE_UNAVAILABLE', {
      public: `${what}: ${error.message}.`,
      cause: error,
    })
  }
}

export const backup: Command = {
  name: 'backup',
  group: 'Look after',
  summary: 'Copy database, large bodies and master key into a new folder',
  details:
    'Mail flows meanwhile. The copy is checked before it is called one. It holds the master key: whoever has the\nfolder can read the sealed secrets. Keep it on another machine.\n\nExample\n  posthorn backup --to /mnt/backups',
  options: { to: { summary: 'Folder to put it in; without it dataDir/backups', value: 'DIR' } },
  async run({ input, config, ports }) {
    const { dataDir } = config()
    if (!existsSync(databaseFile(dataDir))) {
      throw new AppError('NOT_FOUND', {
        public: `There is no database in ${dataDir} yet, so there is nothing to copy.`,
      })
    }
    const target = input.text('to') ?? join(dataDir, 'backups')
    const report = orReason('The backup could not be made', () =>
      makeBackup(dataDir, target, ports.clock),
    )
    return { text: `${report.folder}\n\n${facts(report)}`, data: report }
  },
}

const isInside = (folder: string, dataDir: string): boolean => {
  const path = relative(resolve(dataDir), resolve(folder))
  return path !== '..' && !path.startsWith('../') && !isAbsolute(path)
}

export const restore: Command = {
  name: 'restore',
  group: 'Look after',
  summary: 'Put a backup into the data directory',
  details:
    'The server must not run. What is in the data directory goes aside with --replace; nothing is deleted.\nWhat was delivered after the backup was made is queued again in it, and is sent twice.\n\nExamples\n  posthorn restore /mnt/backups/posthorn-2026-01-01T00-00-00-000Z --dry-run\n  posthorn restore /mnt/backups/posthorn-2026-01-01T00-00-00-000Z --replace',
  arguments: [{ name: 'folder', summary: 'A folder that "posthorn backup" made' }],
  options: {
    'dry-run': { summary: 'Only check the backup' },
    replace: { summary: 'Move aside what is in the data directory' },
  },
  async run({ input, config, ports }) {
    const { dataDir } = config()
    const folder = argument(input, 'folder')
    if (input.flag('dry-run')) {
      const report = orReason('The backup cannot be read', () => inspectBackup(folder))
      return {
        text: `${folder} is whole.\n\n${facts(report)}`,
        data: { ...report, dataDir, restored: false },
      }
    }
    const holder = instanceHolder(dataDir)
    if (holder !== undefined) {
      throw new AppError('STATE_CONFLICT', {
        public: `A server (process ${holder}) works on ${dataDir}. Stop it first.`,
      })
    }
    if (isInside(folder, dataDir)) {
      throw new AppError('STATE_CONFLICT', {
        public: `${folder} is inside ${dataDir}, which has to make room for it. Move the backup elsewhere first.`,
      })
    }
    const report = orReason('The backup could not be restored', () =>
      restoreBackup(folder, dataDir, { replace: input.flag('replace'), clock: ports.clock }),
    )
    return {
      text: `Restored into ${dataDir}.\n\n${facts(report)}\n\nNext: posthorn check, then posthorn serve`,
      data: { ...report, dataDir, restored: true },
    }
  },
}
