/**
 * Operating settings (tenants, domains, credentials, keys, ways out) as one snapshot in memory, so that accepting
 * and routing read no rows. A version in `settings` is bumped by every change; a snapshot of another version is stale.
 */
import { sql } from 'kysely'
import { groupBy } from '../core/group-by.ts'
import { asId } from '../core/ids.ts'
import type { DomainId, LaneId, PoolId, RouteId, SourceId, TenantId } from '../core/ids.ts'
import type { Destination, Source } from '../core/lane.ts'
import { loadCredentials, loadKeys } from './access-records.ts'
import type { CredentialRecord, KeyRecord } from './access-records.ts'
import type { AllTenants } from './schema.ts'
import type { Store } from './open.ts'
import { loadQuotas } from './read/quotas.ts'
import type { TenantQuotas } from './read/quotas.ts'
import type { Change } from './writer.ts'

export interface TenantRecord {
  readonly id: TenantId
  readonly name: string
  readonly disabledAt: number | undefined
}
export interface DkimRecord {
  readonly selector: string
  readonly algorithm: 'rsa' | 'ed25519'
  /** Sealed under the master key. */
  readonly privateKey: string
  readonly publicRecord: string
}
export interface DomainRecord {
  readonly id: DomainId
  readonly tenant: TenantId
  readonly name: string
  readonly verifiedAt: number | undefined
  readonly createdAt: number
  readonly dkim: readonly DkimRecord[]
}
export interface SourceRecord extends Source {
  readonly disabledAt: number | undefined
}
export interface PoolRecord {
  readonly id: PoolId
  readonly name: string
  readonly sources: readonly { readonly source: SourceId; readonly weight: number }[]
}
export interface RouteRecord {
  readonly id: RouteId
  readonly position: number
  readonly name: string
  readonly match: string
  readonly pool: PoolId | undefined
  readonly nextHop: string | undefined
}
export interface LaneRecord {
  readonly id: LaneId
  readonly source: SourceId
  readonly destination: string
  readonly target: Destination
}

export interface LimitRecord {
  /** JSON of Limits. */
  readonly limits: string
  readonly note: string | undefined
}

export interface CatalogSnapshot {
  readonly version: string
  readonly tenants: ReadonlyMap<TenantId, TenantRecord>
  /** By `tenant id/domain name`. */
  readonly domains: ReadonlyMap<string, DomainRecord>
  /** By user name. */
  readonly credentials: ReadonlyMap<string, CredentialRecord>
  /** By secret hash. */
  readonly keys: ReadonlyMap<string, KeyRecord>
  readonly sources: ReadonlyMap<SourceId, SourceRecord>
  readonly pools: ReadonlyMap<PoolId, PoolRecord>
  /** In order of position. */
  readonly routes: readonly RouteRecord[]
  /** By `scope/key`. */
  readonly limits: ReadonlyMap<string, LimitRecord>
  /** Only of tenants that have any. */
  readonly quotas: ReadonlyMap<TenantId, TenantQuotas>
}

export const domainKey = (tenant: TenantId, name: string): string => `${tenant}/${name}`

/** Goes with every change to what the snapshot holds. */
export function bumpCatalog(store: Pick<Store, 'build'>): Change {
  const query = sql`insert into settings (name, value) values ('catalog.version', '1')
    on conflict (name) do update set value = cast(cast(value as integer) + 1 as text)`.compile(
    store.build,
  )
  return { query }
}

export async function catalogVersion(read: AllTenants): Promise<string> {
  const row = await read
    .selectFrom('settings')
    .select('value')
    .where('name', '=', 'catalog.version')
    .executeTakeFirst()
  return row?.value ?? '0'
}

const orUndefined = <T>(value: T | null): T | undefined => value ?? undefined

/** Reads the whole snapshot; milliseconds for thousands of rows. */
export async function loadCatalog(read: AllTenants): Promise<CatalogSnapshot> {
  const version = await catalogVersion(read)
  const tenants = await read.selectFrom('tenants').selectAll().execute()
  const sources = await read.selectFrom('sources').selectAll().execute()
  const routes = await read.selectFrom('routes').selectAll().orderBy('position').execute()
  return {
    version,
    tenants: new Map(
      tenants.map((row) => [
        asId('tenant', row.id),
        { id: asId('tenant', row.id), name: row.name, disabledAt: orUndefined(row.disabled_at) },
      ]),
    ),
    domains: await loadDomains(read),
    credentials: await loadCredentials(read),
    keys: await loadKeys(read),
    sources: new Map(
      sources.map((row) => [
        asId('source', row.id),
        {
          id: asId('source', row.id),
          name: row.name,
          ip: orUndefined(row.ip),
          ehlo: row.ehlo,
          disabledAt: orUndefined(row.disabled_at),
        },
      ]),
    ),
    pools: await loadPools(read),
    routes: routes.map((row) => ({
      id: asId('route', row.id),
      position: row.position,
      name: row.name,
      match: row.match,
      pool: row.pool_id === null ? undefined : asId('pool', row.pool_id),
      nextHop: orUndefined(row.next_hop),
    })),
    limits: await loadLimits(read),
    quotas: await loadQuotas(read),
  }
}

async function loadLimits(read: AllTenants): Promise<Map<string, LimitRecord>> {
  const rows = await read.selectFrom('limits').selectAll().execute()
  return new Map(
    rows.map((row) => [
      `${row.scope}/${row.key}`,
      { limits: row.limits, note: orUndefined(row.note) },
    ]),
  )
}

async function loadDomains(read: AllTenants): Promise<Map<string, DomainRecord>> {
  const domains = await read.selectFrom('domains').selectAll().execute()
  const dkim = await read
    .selectFrom('dkim_keys')
    .selectAll()
    .where('retired_at', 'is', null)
    .execute()
  const byDomain = groupBy(dkim, (row) => row.domain_id)
  return new Map(
    domains.map((row) => {
      const tenant = asId('tenant', row.tenant_id)
      const record: DomainRecord = {
        id: asId('domain', row.id),
        tenant,
        name: row.name,
        verifiedAt: orUndefined(row.verified_at),
        createdAt: row.created_at,
        dkim: (byDomain.get(row.id) ?? []).map((key) => ({
          selector: key.selector,
          algorithm: key.algorithm,
          privateKey: key.private_key,
          publicRecord: key.public_record,
        })),
      }
      return [domainKey(tenant, row.name), record]
    }),
  )
}

async function loadPools(read: AllTenants): Promise<Map<PoolId, PoolRecord>> {
  const pools = await read.selectFrom('pools').selectAll().execute()
  const members = await read.selectFrom('pool_sources').selectAll().execute()
  const byPool = groupBy(members, (row) => row.pool_id)
  return new Map(
    pools.map((row) => {
      const id = asId('pool', row.id)
      const sources = (byPool.get(row.id) ?? []).map((member) => ({
        source: asId('source', member.source_id),
        weight: member.weight,
      }))
      return [id, { id, name: row.name, sources }]
    }),
  )
}
