/**
 * Counts mail against quotas inside the writer's transaction, so that no crash and no second process can count wrong.
 * What is used is read once per batch and written once at its end; a request that comes to nothing takes back what it
 * counted. Must never keep a number beyond its transaction.
 */
import type Database from 'better-sqlite3'
import { QUOTA_UNITS, levelReached, planQuota, windowEnd, windowStart } from '../../core/quota.ts'
import type {
  QuotaCharge,
  QuotaCounter,
  QuotaMark,
  QuotaRefusal,
  QuotaScope,
  QuotaSlot,
  QuotaState,
  QuotaUnit,
} from '../../core/quota.ts'

export interface QuotaLedger {
  /** Call first in each transaction, and `end` last. */
  begin(now: number): void
  end(): void
  /** Plans and counts `want` recipients, wished at `from`; it stands once `keep` is called. */
  charge(wish: QuotaWish): Charged
  /** The request was kept. Returns which windows of now it brought to a level. */
  keep(): readonly QuotaMark[]
  /** Uncounts what was not kept; `end` does so, too. */
  takeBack(): void
}

export interface QuotaWish {
  readonly tenant: number
  readonly charges: readonly QuotaCharge[]
  readonly want: number
  readonly from: number
}
export interface PlannedSlot extends QuotaSlot {
  /** The quota that it waits for, as it was when it was full; undefined: it does not wait. */
  readonly waitsFor: QuotaState | undefined
}
export type Charged =
  | { readonly kind: 'planned'; readonly slots: readonly PlannedSlot[] }
  | { readonly kind: 'over'; readonly refusal: QuotaRefusal }

/** The windows of one quota in one unit, from that of now on. */
interface Series {
  readonly tenant: number
  readonly scope: QuotaScope
  readonly scopeId: number
  readonly unit: QuotaUnit
  readonly used: Map<number, number>
  /** What this transaction adds to the rows, by begin of the window. */
  readonly added: Map<number, number>
}
interface Counter extends QuotaCounter {
  readonly series: Series
}
interface Entry {
  readonly counter: Counter
  readonly start: number
  readonly before: number
  readonly count: number
}

export function makeQuotaLedger(db: Database.Database): QuotaLedger {
  const read = db.prepare<
    [number, QuotaScope, number, QuotaUnit, number],
    { start: number; used: number }
  >(
    `select start, used from quota_uses
     where tenant_id = ? and scope = ? and scope_id = ? and unit = ? and start >= ?`,
  )
  const add = db.prepare<[number, QuotaScope, number, QuotaUnit, number, number]>(
    `insert into quota_uses (tenant_id, scope, scope_id, unit, start, used) values (?, ?, ?, ?, ?, ?)
     on conflict (tenant_id, scope, scope_id, unit, start) do update set used = used + excluded.used`,
  )
  let now = 0
  const known = new Map<string, Series>()
  /** By the charge itself: one object for all messages of a batch that have it. */
  const countersOf = new Map<QuotaCharge, readonly Counter[]>()
  let entries: Entry[] = []

  function seriesOf(tenant: number, charge: QuotaCharge, unit: QuotaUnit): Series {
    const { scope, scopeId } = charge
    const key = `${scope}/${scopeId}/${unit}`
    const found = known.get(key)
    if (found !== undefined) return found
    const rows = read.all(tenant, scope, scopeId, unit, windowStart(unit, now))
    const used = new Map(rows.map((row) => [row.start, row.used]))
    const series: Series = { tenant, scope, scopeId, unit, used, added: new Map() }
    known.set(key, series)
    return series
  }

  function counters(tenant: number, charge: QuotaCharge): readonly Counter[] {
    const found = countersOf.get(charge)
    if (found !== undefined) return found
    const { limits, over } = charge
    const made = QUOTA_UNITS.flatMap((unit): Counter[] => {
      const limit = limits[unit]
      if (limit === undefined) return []
      const series = seriesOf(tenant, charge, unit)
      return [{ unit, limit, over, used: series.used, full: { from: 0, until: 0 }, series }]
    })
    countersOf.set(charge, made)
    return made
  }

  function count(counter: Counter, at: number, recipients: number): void {
    const { used, added } = counter.series
    const start = windowStart(counter.unit, at)
    const before = used.get(start) ?? 0
    used.set(start, before + recipients)
    added.set(start, (added.get(start) ?? 0) + recipients)
    entries.push({ counter, start, before, count: recipients })
  }

  function takeBack(): void {
    if (entries.length === 0) return
    for (const { counter, start, count: recipients } of entries) {
      const { used, added } = counter.series
      used.set(start, (used.get(start) ?? 0) - recipients)
      added.set(start, (added.get(start) ?? 0) - recipients)
    }
    for (const { full } of [...countersOf.values()].flat()) full.until = full.from
    entries = []
  }

  return {
    begin(at) {
      now = at
      known.clear()
      countersOf.clear()
      entries = []
    },
    end() {
      takeBack()
      for (const { tenant, scope, scopeId, unit, added } of known.values())
        for (const [start, recipients] of added)
          if (recipients > 0) add.run(tenant, scope, scopeId, unit, start, recipients)
    },
    charge({ tenant, charges, want, from }) {
      const all = charges.flatMap((charge) => counters(tenant, charge))
      const plan = planQuota({ want, from, counters: all })
      if (plan.kind === 'over') {
        // The request's own recipients are not what the quota is full of.
        takeBack()
        const { isPlannedAhead } = plan
        const state = stateOf(all[plan.counter]!, plan.at)
        return { kind: 'over', refusal: { ...state, wanted: want, isPlannedAhead } }
      }
      for (const slot of plan.slots) for (const counter of all) count(counter, slot.at, slot.count)
      return {
        kind: 'planned',
        slots: plan.slots.map((slot) => ({
          ...slot,
          waitsFor: slot.because && stateOf(all[slot.because.counter]!, slot.because.at),
        })),
      }
    },
    keep() {
      const marks = entries.flatMap(({ counter, start, before, count: recipients }) => {
        if (start > now) return []
        const level = levelReached(before, before + recipients, counter.limit)
        return level === undefined ? [] : [{ ...stateOf(counter, start), level }]
      })
      entries = []
      return marks
    },
    takeBack,
  }
}

function stateOf({ series, limit }: Counter, at: number): QuotaState {
  const { scope, scopeId, unit, used } = series
  const resetsAt = windowEnd(unit, at)
  return { scope, scopeId, unit, limit, used: used.get(windowStart(unit, at)) ?? 0, resetsAt }
}
