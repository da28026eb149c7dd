/**
 * Charges quotas in the transaction that keeps the mail: what is counted is what was kept, over all processes and
 * crashes. A request is planned as a whole before anything of it is written, so a refusal leaves nothing to undo.
 */
import type Database from 'better-sqlite3'
import { planQuota } from '../../core/quota.ts'
import type { QuotaCharge, QuotaFull, QuotaSlot, QuotaUnit, QuotaUses } from '../../core/quota.ts'
import type { NewMessage } from '../../core/work.ts'

export type RequestPlan =
  /** By message; undefined: under no quota. */
  | { readonly ok: true; readonly slots: readonly (readonly QuotaSlot[] | undefined)[] }
  | { readonly ok: false; readonly full: QuotaFull }

interface Window {
  readonly tenant: number
  readonly charge: QuotaCharge
  readonly unit: QuotaUnit
  readonly start: number
  readonly before: number
  used: number
}

export function makeQuota(
  db: Database.Database,
): (messages: readonly NewMessage[], now: number) => RequestPlan {
  const select = db.prepare<[number, string, number, string, number], { used: number }>(
    `select used from quota_uses
     where tenant_id = ? and scope = ? and scope_id = ? and unit = ? and start = ?`,
  )
  const upsert = db.prepare<[number, string, number, string, number, number]>(
    `insert into quota_uses (tenant_id, scope, scope_id, unit, start, used) values (?, ?, ?, ?, ?, ?)
     on conflict do update set used = used + excluded.used`,
  )

  /** The windows one request touches: each is read once and written once. */
  function windowsOf(tenant: number): QuotaUses & { write(): void } {
    const windows = new Map<string, Window>()
    function find(charge: QuotaCharge, unit: QuotaUnit, start: number): Window {
      const key = `${charge.scope}/${charge.id}/${unit}/${start}`
      const known = windows.get(key)
      if (known !== undefined) return known
      const before = select.get(tenant, charge.scope, charge.id, unit, start)?.used ?? 0
      const window = { tenant, charge, unit, start, before, used: before }
      windows.set(key, window)
      return window
    }
    return {
      used: (charge, unit, start) => find(charge, unit, start).used,
      add(charge, unit, start, count) {
        find(charge, unit, start).used += count
      },
      write() {
        for (const { charge, unit, start, before, used } of windows.values())
          if (used > before) upsert.run(tenant, charge.scope, charge.id, unit, start, used - before)
      },
    }
  }

  return (messages, now) => {
    const first = messages.find(({ quotas }) => quotas !== undefined)
    if (first === undefined) return { ok: true, slots: [] }
    const windows = windowsOf(first.tenant)
    const slots: (readonly QuotaSlot[] | undefined)[] = []
    for (const { quotas, recipients, sendAt } of messages) {
      if (quotas === undefined) {
        slots.push(undefined)
        continue
      }
      const plan = planQuota(recipients.length, Math.max(now, sendAt ?? now), quotas, windows)
      if (!plan.ok) return plan
      slots.push(plan.slots)
    }
    windows.write()
    return { ok: true, slots }
  }
}
