/**
 * What a caller may do, in one list that routes, roles, keys and the admin share. A tenant permission holds inside one
 * tenant; a platform permission holds for the installation and is never part of a tenant's role.
 */

/** permission → what it lets somebody do, for people. */
export const TENANT_PERMISSIONS = {
  'messages:send': 'Send messages.',
  'messages:read': 'See messages, deliveries, events and their content.',
  'messages:manage': 'Cancel and retry messages.',
  'domains:read': 'See sender domains and the records to publish.',
  'domains:manage': 'Add and remove sender domains.',
  'suppressions:read': 'See who must not be mailed.',
  'suppressions:manage': 'Add and lift suppressions.',
  'keys:read': 'See API keys and SMTP logins, without their secrets.',
  'keys:manage': 'Make, rotate and revoke API keys and SMTP logins.',
  'members:read': 'See who belongs to the tenant.',
  'members:manage': 'Invite people, change their roles, take them out.',
  'roles:manage': 'Make and change roles.',
  'quotas:read': 'See quotas and how much of them is used.',
  'quotas:manage': 'Set quotas of domains and SMTP logins.',
  'tenant:manage': 'Change settings of the tenant.',
  'audit:read': 'Read the audit log.',
  'security:read': 'See security events.',
  'security:manage': 'Mark security events as handled.',
  'billing:read': 'See plan, usage and invoices.',
  'billing:manage': 'Change the plan and pay.',
} as const
export type TenantPermission = keyof typeof TENANT_PERMISSIONS

export const PLATFORM_PERMISSIONS = {
  'tenants:read': 'See all tenants.',
  'tenants:manage': 'Make, disable and limit tenants.',
  'users:read': 'See all people.',
  'users:manage': 'Make, deactivate and release people, give platform roles.',
  'egress:read': 'See sources, pools, routes and limits.',
  'egress:manage': 'Change sources, pools, routes and limits.',
  'queue:read': 'See the queue of all tenants.',
  'queue:manage': 'Suspend, resume, retry and rebuild the queue.',
  'backups:read': 'See backups.',
  'backups:manage': 'Make, verify and delete backups.',
  'installation:read': 'See health, settings, and the audit and security logs of the installation.',
  'installation:manage': 'Rotate secrets and change settings of the installation.',
} as const
export type PlatformPermission = keyof typeof PLATFORM_PERMISSIONS

export type Permission = TenantPermission | PlatformPermission

// The keys of a const object are its type's keys.
const keysOf = <T extends object>(of: T): readonly (keyof T)[] => Object.keys(of) as (keyof T)[]
export const ALL_TENANT_PERMISSIONS = keysOf(TENANT_PERMISSIONS)
export const ALL_PLATFORM_PERMISSIONS = keysOf(PLATFORM_PERMISSIONS)
export const ALL_PERMISSIONS: readonly Permission[] = [
  ...ALL_TENANT_PERMISSIONS,
  ...ALL_PLATFORM_PERMISSIONS,
]

const known: ReadonlySet<string> = new Set(ALL_PERMISSIONS)
export const isPermission = (text: string): text is Permission => known.has(text)
export const isPlatformPermission = (text: string): text is PlatformPermission =>
  Object.hasOwn(PLATFORM_PERMISSIONS, text)

export interface RoleSpec {
  readonly title: string
  readonly description: string
  readonly permissions: readonly TenantPermission[]
}

const READ: readonly TenantPermission[] = [
  'messages:read',
  'domains:read',
  'suppressions:read',
  'quotas:read',
]
const without = (...taken: readonly TenantPermission[]): readonly TenantPermission[] =>
  ALL_TENANT_PERMISSIONS.filter((permission) => !taken.includes(permission))

/** Roles that every tenant has. Roles of a tenant's own stand beside them (table `roles`). */
export const BUILT_IN_ROLES = {
  owner: {
    title: 'Owner',
    description: 'Everything in the tenant. There is always one.',
    permissions: ALL_TENANT_PERMISSIONS,
  },
  admin: {
    title: 'Admin',
    description: 'Everything but billing.',
    permissions: without('billing:manage'),
  },
  operator: {
    title: 'Operator',
    description: 'Looks after delivery: messages, domains, suppressions.',
    permissions: [
      ...READ,
      'messages:manage',
      'domains:manage',
      'suppressions:manage',
      'keys:read',
      'members:read',
      'security:read',
    ],
  },
  developer: {
    title: 'Developer',
    description: 'Connects applications: sends, keys, domains.',
    permissions: [
      ...READ,
      'messages:send',
      'messages:manage',
      'domains:manage',
      'keys:read',
      'keys:manage',
      'members:read',
    ],
  },
  analyst: {
    title: 'Analyst',
    description: 'Looks, and changes nothing.',
    permissions: [...READ, 'members:read'],
  },
  billing: {
    title: 'Billing',
    description: 'Plan, usage and invoices.',
    permissions: ['quotas:read', 'billing:read', 'billing:manage'],
  },
} as const satisfies Record<string, RoleSpec>
export type BuiltInRole = keyof typeof BUILT_IN_ROLES
export const isBuiltInRole = (name: string): name is BuiltInRole =>
  Object.hasOwn(BUILT_IN_ROLES, name)

export interface PlatformRoleSpec {
  readonly title: string
  readonly description: string
  readonly permissions: readonly PlatformPermission[]
  /** What the role may do in every tenant. */
  readonly inTenants: BuiltInRole
}

/** Roles over the whole installation, apart from any tenant's. */
export const PLATFORM_ROLES = {
  admin: {
    title: 'Platform admin',
    description: 'Everything, in every tenant.',
    permissions: ALL_PLATFORM_PERMISSIONS,
    inTenants: 'owner',
  },
  operator: {
    title: 'Platform operator',
    description: 'Keeps mail moving: egress, queue, health. No people, no secrets.',
    permissions: [
      'tenants:read',
      'egress:read',
      'egress:manage',
      'queue:read',
      'queue:manage',
      'backups:read',
      'installation:read',
    ],
    inTenants: 'operator',
  },
  analyst: {
    title: 'Platform analyst',
    description: 'Looks everywhere, and changes nothing.',
    permissions: ['tenants:read', 'egress:read', 'queue:read', 'installation:read'],
    inTenants: 'analyst',
  },
} as const satisfies Record<string, PlatformRoleSpec>
export type PlatformRole = keyof typeof PLATFORM_ROLES
export const isPlatformRole = (name: string): name is PlatformRole =>
  Object.hasOwn(PLATFORM_ROLES, name)
