/** Rows of quotas, and what is counted of them. Counting itself is the writer thread's. */
import { sql } from 'kysely'
import type { ChangeRecord } from '../core/audit.ts'
import type { TenantId } from '../core/ids.ts'
import { QUOTA_UNITS, windowStart } from '../core/quota.ts'
import type { QuotaCharge, QuotaScope, QuotaUnit } from '../core/quota.ts'
import { bumpCatalog } from './catalog.ts'
import type { Store } from './open.ts'
import { STEP_ROWS } from './retention.ts'
import type { RetentionStep } from './retention.ts'

/** Sets the quota in all its units, in place of the one before. */
export async function putQuota(
  store: Store,
  quota: { tenant: TenantId; charge: QuotaCharge },
  now: number,
  record: ChangeRecord,
): Promise<void> {
  const { scope, scopeId, limits, over } = quota.charge
  const values = {
    hour: limits.hour ?? null,
    day: limits.day ?? null,
    month: limits.month ?? null,
    over,
    changed_at: now,
  }
  const query = store.build
    .insertInto('quotas')
    .values({ tenant_id: quota.tenant, scope, scope_id: scopeId, ...values })
    .onConflict((conflict) =>
      conflict.columns(['tenant_id', 'scope', 'scope_id']).doUpdateSet(values),
    )
    .compile()
  await store.writer.write([{ query }, bumpCatalog(store)], record)
}

/** NOT_FOUND when there is none. What was counted stays, so that taking a quota away and back resets nothing. */
export async function deleteQuota(
  store: Store,
  quota: { tenant: TenantId } & Pick<QuotaCharge, 'scope' | 'scopeId'>,
  record: ChangeRecord,
): Promise<void> {
  const query = store
    .of(quota.tenant)
    .deleteFrom('quotas')
    .where('scope', '=', quota.scope)
    .where('scope_id', '=', quota.scopeId)
    .compile()
  const gone = { query, expect: { changes: 1, orElse: 'NOT_FOUND' } } as const
  await store.writer.write([gone, bumpCatalog(store)], record)
}

export interface QuotaUse {
  readonly scope: QuotaScope
  readonly scopeId: number
  readonly unit: QuotaUnit
  /** Begin of the window, epoch ms. */
  readonly start: number
  /** Recipients, those that are planned for a later window included. */
  readonly used: number
}

/** The windows of now and all later ones in which something counts, oldest first. */
export async function quotaUses(
  store: Pick<Store, 'of'>,
  tenant: TenantId,
  now: number,
): Promise<QuotaUse[]> {
  const rows = await store
    .of(tenant)
    .selectFrom('quota_uses')
    .select(['scope', 'scope_id', 'unit', 'start', 'used'])
    .where((eb) =>
      eb.or(
        QUOTA_UNITS.map((unit) =>
          eb.and([eb('unit', '=', unit), eb('start', '>=', windowStart(unit, now))]),
        ),
      ),
    )
    .orderBy('start')
    .execute()
  return rows.map(({ scope_id: scopeId, ...row }) => ({ ...row, scopeId }))
}

const DAY_MS = 86_400_000
/** How long after its begin a window is kept. */
const KEPT_MS: Readonly<Record<QuotaUnit, number>> = {
  hour: 2 * DAY_MS,
  day: 62 * DAY_MS,
  month: 400 * DAY_MS,
}

/** Steps of retention: counters of windows that are long over. */
export const quotaSteps = (store: Store, now: number): RetentionStep[] =>
  QUOTA_UNITS.map((unit) => async () => {
    const query = sql`delete from quota_uses where (tenant_id, scope, scope_id, unit, start) in (
      select tenant_id, scope, scope_id, unit, start from quota_uses indexed by quota_uses_age
      where unit = ${unit} and start < ${now - KEPT_MS[unit]} limit ${STEP_ROWS})`
    const [result] = await store.writer.write([{ query: query.compile(store.build) }], {
      unaudited: 'retention',
    })
    return result?.changes ?? 0
  })
