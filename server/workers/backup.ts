/**
 * Makes backups by schedule. The database says what was made when, so several processes may run this: whoever comes
 * first makes it, and one that was missed while nothing ran is made at the next start.
 */
import { SYSTEM_ACTOR } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import type { Clock, Log, Timer } from '../core/ports.ts'
import type { Backups } from '../services/backup/contract.ts'
import { nextBackup } from '../services/backup/schedule.ts'
import type { BackupSchedule } from '../services/backup/schedule.ts'

export interface BackupWorker {
  start(): void
  /** Ends a backup that is being made, and waits for its end. */
  stop(): Promise<void>
}

/** Short, so that a clock that jumps and a backup made by another process are noticed. */
const LOOK_EVERY_MS = 60_000

export function makeBackupWorker(deps: {
  readonly backups: Pick<Backups, 'create' | 'lastRuns'>
  readonly schedule: BackupSchedule
  readonly clock: Clock
  readonly log: Log
}): BackupWorker {
  const { backups, schedule, clock, log } = deps
  const stopping = new AbortController()
  let timer: Timer | undefined
  let round: Promise<void> = Promise.resolve()

  async function make(): Promise<void> {
    const options = { trigger: 'schedule', signal: stopping.signal } as const
    try {
      const { name, bytes, error } = await backups.create(SYSTEM_ACTOR, options)
      if (error === undefined) log.info({ name, bytes }, 'backup made')
      else log.error({ name, error }, 'a backup was made and cannot be restored')
    } catch (error) {
      if (stopping.signal.aborted) return
      // Another process was faster.
      if (error instanceof AppError && error.code === 'STATE_CONFLICT') return
      log.error({ err: error }, 'a backup could not be made')
    }
  }

  async function look(): Promise<void> {
    const due = nextBackup(schedule, await backups.lastRuns(), clock.now())
    if (due !== undefined && due <= clock.now()) await make()
  }

  function again(ms: number): void {
    if (stopping.signal.aborted) return
    timer = clock.after(ms, () => {
      round = look()
        .catch((error: unknown) => log.error({ err: error }, 'the schedule of backups failed'))
        .then(() => again(LOOK_EVERY_MS))
    })
  }

  return {
    start() {
      if (schedule.kind !== 'off') again(0)
    },
    async stop() {
      stopping.abort()
      timer?.cancel()
      await round
    },
  }
}
