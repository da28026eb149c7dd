/** When backups are made, as people write it: `off`, `03:15` (every day, UTC), `every 6 h`. */
import { parseDuration } from './units.ts'

export type BackupSchedule =
  | { readonly kind: 'off' }
  /** Every day at this minute of the day, UTC. */
  | { readonly kind: 'daily'; readonly minute: number }
  | { readonly kind: 'every'; readonly ms: number }

/** Making one takes a while and costs disk; more often than this is a mistake. */
const MOST_OFTEN_MS = 15 * 60_000
const LEAST_OFTEN_MS = 31 * 86_400_000

/** Undefined when it is none of the three. */
export function parseBackupSchedule(text: string): BackupSchedule | undefined {
  if (text === 'off') return { kind: 'off' }
  const [, hour, minute] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? []
  if (hour !== undefined) return { kind: 'daily', minute: Number(hour) * 60 + Number(minute) }
  const ms = text.startsWith('every ') ? parseDuration(text.slice('every '.length)) : undefined
  return ms !== undefined && ms >= MOST_OFTEN_MS && ms <= LEAST_OFTEN_MS
    ? { kind: 'every', ms }
    : undefined
}
