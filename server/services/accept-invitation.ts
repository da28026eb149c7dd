/**
 * Accepting an invitation: with a new account, or as who is signed in. An account that exists is never touched by the
 * link alone, since the link may have been shown to whoever made it.
 */
import type { Actor } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { asId, encodeId } from '../core/ids.ts'
import type { TenantId, UserId } from '../core/ids.ts'
import type { Clock } from '../core/ports.ts'
import { acceptInvitation, invitationByHash } from '../store/invitations.ts'
import { insertMembership } from '../store/memberships.ts'
import type { Store } from '../store/open.ts'
import { findUser, insertUser } from '../store/users.ts'
import type { Whence } from './auth/caller.ts'
import { linkActor } from './link-finder.ts'
import type { FindLink } from './link-finder.ts'
import { personName } from './person.ts'

/** Throws PASSWORD_WEAK. */
export type HashPassword = (
  text: string,
  about: { readonly email: string; readonly name: string },
) => Promise<string>

export interface Acceptance {
  /** For somebody new. SESSION_REQUIRED for an address that has an account; else as `setUp`. */
  acceptNew(
    wish: { token: string; name?: string | undefined; password?: string | undefined },
    whence: Whence,
  ): Promise<{ email: string; tenant: TenantId }>
  /** For who is signed in. LINK_INVALID, RATE_LIMITED, STATE_CONFLICT when it is for another address. */
  acceptAs(
    actor: Actor,
    person: { readonly id: UserId; readonly email: string },
    token: string,
    whence: Whence,
  ): Promise<{ email: string; tenant: TenantId }>
}

const tenantOf = (row: { readonly tenant_id: number }): TenantId => asId('tenant', row.tenant_id)

export function makeAcceptance(deps: {
  readonly store: Store
  readonly clock: Clock
  readonly find: FindLink
  readonly hashPassword: HashPassword
}): Acceptance {
  const { store, clock, find, hashPassword } = deps
  const invitationOf = (token: string, whence: Whence) =>
    find(token, whence, (hash) => invitationByHash(store, hash, clock.now()))
  return {
    async acceptNew({ token, name: typed, password }, whence) {
      const row = await invitationOf(token, whence)
      if ((await findUser(store, { email: row.email })) !== undefined)
        throw new AppError('SESSION_REQUIRED', {
          public: 'This address has an account: sign in, then accept.',
        })
      if (password === undefined || typed === undefined)
        throw new AppError('BODY_INVALID', {
          public: 'A new account needs a name and a password.',
          fields: [
            {
              path: typed === undefined ? 'name' : 'password',
              message: 'is needed for an account',
            },
          ],
        })
      const { email } = row
      const name = personName(typed)
      const passwordHash = await hashPassword(password, { email, name })
      const now = clock.now()
      const tenant = tenantOf(row)
      // A link that was handed over proves nothing about the address.
      const confirmedAt = row.mailed_at === null ? undefined : now
      await store.writer.write(
        [
          insertUser(store, { email, name, passwordHash, confirmedAt }, now),
          acceptInvitation(store, tenant, row.hash, now),
          insertMembership(store, { tenant, user: { email }, role: row.role }, now),
        ],
        {
          actor: linkActor(undefined, email, whence),
          tenant,
          action: 'invitation.accepted',
          target: { kind: 'user', id: undefined, name: email },
          after: { role: row.role, invitedBy: row.invited_by },
        },
      )
      return { email, tenant }
    },

    async acceptAs(actor, { id, email }, token, whence) {
      const row = await invitationOf(token, whence)
      if (row.email !== email)
        throw new AppError('STATE_CONFLICT', { public: 'This invitation is for another address.' })
      const tenant = tenantOf(row)
      const now = clock.now()
      await store.writer.write(
        [
          acceptInvitation(store, tenant, row.hash, now),
          insertMembership(store, { tenant, user: id, role: row.role }, now),
        ],
        {
          actor,
          tenant,
          action: 'invitation.accepted',
          target: { kind: 'user', id: encodeId('user', id), name: email },
          after: { role: row.role, invitedBy: row.invited_by },
        },
      )
      return { email, tenant }
    },
  }
}
