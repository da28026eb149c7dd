/** Invitations into a tenant: made by a member who may, sent by link, taken back at will. Accepting is in account-links.ts. */
import type { Actor, AuditDraft } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { asId, encodeId } from '../core/ids.ts'
import type { InvitationId, TenantId } from '../core/ids.ts'
import type { Clock } from '../core/ports.ts'
import {
  insertInvitation,
  noteMailed,
  openInvitation,
  pendingInvitations,
  renewInvitation,
  revokeInvitations,
} from '../store/invitations.ts'
import type { InvitationRow } from '../store/invitations.ts'
import { memberOf } from '../store/memberships.ts'
import type { Store } from '../store/open.ts'
import { returnedId } from '../store/rows.ts'
import { findUser, userId } from '../store/users.ts'
import type { Catalog } from './catalog.ts'
import type { RequireGrant } from './grants.ts'
import { deliverLink } from './link-delivery.ts'
import type { LinkDelivery } from './link-delivery.ts'
import type { Link, Links } from './links.ts'
import { addressKey } from './person.ts'
import { namedRole, unchanged } from './role-permissions.ts'
import type { NamedRole } from './role-permissions.ts'
import type { SystemMail } from './system-mail.ts'
import { invitationText } from './system-mail-texts.ts'

export interface InvitationInfo {
  readonly id: InvitationId
  readonly email: string
  readonly role: string
  readonly invitedBy: string
  readonly createdAt: number
  readonly expiresAt: number
  /** Undefined: the link was handed to whoever made it. */
  readonly mailedAt: number | undefined
}
export interface Sent {
  readonly invitation: InvitationInfo
  readonly delivery: LinkDelivery
}

export interface Invitations {
  /** Pending ones, the newest first. */
  list(tenant: TenantId): Promise<readonly InvitationInfo[]>
  /**
   * Takes the place of a former one to that address. ADDRESS_INVALID; BODY_INVALID for an unknown role; GRANT_FORBIDDEN;
   * STATE_CONFLICT for somebody who belongs to the tenant already.
   */
  create(actor: Actor, tenant: TenantId, wish: { email: string; role: string }): Promise<Sent>
  /** A new link; the former one ends. NOT_FOUND, GRANT_FORBIDDEN. */
  resend(actor: Actor, tenant: TenantId, id: InvitationId): Promise<Sent>
  /** NOT_FOUND for one that was accepted or taken back. */
  revoke(actor: Actor, tenant: TenantId, id: InvitationId): Promise<void>
  /** What a role would let somebody do; BODY_INVALID for an unknown one. */
  roleOf(tenant: TenantId, role: string): Promise<NamedRole>
  /** The role of a pending one. NOT_FOUND. */
  roleOfInvitation(tenant: TenantId, id: InvitationId): Promise<NamedRole>
}

export interface InvitationsDeps {
  readonly store: Store
  readonly catalog: Pick<Catalog, 'current'>
  readonly clock: Clock
  readonly links: Links
  readonly mail: SystemMail
  readonly requireGrant: RequireGrant
}

const infoOf = (row: InvitationRow): InvitationInfo => ({
  id: asId('invitation', row.id),
  email: row.email,
  role: row.role,
  invitedBy: row.invited_by,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  mailedAt: row.mailed_at ?? undefined,
})

export function makeInvitations(deps: InvitationsDeps): Invitations {
  const { store, catalog, clock, links, mail, requireGrant } = deps

  async function rowOf(tenant: TenantId, id: InvitationId): Promise<InvitationRow> {
    const row = await openInvitation(store, tenant, id)
    if (row === undefined) throw new AppError('NOT_FOUND')
    return row
  }

  async function refuseMember(tenant: TenantId, email: string): Promise<void> {
    const user = await findUser(store, { email })
    if (user === undefined || (await memberOf(store, tenant, userId(user))) === undefined) return
    throw new AppError('STATE_CONFLICT', { public: `${email} belongs to this tenant already.` })
  }

  async function send(tenant: TenantId, id: InvitationId, link: Link): Promise<Sent> {
    const row = await rowOf(tenant, id)
    const delivery = await deliverLink(
      mail,
      row.email,
      link,
      invitationText({
        url: link.url,
        tenant: catalog.current.tenants.get(tenant)?.name ?? '',
        role: row.role,
        invitedBy: row.invited_by,
        expiresAt: link.expiresAt,
      }),
    )
    if (delivery.by === 'by-hand') return { invitation: infoOf(row), delivery }
    const mailedAt = clock.now()
    const record = { unaudited: 'an invitation was mailed' }
    await store.writer.write([noteMailed(store, tenant, link.hash, mailedAt)], record)
    return { invitation: { ...infoOf(row), mailedAt }, delivery }
  }

  const recordOf = (
    { actor, tenant }: { actor: Actor; tenant: TenantId },
    action: string,
    { email, role }: { email: string; role: string },
    id?: InvitationId,
  ): AuditDraft => ({
    actor,
    tenant,
    action,
    target: {
      kind: 'invitation',
      id: id === undefined ? undefined : encodeId('invitation', id),
      name: email,
    },
    after: { role },
  })

  return {
    list: async (tenant) => (await pendingInvitations(store, tenant, clock.now())).map(infoOf),
    roleOf: (tenant, role) => namedRole(store, tenant, role),
    roleOfInvitation: async (tenant, id) =>
      namedRole(store, tenant, (await rowOf(tenant, id)).role),

    async create(actor, tenant, wish) {
      const email = addressKey(wish.email)
      const role = await namedRole(store, tenant, wish.role)
      await requireGrant(actor, role.permissions, tenant)
      await refuseMember(tenant, email)
      const link = links.make('invitation')
      const now = clock.now()
      const { hash, expiresAt } = link
      const invitation = { tenant, email, role: role.name, hash, invitedBy: actor.name, expiresAt }
      const [inserted] = await store.writer.write(
        [
          insertInvitation(store, invitation, now),
          // After the new one, which is told apart by its hash.
          revokeInvitations(store, tenant, { email, except: hash }, now),
          ...unchanged(store, role),
        ],
        recordOf({ actor, tenant }, 'invitation.created', { email, role: role.name }),
      )
      return send(tenant, asId('invitation', returnedId(inserted?.rows)), link)
    },

    async resend(actor, tenant, id) {
      const row = await rowOf(tenant, id)
      const role = await namedRole(store, tenant, row.role)
      // The link may be shown to whoever asks: they must not get by it what they could not give.
      await requireGrant(actor, role.permissions, tenant)
      const link = links.make('invitation')
      const { hash, expiresAt } = link
      await store.writer.write(
        [
          renewInvitation(store, { tenant, id }, { hash, invitedBy: actor.name, expiresAt }),
          ...unchanged(store, role),
        ],
        recordOf({ actor, tenant }, 'invitation.renewed', row, id),
      )
      return send(tenant, id, link)
    },

    async revoke(actor, tenant, id) {
      const row = await rowOf(tenant, id)
      await store.writer.write(
        [revokeInvitations(store, tenant, { id }, clock.now())],
        recordOf({ actor, tenant }, 'invitation.revoked', row, id),
      )
    },
  }
}
