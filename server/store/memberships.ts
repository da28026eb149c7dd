/** Who belongs to which tenant, and by what role. */
import type { UserId } from '../core/ids.ts'
import type { Store } from './open.ts'

export interface MembershipRow {
  readonly tenant_id: number
  readonly tenant_name: string
  /** JSON of TenantSettings. */
  readonly tenant_settings: string
  readonly role: string
  /** JSON of the tenant's own role of that name; null for a built-in one. */
  readonly permissions: string | null
  readonly second_factor: number | null
}

/** The live tenants that somebody belongs to, in the order of the tenants. */
export const membershipsOf = (store: Pick<Store, 'read'>, user: UserId): Promise<MembershipRow[]> =>
  store.read
    .selectFrom('memberships')
    .innerJoin('tenants', 'tenants.id', 'memberships.tenant_id')
    .leftJoin('roles', (join) =>
      join
        .onRef('roles.tenant_id', '=', 'memberships.tenant_id')
        .onRef('roles.name', '=', 'memberships.role'),
    )
    .select([
      'memberships.tenant_id',
      'tenants.name as tenant_name',
      'tenants.settings as tenant_settings',
      'memberships.role',
      'roles.permissions',
      'roles.second_factor',
    ])
    .where('memberships.user_id', '=', user)
    .where('tenants.disabled_at', 'is', null)
    .orderBy('memberships.tenant_id')
    .execute()
