/**
 * What a person may do where, as CASL rules: the server asks them, and the admin gets the same rules packed, so that
 * it shows what the server would allow and nothing else.
 */
import { createMongoAbility, subject } from '@casl/ability'
import type { MongoAbility, RawRuleOf } from '@casl/ability'
import { packRules } from '@casl/ability/extra'
import type { PackRule } from '@casl/ability/extra'
import { encodeId } from '../../core/ids.ts'
import type { TenantId } from '../../core/ids.ts'
import { BUILT_IN_ROLES, PLATFORM_ROLES } from '../../core/permission.ts'
import type { Permission, PlatformRole, TenantPermission } from '../../core/permission.ts'

type Ability = MongoAbility
export type PackedRules = PackRule<RawRuleOf<Ability>>[]

export interface Grants {
  readonly platform: PlatformRole | undefined
  readonly tenants: readonly {
    readonly tenant: TenantId
    readonly permissions: readonly TenantPermission[]
  }[]
}

export interface Abilities {
  /** `tenant` is the tenant that a tenant permission is asked for; a platform permission needs none. */
  can(permission: Permission, tenant: TenantId | undefined): boolean
  /** For the admin: `unpackRules`, then ask with the subject `{ tenant: 'ten_…' }`. */
  packed(): PackedRules
}

/** `keys:manage` → subject `keys`, action `manage`. */
function partsOf(permission: Permission): { readonly resource: string; readonly action: string } {
  const [resource = '', action = ''] = permission.split(':')
  return { resource, action }
}

// CASL's own wildcards are `manage` and `all`; `manage` is a plain word of ours, so both are given other names.
const WORDS = { anyAction: '*', anySubjectType: '*' }

export function abilitiesOf({ platform, tenants }: Grants): Abilities {
  const rules: RawRuleOf<Ability>[] = []
  const grant = (permissions: readonly Permission[], conditions?: { tenant: string }): void => {
    for (const permission of permissions) {
      const { resource, action } = partsOf(permission)
      rules.push({ action, subject: resource, ...(conditions === undefined ? {} : { conditions }) })
    }
  }
  for (const { tenant, permissions } of tenants)
    grant(permissions, { tenant: encodeId('tenant', tenant) })
  const role = platform === undefined ? undefined : PLATFORM_ROLES[platform]
  if (role !== undefined) {
    grant(role.permissions)
    grant(BUILT_IN_ROLES[role.inTenants].permissions)
  }
  const ability = createMongoAbility(rules, WORDS)
  return {
    can(permission, tenant) {
      const { resource, action } = partsOf(permission)
      const where = tenant === undefined ? {} : { tenant: encodeId('tenant', tenant) }
      return ability.can(action, subject(resource, where))
    },
    packed: () => packRules(ability.rules),
  }
}
