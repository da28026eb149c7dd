/** Rows of tenants. Changes are statements for `writer.write`. */
import { sql } from 'kysely'
import type { TenantId } from '../core/ids.ts'
import { bumpCatalog } from './catalog.ts'
import type { Store } from './open.ts'
import { nextId } from './rows.ts'
import type { TenantsTable } from './schema.ts'
import type { Change } from './writer.ts'

type Build = Pick<Store, 'build'>
type Read = Pick<Store, 'read'>

export type TenantRow = Readonly<TenantsTable> & { readonly members: number }

const tenants = ({ read }: Read) =>
  read
    .selectFrom('tenants')
    .selectAll()
    .select(
      sql<number>`(select count(*) from memberships where memberships.tenant_id = tenants.id)`.as(
        'members',
      ),
    )

/** All of them, in the order in which they were made. */
export const listTenants = (store: Read): Promise<TenantRow[]> =>
  tenants(store).orderBy('tenants.id').execute()

export const findTenant = (store: Read, id: TenantId): Promise<TenantRow | undefined> =>
  tenants(store).where('tenants.id', '=', id).executeTakeFirst()

/** Returns the row's id. The write rejects with NAME_TAKEN. */
export const insertTenant = (
  store: Build,
  tenant: { readonly name: string; readonly settings: string },
  now: number,
): Change[] => [
  {
    query: store.build
      .insertInto('tenants')
      .values({ id: nextId, name: tenant.name, created_at: now, settings: tenant.settings })
      .returning('id')
      .compile(),
  },
  bumpCatalog(store),
]

/** `known` is the row as it was read: STATE_CONFLICT when its settings have changed since. May reject with NAME_TAKEN. */
export const changeTenant = (
  store: Build,
  known: Pick<TenantRow, 'id' | 'settings'>,
  change: Partial<Pick<TenantsTable, 'name' | 'disabled_at' | 'settings'>>,
): Change[] => [
  {
    query: store.build
      .updateTable('tenants')
      .set(change)
      .where('id', '=', known.id)
      .where('settings', '=', known.settings)
      .compile(),
    expect: { changes: 1, orElse: 'STATE_CONFLICT' },
  },
  bumpCatalog(store),
]
