/** Makes and tries backup files, with all that this needs around it: room, work folders, a header, the target. */
import { dirname } from 'node:path'
import { AppError } from '../../core/errors.ts'
import type { Clock, Random } from '../../core/ports.ts'
import type { Store } from '../../store/open.ts'
import { bytesToCopy } from '../../store/snapshot.ts'
import type { BackupSettings, Trial } from './contract.ts'
import { makeHeader } from './header.ts'
import type { Made } from './make.ts'
import { openTarget } from './open-target.ts'
import { demandRoom } from './room.ts'
import { makeBackupFile, tryBackupFile } from './run-job.ts'
import type { JobOptions } from './run-job.ts'
import { backupTime } from './target.ts'
import type { BackupTarget } from './target.ts'
import { inWorkFolder, sweepWorkFolders } from './work-folder.ts'

export interface Runner {
  /** Rejects with STORE_FULL, BACKUP_TARGET_FAILED, SHUTTING_DOWN. Only one at a time may run over all processes. */
  make(name: string, schema: string, options: JobOptions): Promise<Made>
  /** What is wrong is in the result, unless the backup cannot be read at all. */
  trial(name: string, options: JobOptions): Promise<Trial>
  /** The trial right after the making: what is wrong, whatever it is, is a remark on a backup that is there. */
  firstTrial(name: string, made: Made, options: JobOptions): Promise<string | undefined>
  withTarget<T>(work: (target: BackupTarget) => Promise<T>): Promise<T>
}

export function makeRunner(deps: {
  readonly store: Pick<Store, 'file'>
  readonly recoveryKey: Buffer
  readonly clock: Clock
  readonly random: Random
  /** Version of the program. */
  readonly program: string
  readonly settings: BackupSettings
}): Runner {
  const { store, recoveryKey, settings } = deps
  const { target, workFolder } = settings

  async function withTarget<T>(work: (opened: BackupTarget) => Promise<T>): Promise<T> {
    const opened = await openTarget(target)
    try {
      return await work(opened)
    } finally {
      opened.close()
    }
  }

  async function make(name: string, schema: string, options: JobOptions): Promise<Made> {
    sweepWorkFolders(workFolder)
    await withTarget(async (opened) =>
      demandRoom({
        sizes: bytesToCopy(store.file),
        workFolder,
        minFreeBytes: settings.minFreeBytes,
        targetFree: await opened.freeBytes(),
        targetFolder: target.kind === 'folder' ? opened.url : undefined,
      }),
    )
    const now = deps.clock.now()
    const createdAt = new Date(backupTime(name) ?? now).toISOString()
    const facts = { createdAt, program: deps.program, schema }
    const header = makeHeader(facts, recoveryKey, deps.random)
    const dataDir = dirname(store.file)
    return inWorkFolder(workFolder, (work) =>
      makeBackupFile({ dataDir, work, name, header, target, now }, options),
    )
  }

  async function trial(name: string, options: JobOptions): Promise<Trial> {
    try {
      const { facts } = await inWorkFolder(workFolder, (folder) =>
        tryBackupFile({ target, name, folder, recoveryKey }, options),
      )
      const { messages, deliveries } = facts
      return { name, error: undefined, messages, deliveries }
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'BACKUP_DAMAGED') throw error
      return { name, error: error.public, messages: undefined, deliveries: undefined }
    }
  }

  return {
    withTarget,
    make,
    trial,
    async firstTrial(name, { facts }, options) {
      try {
        const found = await trial(name, options)
        if (found.error !== undefined) return found.error
        return found.messages === facts.messages && found.deliveries === facts.deliveries
          ? undefined
          : `It holds ${found.messages ?? 0} messages instead of ${facts.messages}.`
      } catch (error) {
        if (options.signal?.aborted === true) throw error
        return `It could not be tried: ${textOf(error)}`
      }
    },
  }
}

/** What an operator may read of a failure. */
export const textOf = (error: unknown): string =>
  error instanceof AppError ? error.public : error instanceof Error ? error.message : String(error)
