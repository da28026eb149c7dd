/** Roles of a tenant: the built-in ones, and those it made for itself. Nobody makes one with rights that they lack. */
import type { Actor, AuditDraft, AuditValue } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { asId, encodeId } from '../core/ids.ts'
import type { RoleId, TenantId } from '../core/ids.ts'
import { BUILT_IN_ROLES, isBuiltInRole } from '../core/permission.ts'
import type { TenantPermission } from '../core/permission.ts'
import type { Clock } from '../core/ports.ts'
import { endSessionsOfMembers } from '../store/memberships.ts'
import type { Store } from '../store/open.ts'
import { changeRole, deleteRole, findRole, insertRole, rolesOf } from '../store/roles.ts'
import type { RoleRow } from '../store/roles.ts'
import type { Change } from '../store/writer.ts'
import type { RequireGrant } from './grants.ts'
import { isTenantPermission, parsePermissions } from './role-permissions.ts'
import { BUILT_IN_ROLE_NAMES } from './tenant-settings.ts'

export interface RoleInfo {
  /** Undefined for a built-in role. */
  readonly id: RoleId | undefined
  readonly name: string
  readonly title: string
  readonly description: string | undefined
  readonly permissions: readonly TenantPermission[]
  /** Whoever has it must have a second factor; of a built-in role that is a setting of the tenant. */
  readonly secondFactor: boolean
}

export interface RoleWish {
  readonly title: string
  readonly permissions: readonly string[]
  readonly secondFactor: boolean
}

export interface Roles {
  /** Built-in ones first. */
  list(tenant: TenantId): Promise<readonly RoleInfo[]>
  /** One of the tenant's own, by name. NOT_FOUND. */
  byName(tenant: TenantId, name: string): Promise<RoleInfo & { readonly id: RoleId }>
  /** BODY_INVALID, NAME_TAKEN, GRANT_FORBIDDEN. */
  add(actor: Actor, tenant: TenantId, role: RoleWish & { readonly name: string }): Promise<RoleInfo>
  /** The name stays for good. NOT_FOUND, BODY_INVALID, GRANT_FORBIDDEN. */
  change(actor: Actor, tenant: TenantId, id: RoleId, change: Partial<RoleWish>): Promise<RoleInfo>
  /** NOT_FOUND; STATE_CONFLICT while somebody has it or is invited to it. */
  remove(actor: Actor, tenant: TenantId, id: RoleId): Promise<void>
}

export interface RolesDeps {
  readonly store: Store
  readonly clock: Clock
  readonly requireGrant: RequireGrant
}

const NAME = /^[a-z][a-z0-9-]{0,31}$/

const infoOf = (row: RoleRow): RoleInfo & { readonly id: RoleId } => ({
  id: asId('role', row.id),
  name: row.name,
  title: row.title,
  description: undefined,
  permissions: parsePermissions(row.permissions),
  secondFactor: row.second_factor === 1,
})

const builtIn: readonly RoleInfo[] = BUILT_IN_ROLE_NAMES.map((name) => ({
  id: undefined,
  name,
  ...BUILT_IN_ROLES[name],
  secondFactor: false,
}))

const factsOf = ({ title, permissions, secondFactor }: RoleInfo): AuditValue => ({
  title,
  permissions,
  secondFactor,
})

/** Each once, in the order of the list. Throws BODY_INVALID. */
function permissionsOf(texts: readonly string[]): TenantPermission[] {
  const unknown = texts.filter((text) => !isTenantPermission(text))
  if (unknown.length > 0)
    throw new AppError('BODY_INVALID', {
      public: `No permissions of a tenant: ${unknown.join(', ')}.`,
      fields: [{ path: 'permissions', message: 'has a permission that a tenant cannot give' }],
    })
  return [...new Set(texts.filter(isTenantPermission))]
}

export function makeRoles({ store, clock, requireGrant }: RolesDeps): Roles {
  async function rowOf(tenant: TenantId, id: RoleId): Promise<RoleRow> {
    const row = await findRole(store, tenant, { id })
    if (row === undefined) throw new AppError('NOT_FOUND')
    return row
  }
  const recordOf = (
    { actor, tenant }: { actor: Actor; tenant: TenantId },
    name: string,
    id: RoleId | undefined,
    change: Pick<AuditDraft, 'action' | 'before' | 'after'>,
  ): AuditDraft => ({
    actor,
    tenant,
    target: { kind: 'role', id: id === undefined ? undefined : encodeId('role', id), name },
    ...change,
  })

  return {
    list: async (tenant) => [...builtIn, ...(await rolesOf(store, tenant)).map(infoOf)],

    async byName(tenant, name) {
      const row = await findRole(store, tenant, { name })
      if (row === undefined) throw new AppError('NOT_FOUND')
      return infoOf(row)
    },

    async add(actor, tenant, { name, title, permissions: texts, secondFactor }) {
      if (!NAME.test(name))
        throw new AppError('BODY_INVALID', {
          public:
            'A role name has 1 to 32 lower-case letters, digits and hyphens, a letter in front.',
          fields: [{ path: 'name', message: 'is not a role name' }],
        })
      if (isBuiltInRole(name)) throw new AppError('NAME_TAKEN')
      const permissions = permissionsOf(texts)
      await requireGrant(actor, permissions, tenant)
      const row = { tenant, name, title, permissions: JSON.stringify(permissions), secondFactor }
      const after = { title, permissions, secondFactor }
      await store.writer.write(
        [insertRole(store, row, clock.now())],
        recordOf({ actor, tenant }, name, undefined, { action: 'role.created', after }),
      )
      const made = await findRole(store, tenant, { name })
      if (made === undefined) throw new AppError('INTERNAL', { detail: 'A new role is not there.' })
      return infoOf(made)
    },

    async change(actor, tenant, id, change) {
      const row = await rowOf(tenant, id)
      const before = infoOf(row)
      const after: RoleInfo = {
        ...before,
        title: change.title ?? before.title,
        permissions:
          change.permissions === undefined ? before.permissions : permissionsOf(change.permissions),
        secondFactor: change.secondFactor ?? before.secondFactor,
      }
      // What it gave before counts too: taking rights from others is for those who have them.
      await requireGrant(actor, [...before.permissions, ...after.permissions], tenant)
      const json = JSON.stringify(after.permissions)
      const now = clock.now()
      const changes: Change[] = [changeRole(store, row, { ...after, permissions: json }, now)]
      if (json !== row.permissions) {
        const whose = {
          tenant,
          role: row.name,
          except: actor.kind === 'user' ? actor.id : undefined,
        }
        changes.push(endSessionsOfMembers(store, whose, { at: now, because: 'role changed' }))
      }
      await store.writer.write(
        changes,
        recordOf({ actor, tenant }, row.name, id, {
          action: 'role.changed',
          before: factsOf(before),
          after: factsOf(after),
        }),
      )
      return after
    },

    async remove(actor, tenant, id) {
      const row = await rowOf(tenant, id)
      const before = infoOf(row)
      await requireGrant(actor, before.permissions, tenant)
      await store.writer
        .write(
          [deleteRole(store, row, clock.now())],
          recordOf({ actor, tenant }, row.name, id, {
            action: 'role.removed',
            before: factsOf(before),
          }),
        )
        .catch((error: unknown) => {
          if (!(error instanceof AppError) || error.code !== 'STATE_CONFLICT') throw error
          throw new AppError('STATE_CONFLICT', {
            public: 'Somebody has this role or is invited to it.',
            cause: error,
          })
        })
    },
  }
}
