/** Whether there is room for a backup, before it begins: a disk that fills up stops mail, and that is worse. */
import { stat, statfs } from 'node:fs/promises'
import { AppError } from '../../core/errors.ts'

export interface RoomFacts {
  /** Bytes of the database and of the spool files that it names. */
  readonly database: number
  readonly spool: number
  /** Free bytes where backups are taken apart, and what has to stay free there. */
  readonly workFree: number
  readonly workKeep: number
  /** Free bytes of the target; undefined when nobody knows. */
  readonly targetFree: number | undefined
  /** The target is on the disk of the work folder. */
  readonly shared: boolean
}

/** A sentence about what is missing; undefined when all fits. A backup counts as large as what it holds. */
export function lackOfRoom(facts: RoomFacts): string | undefined {
  // The copy of the database is gone before the backup is taken apart again.
  const content = facts.database + facts.spool
  const work = content + facts.workKeep + (facts.shared ? content : 0)
  if (facts.workFree < work)
    return `A backup needs ${mib(work)} of free disk to be made and tried, and there are ${mib(facts.workFree)}`
  if (facts.targetFree !== undefined && facts.targetFree < content)
    return `The backup may take ${mib(content)}, and its folder has room for ${mib(facts.targetFree)}`
  return undefined
}

const mib = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024)} MiB`

/** Throws STORE_FULL. `targetFolder` undefined: the target is not on this machine. */
export async function demandRoom(options: {
  readonly sizes: { readonly database: number; readonly spool: number }
  readonly workFolder: string
  readonly minFreeBytes: number
  readonly targetFree: number | undefined
  readonly targetFolder: string | undefined
}): Promise<void> {
  const { bavail, bsize } = await statfs(options.workFolder)
  const devices = await Promise.all(
    [options.workFolder, options.targetFolder].map(async (folder) =>
      folder === undefined ? undefined : (await stat(folder)).dev,
    ),
  )
  const lack = lackOfRoom({
    ...options.sizes,
    workFree: bavail * bsize,
    workKeep: options.minFreeBytes,
    targetFree: options.targetFree,
    shared: devices[0] === devices[1],
  })
  if (lack !== undefined) throw new AppError('STORE_FULL', { public: `${lack}.` })
}
