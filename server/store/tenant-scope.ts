/**
 * The wall between tenants. Tables that hold a tenant's data cannot be read, changed or deleted from through
 * `store.read` and `store.build`: their types do not know them. `store.of(tenant)` opens them with the condition on
 * the tenant already in the query; `store.across` is for what concerns all tenants at once, and a test lists who may
 * use it and why.
 */
import { sql } from 'kysely'
import type { DeleteQueryBuilder, DeleteResult, Kysely, Selectable } from 'kysely'
import type { SelectQueryBuilder, UpdateQueryBuilder, UpdateResult } from 'kysely'
import type { TenantId } from '../core/ids.ts'
import type { AllTenants, Schema } from './schema.ts'

/** Tables with a tenant in each row. */
export type TenantTable = {
  [T in keyof Schema]: 'tenant_id' extends keyof Schema[T] ? T : never
}[keyof Schema]

/** Tables without one whose rows belong to a row of a tenant: only to be joined to it. */
type OwnedTable = 'bodies' | 'attempts' | 'dkim_keys'

/** What belongs to the installation and to people. */
export type SharedSchema = Omit<Schema, TenantTable | OwnedTable>

/**
 * Compiles statements. Rows can be put into any table, since a tenant's row has to name its tenant; changed and deleted
 * only in the shared ones.
 */
export interface Builder extends Omit<Kysely<SharedSchema>, 'insertInto'> {
  readonly insertInto: Kysely<Schema>['insertInto']
}

// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- Kysely's word for nothing selected yet
type Empty = {}

export interface TenantScope {
  readonly tenant: TenantId
  /** `select … where <table>.tenant_id = ?`; other tables may be joined to it. */
  selectFrom<T extends TenantTable>(table: T): SelectQueryBuilder<Schema, T, Empty>
  updateTable<T extends TenantTable>(table: T): UpdateQueryBuilder<Schema, T, T, UpdateResult>
  deleteFrom<T extends TenantTable>(table: T): DeleteQueryBuilder<Schema, T, DeleteResult>
}

export type TenantRow<T extends TenantTable> = Selectable<Schema[T]>

/** `read` executes selects; `build` only compiles what the writer will run. */
export function tenantScope(
  tenant: TenantId,
  { read, build }: { readonly read: AllTenants; readonly build: Kysely<Schema> },
): TenantScope {
  const isOwn = (table: string) => sql<boolean>`${sql.ref(`${table}.tenant_id`)} = ${tenant}`
  // Kysely types a query by the very name of its table. Here the name is a parameter: inside, every table is any table
  // with a tenant; outside, the query has the type declared above.
  const reads = read as unknown as AnyTenantTable
  const builds = build as unknown as AnyTenantTable
  return {
    tenant,
    selectFrom: (table) => reads.selectFrom(anyTable(table)).where(isOwn(table)) as never,
    updateTable: (table) => builds.updateTable(anyTable(table)).where(isOwn(table)) as never,
    deleteFrom: (table) => builds.deleteFrom(anyTable(table)).where(isOwn(table)) as never,
  }
}

type AnyTenantTable = Kysely<{ table: { tenant_id: number } }>
const anyTable = (table: TenantTable): 'table' => table as string as 'table'
