/** What a role of a tenant is, be it built-in or of the tenant's own. */
import { AppError } from '../core/errors.ts'
import type { TenantId } from '../core/ids.ts'
import { ALL_TENANT_PERMISSIONS, BUILT_IN_ROLES, isBuiltInRole } from '../core/permission.ts'
import type { TenantPermission } from '../core/permission.ts'
import type { Store } from '../store/open.ts'
import { findRole, requireRole } from '../store/roles.ts'
import type { RoleRow } from '../store/roles.ts'
import type { Change } from '../store/writer.ts'

const known: ReadonlySet<string> = new Set(ALL_TENANT_PERMISSIONS)
export const isTenantPermission = (value: unknown): value is TenantPermission =>
  typeof value === 'string' && known.has(value)

/** A permission that this version does not know gives nothing. */
export function parsePermissions(json: string): TenantPermission[] {
  const value: unknown = JSON.parse(json)
  return Array.isArray(value) ? value.filter(isTenantPermission) : []
}

export interface NamedRole {
  readonly name: string
  readonly title: string
  readonly permissions: readonly TenantPermission[]
  /** Undefined for a built-in role. */
  readonly row: RoleRow | undefined
}

/** Undefined when the tenant has no such role. */
export async function findNamedRole(
  store: Pick<Store, 'of'>,
  tenant: TenantId,
  name: string,
): Promise<NamedRole | undefined> {
  if (isBuiltInRole(name)) return { name, ...BUILT_IN_ROLES[name], row: undefined }
  const row = await findRole(store, tenant, { name })
  if (row === undefined) return undefined
  return { name, title: row.title, permissions: parsePermissions(row.permissions), row }
}

/** Throws BODY_INVALID. */
export async function namedRole(
  store: Pick<Store, 'of'>,
  tenant: TenantId,
  name: string,
): Promise<NamedRole> {
  const role = await findNamedRole(store, tenant, name)
  if (role !== undefined) return role
  throw new AppError('BODY_INVALID', {
    public: `There is no role ${JSON.stringify(name)} here.`,
    fields: [{ path: 'role', message: 'is not a role of this tenant' }],
  })
}

/** Goes with a change that gives somebody the role: it must still be what it was when that was allowed. */
export const unchanged = (store: Pick<Store, 'of'>, { row }: NamedRole): Change[] =>
  row === undefined ? [] : [requireRole(store, row)]

/** Whoever has such a role decides who else may do what. */
export const rulesOverPeople = (permissions: readonly TenantPermission[]): boolean =>
  permissions.includes('members:manage') || permissions.includes('roles:manage')
