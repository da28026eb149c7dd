/**
 * Quotas: to how many recipients a tenant, an SMTP login or a sender domain may send in an hour, a day and a month of
 * the calendar (UTC). The arithmetic of windows and the plan that keeps every one of them; pure, and never about rows:
 * what is used already is handed in. It is here and not in policy, because the store plans inside its transaction.
 */

/** Finest first: each window of a unit lies in one window of the units behind it. */
export const QUOTA_UNITS = ['hour', 'day', 'month'] as const
export type QuotaUnit = (typeof QUOTA_UNITS)[number]
/** Each is also the kind of id that it is about. */
export const QUOTA_SCOPES = ['tenant', 'credential', 'domain'] as const
export type QuotaScope = (typeof QUOTA_SCOPES)[number]
/** What happens to mail beyond the limit: it waits for a window with room, or is not accepted. */
export const QUOTA_OVER = ['delay', 'refuse'] as const
export type QuotaOver = (typeof QUOTA_OVER)[number]

/** Recipients; an absent unit has no limit. */
export type QuotaLimits = { readonly [Unit in QuotaUnit]?: number | undefined }

/** One quota that a message counts against. */
export interface QuotaCharge {
  readonly scope: QuotaScope
  /** Row key of the tenant, credential or domain. */
  readonly scopeId: number
  readonly limits: QuotaLimits
  readonly over: QuotaOver
}

/** One window of one quota, and how full it is. */
export interface QuotaState {
  readonly scope: QuotaScope
  readonly scopeId: number
  readonly unit: QuotaUnit
  readonly limit: number
  readonly used: number
  /** End of the window, epoch ms. */
  readonly resetsAt: number
}

/** Why nothing of a request was accepted. */
export interface QuotaRefusal extends QuotaState {
  /** Recipients of the message for which there was no room. */
  readonly wanted: number
  /** Mail may wait, but all that may be planned ahead is planned. */
  readonly isPlannedAhead: boolean
}

/** A window of now that just became this full, in percent. */
export interface QuotaMark extends QuotaState {
  readonly level: (typeof QUOTA_LEVELS)[number]
}
export const QUOTA_LEVELS = [80, 100] as const

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
/** How far ahead mail is planned; beyond it, it is refused. */
export const LOOK_AHEAD_MS = 62 * DAY_MS

/**
 * What waited for a window is spread over the beginning of it, evenly by its place in the quota: everything at the first
 * second of an hour would look like an attack to those who receive it.
 */
export const SPREAD_MS: Readonly<Record<QuotaUnit, number>> = {
  hour: HOUR_MS / 2,
  day: 6 * HOUR_MS,
  month: DAY_MS,
}

/** Begin of the window that `at` lies in, epoch ms. */
export function windowStart(unit: QuotaUnit, at: number): number {
  switch (unit) {
    case 'hour':
      return at - (at % HOUR_MS)
    case 'day':
      return at - (at % DAY_MS)
    case 'month':
      return monthStart(at, 0)
  }
}

/** End of the window that `at` lies in, which is the begin of the next; epoch ms. */
export function windowEnd(unit: QuotaUnit, at: number): number {
  switch (unit) {
    case 'hour':
      return at - (at % HOUR_MS) + HOUR_MS
    case 'day':
      return at - (at % DAY_MS) + DAY_MS
    case 'month':
      return monthStart(at, 1)
  }
}

function monthStart(at: number, ahead: number): number {
  const date = new Date(at)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + ahead, 1)
}

/** The level that a window came to, from below, when `before` grew to `after`. */
export const levelReached = (
  before: number,
  after: number,
  limit: number,
): QuotaMark['level'] | undefined =>
  QUOTA_LEVELS.findLast((level) => {
    const mark = (limit * level) / 100
    return before < mark && after >= mark
  })

/** A quota in one unit, for a plan. */
export interface QuotaCounter {
  readonly unit: QuotaUnit
  readonly limit: number
  readonly over: QuotaOver
  /** Recipients by begin of the window, planned ones included; a window that is not there is empty. */
  readonly used: ReadonlyMap<number, number>
  /**
   * Scratch of the plans: no window from `from` to `until` has room, so that the next plan need not look at them again.
   * Whoever takes back what was used resets it.
   */
  readonly full: { from: number; until: number }
}

/** Recipients that are due together, or one after the other from `at` on. */
export interface QuotaSlot {
  /** The wished time, or the begin of a later window. */
  readonly at: number
  readonly count: number
  /** Recipient i of the slot is due at `at + firstMs + i * stepMs`. */
  readonly firstMs: number
  readonly stepMs: number
  /** What made it wait longest, and a time in a window of it that was full. Undefined: it does not wait. */
  readonly because: { readonly counter: number; readonly at: number } | undefined
}

