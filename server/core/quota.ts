/**
 * Quotas: how many recipients a tenant, an SMTP login or a sender domain may address per hour, day and month. Windows
 * are those of the calendar in UTC. Pure: what was used is handed in, and the store charges in its own transaction.
 */
export const QUOTA_UNITS = ['hour', 'day', 'month'] as const
export type QuotaUnit = (typeof QUOTA_UNITS)[number]
export const QUOTA_SCOPES = ['tenant', 'credential', 'domain'] as const
export type QuotaScope = (typeof QUOTA_SCOPES)[number]

/** Recipients per window; an absent unit is not limited. */
export type QuotaLimits = { readonly [unit in QuotaUnit]?: number | undefined }

/** One quota that a message falls under. */
export interface QuotaCharge {
  readonly scope: QuotaScope
  /** Key of the tenant, login or domain. */
  readonly id: number
  readonly limits: QuotaLimits
  /** What happens to mail beyond it: it waits for the next window with room, or it is not taken. */
  readonly over: 'delay' | 'refuse'
}

/** So many of a message's recipients may go at this time. */
export interface QuotaSlot {
  /** Epoch ms: now, or the begin of a later window. */
  readonly at: number
  readonly count: number
  /** Where they stand in the fullest window, 0 to 1: for spreading what waits for the same begin. */
  readonly from: number
  readonly to: number
}

export interface QuotaFull {
  readonly scope: QuotaScope
  readonly id: number
  readonly unit: QuotaUnit
  readonly limit: number
  /** When that window ends, epoch ms. */
  readonly until: number
}

export type QuotaPlan =
  | { readonly ok: true; readonly slots: readonly QuotaSlot[] }
  | { readonly ok: false; readonly full: QuotaFull }

/** What stands in the windows, and what this plan adds. */
export interface QuotaUses {
  used(charge: QuotaCharge, unit: QuotaUnit, start: number): number
  add(charge: QuotaCharge, unit: QuotaUnit, start: number, count: number): void
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Mail that would have to wait longer is not taken: nobody wants it by then. */
const LOOK_AHEAD_MS = 62 * DAY_MS
/** What waits for a window goes out over its first half hour, not in its first second. */
export const QUOTA_SPREAD_MS = 30 * 60_000

/** Begin of the window that holds `at`. */
export function windowStart(unit: QuotaUnit, at: number): number {
  const date = new Date(at)
  switch (unit) {
    case 'hour':
      return at - (at % HOUR_MS)
    case 'day':
      return at - (at % DAY_MS)
    case 'month':
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)
  }
}

/** Begin of the window after the one that begins at `start`. */
export function windowEnd(unit: QuotaUnit, start: number): number {
  const date = new Date(start)
  switch (unit) {
    case 'hour':
      return start + HOUR_MS
    case 'day':
      return start + DAY_MS
    case 'month':
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
  }
}

interface Room {
  readonly room: number
  /** Used and limit of the window with the least room. */
  readonly used: number
  readonly limit: number
  /** The full window that ends last; undefined: there is room. */
  readonly full: (QuotaFull & { readonly over: QuotaCharge['over'] }) | undefined
}

function roomAt(at: number, charges: readonly QuotaCharge[], uses: QuotaUses): Room {
  let least: Room = { room: Infinity, used: 0, limit: 1, full: undefined }
  let full: Room['full']
  for (const charge of charges) {
    for (const unit of QUOTA_UNITS) {
      const limit = charge.limits[unit]
      if (limit === undefined) continue
      const start = windowStart(unit, at)
      const used = uses.used(charge, unit, start)
      const room = Math.max(0, limit - used)
      if (room < least.room) least = { room, used, limit, full: undefined }
      if (room > 0) continue
      const until = windowEnd(unit, start)
      const { scope, id, over } = charge
      const refuses = over === 'refuse' && full?.over !== 'refuse'
      if (full === undefined || refuses || (until > full.until && over === full.over))
        full = { scope, id, unit, limit, until, over }
    }
  }
  return { ...least, full }
}

function addAll(at: number, count: number, charges: readonly QuotaCharge[], uses: QuotaUses): void {
  for (const charge of charges)
    for (const unit of QUOTA_UNITS)
      if (charge.limits[unit] !== undefined) uses.add(charge, unit, windowStart(unit, at), count)
}

/**
 * When `want` recipients may go, from `now` on, by all of the quotas at once, and charges them there. Not ok: a quota
 * that refuses is full, or the wait would be longer than 62 days; what was added meanwhile is then void.
 */
export function planQuota(
  want: number,
  now: number,
  charges: readonly QuotaCharge[],
  uses: QuotaUses,
): QuotaPlan {
  const slots: QuotaSlot[] = []
  let left = want
  let at = now
  for (;;) {
    const { room, used, limit, full } = roomAt(at, charges, uses)
    const count = Math.min(left, room)
    if (count > 0) {
      addAll(at, count, charges, uses)
      slots.push({ at, count, from: used / limit, to: (used + count) / limit })
      left -= count
    }
    if (left === 0) return { ok: true, slots }
    const next = full ?? roomAt(at, charges, uses).full
    // Room was taken and something is left: some window is full now.
    if (next === undefined) throw new Error('A quota without room is not full.')
    const { over, ...facts } = next
    if (over === 'refuse' || next.until - now > LOOK_AHEAD_MS) return { ok: false, full: facts }
    at = next.until
  }
}

/** When the n-th recipient of a slot goes: at once, or spread over the begin of its window. */
export function slotTime(slot: QuotaSlot, index: number, now: number): number {
  if (slot.at <= now) return now
  const place = slot.from + ((slot.to - slot.from) * index) / slot.count
  return slot.at + Math.floor(Math.min(1, place) * QUOTA_SPREAD_MS)
}
