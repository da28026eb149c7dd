/**
 * Who belongs to a tenant. A tenant that has an owner keeps one: that is part of the write itself, so that two requests
 * at once cannot take both away. Whoever's role changes signs in anew.
 */
import type { Actor, AuditDraft } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { asId, encodeId } from '../core/ids.ts'
import type { TenantId, UserId } from '../core/ids.ts'
import type { Clock } from '../core/ports.ts'
import { revokeInvitations } from '../store/invitations.ts'
import {
  changeMembership,
  deleteMembership,
  memberOf,
  membersOf,
  requireOwner,
} from '../store/memberships.ts'
import type { MemberRow } from '../store/memberships.ts'
import type { Store } from '../store/open.ts'
import { endSessions } from '../store/sessions.ts'
import type { Change } from '../store/writer.ts'
import type { RequireGrant } from './grants.ts'
import { findNamedRole, namedRole, unchanged } from './role-permissions.ts'

export interface MemberInfo {
  readonly user: UserId
  readonly email: string
  readonly name: string
  readonly role: string
  readonly since: number
  /** False: the setup link was not used yet. */
  readonly hasPassword: boolean
  readonly hasSecondFactor: boolean
  readonly isDeactivated: boolean
}

export interface Members {
  list(tenant: TenantId): Promise<readonly MemberInfo[]>
  /**
   * NOT_FOUND; BODY_INVALID for an unknown role; GRANT_FORBIDDEN when the actor lacks a right of the old or the new
   * role; STATE_CONFLICT for one's own role and for the last owner.
   */
  changeRole(actor: Actor, tenant: TenantId, user: UserId, role: string): Promise<MemberInfo>
  /** NOT_FOUND, GRANT_FORBIDDEN, STATE_CONFLICT for the last owner. */
  remove(actor: Actor, tenant: TenantId, user: UserId): Promise<void>
  /** One's own membership. NOT_FOUND, STATE_CONFLICT for the last owner. */
  leave(actor: Actor, tenant: TenantId, user: UserId): Promise<void>
}

export interface MembersDeps {
  readonly store: Store
  readonly clock: Clock
  readonly requireGrant: RequireGrant
}

const infoOf = (row: MemberRow): MemberInfo => ({
  user: asId('user', row.user_id),
  email: row.email,
  name: row.name,
  role: row.role,
  since: row.created_at,
  hasPassword: row.has_password === 1,
  hasSecondFactor: row.has_second_factor === 1,
  isDeactivated: row.deactivated_at !== null,
})

export function makeMembers({ store, clock, requireGrant }: MembersDeps): Members {
  async function rowOf(tenant: TenantId, user: UserId): Promise<MemberRow> {
    const row = await memberOf(store, tenant, user)
    if (row === undefined) throw new AppError('NOT_FOUND')
    return row
  }

  /** What goes with every end or change of a membership. */
  function consequences(tenant: TenantId, row: MemberRow, because: string): Change[] {
    const now = clock.now()
    return [
      ...(row.role === 'owner' ? [requireOwner(store, tenant)] : []),
      // Whoever may not invite any more has not invited.
      revokeInvitations(store, tenant, { by: row.email }, now),
      endSessions(store, { user: asId('user', row.user_id) }, { at: now, because }),
    ]
  }

  const recordOf = (
    actor: Actor,
    tenant: TenantId,
    row: MemberRow,
    change: Pick<AuditDraft, 'action' | 'before' | 'after'>,
  ): AuditDraft => ({
    actor,
    tenant,
    target: {
      kind: 'user',
      id: encodeId('user', asId('user', row.user_id)),
      name: row.email,
    },
    ...change,
  })

  async function requireOver(actor: Actor, tenant: TenantId, row: MemberRow): Promise<void> {
    const role = await findNamedRole(store, tenant, row.role)
    await requireGrant(actor, role?.permissions ?? [], tenant)
  }

  async function end(actor: Actor, tenant: TenantId, row: MemberRow, action: string) {
    const known = { tenant, user: asId('user', row.user_id), role: row.role }
    const changes = [
      deleteMembership(store, known),
      ...consequences(tenant, row, 'no longer a member'),
    ]
    const record = recordOf(actor, tenant, row, { action, before: { role: row.role } })
    await store.writer.write(changes, record).catch(lastOwner)
  }

  return {
    list: async (tenant) => (await membersOf(store, tenant)).map(infoOf),

    async changeRole(actor, tenant, user, name) {
      const row = await rowOf(tenant, user)
      if (actor.kind === 'user' && actor.id === user)
        throw new AppError('STATE_CONFLICT', { public: 'Somebody else must change your role.' })
      const role = await namedRole(store, tenant, name)
      await requireOver(actor, tenant, row)
      await requireGrant(actor, role.permissions, tenant)
      if (role.name === row.role) return infoOf(row)
      const changes = [
        changeMembership(store, { tenant, user, role: row.role }, role.name),
        ...unchanged(store, role),
        ...consequences(tenant, row, 'role changed'),
      ]
      const record = recordOf(actor, tenant, row, {
        action: 'member.role-changed',
        before: { role: row.role },
        after: { role: role.name },
      })
      await store.writer.write(changes, record).catch(lastOwner)
      return infoOf(await rowOf(tenant, user))
    },

    async remove(actor, tenant, user) {
      const row = await rowOf(tenant, user)
      await requireOver(actor, tenant, row)
      await end(actor, tenant, row, 'member.removed')
    },

    async leave(actor, tenant, user) {
      await end(actor, tenant, await rowOf(tenant, user), 'member.left')
    },
  }
}

/** The conditions in the write speak of states in general. */
function lastOwner(error: unknown): never {
  if (error instanceof AppError && error.code === 'STATE_CONFLICT')
    throw new AppError('STATE_CONFLICT', {
      public: 'That would leave the tenant without an owner, or somebody changed it just now.',
      cause: error,
    })
  throw error
}
