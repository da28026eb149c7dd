/** Which quotas are set, of all tenants, for the snapshot of operating settings. */
import { sql } from 'kysely'
import { groupBy } from '../../core/group-by.ts'
import { asId } from '../../core/ids.ts'
import type { TenantId } from '../../core/ids.ts'
import type { QuotaCharge, QuotaOver, QuotaScope } from '../../core/quota.ts'
import type { AllTenants } from '../schema.ts'

export interface QuotaRecord {
  /** Of the tenant, the login or the domain. */
  readonly name: string
  readonly charge: QuotaCharge
}
/** All quotas of a tenant: its own, and by row key those of its logins and domains. */
export interface TenantQuotas {
  readonly tenant: QuotaRecord | undefined
  readonly credentials: ReadonlyMap<number, QuotaRecord>
  readonly domains: ReadonlyMap<number, QuotaRecord>
}

interface QuotaRow {
  tenant_id: number
  scope: QuotaScope
  scope_id: number
  hour: number | null
  day: number | null
  month: number | null
  over: QuotaOver
  name: string
}

export async function loadQuotas(read: AllTenants): Promise<Map<TenantId, TenantQuotas>> {
  const { rows } = await sql<QuotaRow>`
    select q.tenant_id, q.scope, q.scope_id, q.hour, q.day, q.month, q.over,
      coalesce(t.name, c.username, d.name) as name
    from quotas q
    left join tenants t on q.scope = 'tenant' and t.id = q.scope_id
    left join credentials c on q.scope = 'credential' and c.id = q.scope_id
    left join domains d on q.scope = 'domain' and d.id = q.scope_id`.execute(read)
  const byTenant = groupBy(rows, (row) => asId('tenant', row.tenant_id))
  return new Map([...byTenant].map(([tenant, own]) => [tenant, tenantQuotas(own)]))
}

function tenantQuotas(rows: readonly QuotaRow[]): TenantQuotas {
  const of = (scope: QuotaScope): Map<number, QuotaRecord> =>
    new Map(
      rows
        .filter((row) => row.scope === scope)
        .map((row) => [row.scope_id, recordOf(row)] as const),
    )
  return {
    tenant: [...of('tenant').values()][0],
    credentials: of('credential'),
    domains: of('domain'),
  }
}

const recordOf = ({ name, scope, scope_id, hour, day, month, over }: QuotaRow): QuotaRecord => ({
  name,
  charge: {
    scope,
    scopeId: scope_id,
    limits: {
      ...(hour === null ? {} : { hour }),
      ...(day === null ? {} : { day }),
      ...(month === null ? {} : { month }),
    },
    over,
  },
})
