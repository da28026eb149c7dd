/** Roles that a tenant made for itself, beside the built-in ones. Changes are statements for `writer.write`. */
import { sql } from 'kysely'
import { asId } from '../core/ids.ts'
import type { RoleId, TenantId } from '../core/ids.ts'
import type { Store } from './open.ts'
import { nextId } from './rows.ts'
import type { RolesTable } from './schema-control.ts'
import type { Change } from './writer.ts'

type Build = Pick<Store, 'of'>
type Read = Pick<Store, 'of'>
export type RoleRow = Readonly<RolesTable>

const tenantOf = (row: RoleRow): TenantId => asId('tenant', row.tenant_id)

export const rolesOf = ({ of }: Read, tenant: TenantId): Promise<RoleRow[]> =>
  of(tenant).selectFrom('roles').selectAll().orderBy('name').execute()

export const findRole = (
  { of }: Read,
  tenant: TenantId,
  by: { readonly id: RoleId } | { readonly name: string },
): Promise<RoleRow | undefined> => {
  const all = of(tenant).selectFrom('roles').selectAll()
  return (
    'id' in by ? all.where('id', '=', by.id) : all.where('name', '=', by.name)
  ).executeTakeFirst()
}

export interface NewRole {
  readonly tenant: TenantId
  readonly name: string
  readonly title: string
  /** JSON array of TenantPermission. */
  readonly permissions: string
  readonly secondFactor: boolean
}

/** Returns the row's id. The write rejects with NAME_TAKEN. */
export const insertRole = (
  { build }: Pick<Store, 'build'>,
  role: NewRole,
  now: number,
): Change => ({
  query: build
    .insertInto('roles')
    .values({
      id: nextId,
      tenant_id: role.tenant,
      name: role.name,
      title: role.title,
      permissions: role.permissions,
      second_factor: role.secondFactor ? 1 : 0,
      created_at: now,
      changed_at: now,
    })
    .returning('id')
    .compile(),
})

/** `known` is the row as it was read; the write is undone with STATE_CONFLICT when it has changed since. */
export const changeRole = (
  { of }: Build,
  known: RoleRow,
  change: Pick<NewRole, 'title' | 'permissions' | 'secondFactor'>,
  now: number,
): Change => ({
  query: of(tenantOf(known))
    .updateTable('roles')
    .set({
      title: change.title,
      permissions: change.permissions,
      second_factor: change.secondFactor ? 1 : 0,
      changed_at: now,
    })
    .where('id', '=', known.id)
    .where('permissions', '=', known.permissions)
    .compile(),
  expect: { changes: 1, orElse: 'STATE_CONFLICT' },
})

/** The write is undone with STATE_CONFLICT while somebody has the role or is invited to it. */
export const deleteRole = ({ of }: Build, role: RoleRow, now: number): Change => ({
  query: of(tenantOf(role))
    .deleteFrom('roles')
    .where('id', '=', role.id)
    .where(
      sql<boolean>`not exists (select 1 from memberships
        where memberships.tenant_id = roles.tenant_id and memberships.role = roles.name)`,
    )
    .where(
      sql<boolean>`not exists (select 1 from invitations
        where invitations.tenant_id = roles.tenant_id and invitations.role = roles.name
          and accepted_at is null and revoked_at is null and expires_at > ${now})`,
    )
    .compile(),
  expect: { changes: 1, orElse: 'STATE_CONFLICT' },
})

/** Goes with a change that gives somebody this role: it must still be what was looked at when it was allowed. */
export const requireRole = ({ of }: Build, known: RoleRow): Change => ({
  query: of(tenantOf(known))
    .selectFrom('roles')
    .select('name')
    .where('id', '=', known.id)
    .where('permissions', '=', known.permissions)
    .compile(),
  expect: { changes: 1, orElse: 'STATE_CONFLICT' },
})