export type QuotaPlan =
  | { readonly kind: 'planned'; readonly slots: readonly QuotaSlot[] }
  /** The counter (its index) that has no room in the window of `at`. */
  | {
      readonly kind: 'over'
      readonly counter: number
      readonly at: number
      readonly isPlannedAhead: boolean
    }

/**
 * Plans `want` recipients, wished at `from` (epoch ms): as many as fit at once, the rest in the first windows in which
 * every counter has room. A counter that refuses is never the reason to wait: where it lacks room the plan is over.
 */
export function planQuota(request: {
  readonly want: number
  readonly from: number
  readonly counters: readonly QuotaCounter[]
}): QuotaPlan {
  const { want, from, counters } = request
  if (counters.every((counter) => roomAt(counter, from) >= want))
    return { kind: 'planned', slots: [{ at: from, count: want, ...AT_ONCE, because: undefined }] }
  const horizon = from + LOOK_AHEAD_MS
  const slots: QuotaSlot[] = []
  // What this plan has taken of each counter's window so far; time only goes forward, so one window each is enough.
  const taken = counters.map(() => ({ start: 0, count: 0 }))
  const usedAt = (i: number, at: number): number => {
    const { unit, used } = counters[i]!
    const start = windowStart(unit, at)
    const own = taken[i]!
    return (used.get(start) ?? 0) + (own.start === start ? own.count : 0)
  }
  let at = from
  for (let left = want; left > 0;) {
    const gap = nextRoom(counters, at, horizon, usedAt)
    if (gap.at > horizon)
      return { kind: 'over', counter: gap.because?.counter ?? 0, at: from, isPlannedAhead: true }
    at = gap.at
    let count = left
    for (const [i, { over, limit }] of counters.entries())
      if (over === 'delay') count = Math.min(count, limit - usedAt(i, at))
    for (const [i, { over, limit }] of counters.entries())
      if (over === 'refuse' && limit - usedAt(i, at) < count)
        return { kind: 'over', counter: i, at, isPlannedAhead: false }
    const place = at === from ? AT_ONCE : spread(counters, at, usedAt)
    slots.push({ at, count, ...place, because: gap.because })
    for (const [i, own] of taken.entries()) {
      const start = windowStart(counters[i]!.unit, at)
      own.count = (own.start === start ? own.count : 0) + count
      own.start = start
    }
    left -= count
  }
  return { kind: 'planned', slots }
}

const roomAt = ({ unit, limit, used }: QuotaCounter, at: number): number =>
  limit - (used.get(windowStart(unit, at)) ?? 0)

const AT_ONCE = { firstMs: 0, stepMs: 0 } as const

type UsedAt = (counter: number, at: number) => number

/** The first time from `at` on at which every counter that lets mail wait has room, and which of them took longest. */
function nextRoom(
  counters: readonly QuotaCounter[],
  from: number,
  horizon: number,
  usedAt: UsedAt,
): { readonly at: number; readonly because: QuotaSlot['because'] } {
  let at = from
  let because: QuotaSlot['because']
  let longest = 0
  for (let moved = true; moved && at <= horizon;) {
    moved = false
    for (const [i, counter] of counters.entries()) {
      if (counter.over === 'refuse') continue
      const end = endOfFull(counter, i, at, horizon, usedAt)
      if (end === at) continue
      if (end - at > longest) {
        longest = end - at
        because = { counter: i, at }
      }
      at = end
      moved = true
    }
  }
  return { at, because }
}

/** `at` itself when the counter has room there, else the begin of its next window with room, or past the horizon. */
function endOfFull(
  counter: QuotaCounter,
  i: number,
  from: number,
  horizon: number,
  usedAt: UsedAt,
): number {
  const { unit, limit, full, used } = counter
  let at = from
  while (at <= horizon) {
    if (at >= full.from && at < full.until) {
      at = full.until
      continue
    }
    if (usedAt(i, at) < limit) return at
    const start = windowStart(unit, at)
    const end = windowEnd(unit, at)
    // Only what is used already is remembered: this plan may still come to nothing.
    if ((used.get(start) ?? 0) >= limit) {
      if (full.until !== start) full.from = start
      full.until = end
    }
    at = end
  }
  return at
}

/**
 * By its place in the fullest window of the finest unit: what came before it in that window goes before it, whoever
 * planned it.
 */
function spread(
  counters: readonly QuotaCounter[],
  at: number,
  usedAt: UsedAt,
): Pick<QuotaSlot, 'firstMs' | 'stepMs'> {
  const unit = QUOTA_UNITS.find((one) => counters.some((counter) => counter.unit === one)) ?? 'hour'
  let place: Pick<QuotaSlot, 'firstMs' | 'stepMs'> = AT_ONCE
  for (const [i, counter] of counters.entries()) {
    if (counter.unit !== unit) continue
    const stepMs = SPREAD_MS[unit] / counter.limit
    const firstMs = usedAt(i, at) * stepMs
    if (firstMs > place.firstMs || place.stepMs === 0) place = { firstMs, stepMs }
  }
  return place
}
