/**
 * Remembers which hosts could not be reached, so that one delivery finds out and the others wait: a minute at first,
 * doubling to fifteen while they stay away (facts: hosts are marked dead for 2 to 15 minutes).
 */

const FIRST_MS = 60_000
const LONGEST_MS = 15 * 60_000
const MAX_SITES = 10_000

export interface DeadHosts {
  mark(site: string, now: number): void
  /** When they may be tried again; undefined: now. */
  until(site: string, now: number): number | undefined
}

export function makeDeadHosts(): DeadHosts {
  const sites = new Map<string, { until: number; waitMs: number }>()
  return {
    mark(site, now) {
      const known = sites.get(site)
      // Alive for longer than its last wait: this is another outage, not the same one.
      const goesOn = known !== undefined && now < known.until + known.waitMs
      const waitMs = goesOn ? Math.min(known.waitMs * 2, LONGEST_MS) : FIRST_MS
      if (sites.size >= MAX_SITES) sites.clear()
      sites.set(site, { until: now + waitMs, waitMs })
    },
    until(site, now) {
      const known = sites.get(site)
      return known !== undefined && known.until > now ? known.until : undefined
    },
  }
}
