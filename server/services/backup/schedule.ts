/** When the next backup is due. One that was missed while nothing ran is due at once, but only one. */

import type { BackupSchedule } from '../../config/backup-schedule.ts'

export type { BackupSchedule }

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** After one that failed, unless the schedule comes earlier. */
export const RETRY_MS = 30 * MINUTE_MS

export interface LastRuns {
  /** When the last one was begun that was made (epoch ms); undefined: none yet. */
  readonly madeAt: number | undefined
  /** When the last one was begun that failed. */
  readonly failedAt: number | undefined
}

/** Epoch ms, in the past when it is overdue; undefined when none is wanted. */
export function nextBackup(
  schedule: BackupSchedule,
  { madeAt, failedAt }: LastRuns,
  now: number,
): number | undefined {
  const due = regular(schedule, madeAt, now)
  if (due === undefined || failedAt === undefined) return due
  if (madeAt !== undefined && failedAt < madeAt) return due
  // Not at once again: what failed a moment ago mostly fails again.
  return Math.max(due, failedAt + RETRY_MS)
}

function regular(
  schedule: BackupSchedule,
  madeAt: number | undefined,
  now: number,
): number | undefined {
  switch (schedule.kind) {
    case 'off':
      return undefined
    case 'every':
      return madeAt === undefined ? now : madeAt + schedule.ms
    case 'daily': {
      const today = Math.floor(now / DAY_MS) * DAY_MS + schedule.minute * MINUTE_MS
      const slot = today <= now ? today : today - DAY_MS
      return madeAt === undefined || madeAt < slot ? slot : slot + DAY_MS
    }
  }
}
