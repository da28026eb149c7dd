/**
 * Which backups may go. Only backups that have proved themselves fill a place of the policy; of those that have not, the
 * newest stays, since it may be all there is.
 */

export interface KeptBackup {
  readonly name: string
  /** When it was begun, epoch ms. */
  readonly at: number
  /** A restore of it was tried and worked. */
  readonly verified: boolean
}

/** How many to keep of each kind; undefined or 0: none because of that kind. */
export interface KeepPolicy {
  /** The newest, whatever their age. */
  readonly last?: number | undefined
  /** The newest of each of so many days (weeks, months) that have one; UTC, weeks from Monday. */
  readonly daily?: number | undefined
  readonly weekly?: number | undefined
  readonly monthly?: number | undefined
}

const DAY_MS = 86_400_000
/** 1970-01-01 was a Thursday. */
const dayOf = (at: number): number => Math.floor(at / DAY_MS)
const weekOf = (at: number): number => Math.floor((dayOf(at) + 3) / 7)
const monthOf = (at: number): string => new Date(at).toISOString().slice(0, 7)

/**
 * Names of what the policy does not ask for, oldest first. Never the newest verified one, nothing from the future (a
 * clock that was wrong must not empty the shelf), and nothing at all when no kind is set.
 */
export function toDelete(
  backups: readonly KeptBackup[],
  policy: KeepPolicy,
  now: number,
): readonly string[] {
  const { last = 0, daily = 0, weekly = 0, monthly = 0 } = policy
  if (last + daily + weekly + monthly === 0) return []
  const newestFirst = backups.filter(({ at }) => at <= now).sort((a, b) => b.at - a.at)
  const verified = newestFirst.filter((backup) => backup.verified)
  const unverified = newestFirst.filter((backup) => !backup.verified)
  const keep = new Set<KeptBackup | undefined>([
    verified[0],
    unverified[0],
    ...verified.slice(0, last),
    ...newestOf(verified, dayOf, daily),
    ...newestOf(verified, weekOf, weekly),
    ...newestOf(verified, monthOf, monthly),
  ])
  return newestFirst
    .filter((backup) => !keep.has(backup))
    .map(({ name }) => name)
    .reverse()
}

/** The newest backup of each of the newest `count` periods that have one. */
function newestOf(
  newestFirst: readonly KeptBackup[],
  periodOf: (at: number) => number | string,
  count: number,
): readonly KeptBackup[] {
  const periods = new Map<number | string, KeptBackup>()
  for (const backup of newestFirst) {
    const period = periodOf(backup.at)
    if (!periods.has(period)) periods.set(period, backup)
  }
  return [...periods.values()].slice(0, count)
}
