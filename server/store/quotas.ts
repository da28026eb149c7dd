/** Rows of quotas and of what was used of them. What is used is written where mail is kept (hot/quota.ts). */
import type { ChangeRecord } from '../core/audit.ts'
import { asId } from '../core/ids.ts'
import type { TenantId } from '../core/ids.ts'
import type { QuotaCharge, QuotaScope, QuotaUnit } from '../core/quota.ts'
import { bumpCatalog } from './catalog.ts'
import type { Store } from './open.ts'
import type { AllTenants } from './schema.ts'
import type { QuotasTable } from './schema-control.ts'

/** A quota with the tenant that it is in. */
export interface QuotaRecord extends QuotaCharge {
  readonly tenant: TenantId
}

export const quotaKey = (scope: QuotaScope, id: number): string => `${scope}/${id}`

/** By `quotaKey`. */
export async function loadQuotas(read: AllTenants): Promise<ReadonlyMap<string, QuotaRecord>> {
  const rows = await read.selectFrom('quotas').selectAll().execute()
  return new Map(rows.map((row) => [quotaKey(row.scope, row.scope_id), recordOf(row)]))
}

const recordOf = (row: QuotasTable): QuotaRecord => ({
  tenant: asId('tenant', row.tenant_id),
  scope: row.scope,
  id: row.scope_id,
  limits: {
    ...(row.hour === null ? {} : { hour: row.hour }),
    ...(row.day === null ? {} : { day: row.day }),
    ...(row.month === null ? {} : { month: row.month }),
  },
  over: row.over,
})

/** Sets a quota, or changes it. */
export async function saveQuota(
  store: Store,
  quota: QuotaRecord,
  by: { readonly now: number; readonly record: ChangeRecord },
): Promise<void> {
  const { hour = null, day = null, month = null } = quota.limits
  const values = { hour, day, month, over: quota.over, changed_at: by.now }
  const query = store.build
    .insertInto('quotas')
    .values({ tenant_id: quota.tenant, scope: quota.scope, scope_id: quota.id, ...values })
    .onConflict((conflict) =>
      conflict.columns(['tenant_id', 'scope', 'scope_id']).doUpdateSet(values),
    )
    .compile()
  await store.writer.write([{ query }, bumpCatalog(store)], by.record)
}

/** NOT_FOUND when there is none. What was used stays counted, in case one is set again. */
export async function deleteQuota(
  store: Store,
  quota: Pick<QuotaRecord, 'tenant' | 'scope' | 'id'>,
  record: ChangeRecord,
): Promise<void> {
  const query = store
    .of(quota.tenant)
    .deleteFrom('quotas')
    .where('scope', '=', quota.scope)
    .where('scope_id', '=', quota.id)
    .compile()
  await store.writer.write(
    [{ query, expect: { changes: 1, orElse: 'NOT_FOUND' } }, bumpCatalog(store)],
    record,
  )
}

export interface QuotaUse {
  readonly scope: QuotaScope
  readonly id: number
  readonly unit: QuotaUnit
  readonly start: number
  readonly used: number
}

/** What a tenant has used in the windows that begin at these times. */
export const usesOf = (
  store: Store,
  tenant: TenantId,
  starts: Readonly<Record<QuotaUnit, number>>,
): Promise<QuotaUse[]> =>
  store
    .of(tenant)
    .selectFrom('quota_uses')
    .select(['scope', 'scope_id as id', 'unit', 'start', 'used'])
    .where((eb) =>
      eb.or([
        eb('unit', '=', 'hour').and('start', '=', starts.hour),
        eb('unit', '=', 'day').and('start', '=', starts.day),
        eb('unit', '=', 'month').and('start', '=', starts.month),
      ]),
    )
    .execute()
