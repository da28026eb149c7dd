/** Invitations into a tenant. Only the hash of a link is here. Changes are statements for `writer.write`. */
import type { InvitationId, TenantId } from '../core/ids.ts'
import type { Store } from './open.ts'
import { nextId } from './rows.ts'
import type { InvitationsTable } from './schema-control.ts'
import type { Change } from './writer.ts'

type Build = Pick<Store, 'of'>
type Read = Pick<Store, 'of'>
export type InvitationRow = Readonly<InvitationsTable>

/** Those that can still be accepted, the newest first. */
export const pendingInvitations = (
  { of }: Read,
  tenant: TenantId,
  now: number,
): Promise<InvitationRow[]> =>
  of(tenant)
    .selectFrom('invitations')
    .selectAll()
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', now)
    .orderBy('id', 'desc')
    .execute()

/** One that was neither accepted nor taken back; it may have expired. */
export const openInvitation = (
  { of }: Read,
  tenant: TenantId,
  id: InvitationId,
): Promise<InvitationRow | undefined> =>
  of(tenant)
    .selectFrom('invitations')
    .selectAll()
    .where('id', '=', id)
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()

/** Undefined for one that never was, is over, or is into a tenant that is disabled. */
export const invitationByHash = (
  { across }: Pick<Store, 'across'>,
  hash: string,
  now: number,
): Promise<(InvitationRow & { readonly tenant_name: string }) | undefined> =>
  across.read
    .selectFrom('invitations')
    .innerJoin('tenants', 'tenants.id', 'invitations.tenant_id')
    .selectAll('invitations')
    .select('tenants.name as tenant_name')
    .where('invitations.hash', '=', hash)
    .where('invitations.accepted_at', 'is', null)
    .where('invitations.revoked_at', 'is', null)
    .where('invitations.expires_at', '>', now)
    .where('tenants.disabled_at', 'is', null)
    .executeTakeFirst()

export interface NewInvitation {
  readonly tenant: TenantId
  readonly email: string
  readonly role: string
  readonly hash: string
  readonly invitedBy: string
  readonly expiresAt: number
}

/** Returns the row's id. */
export const insertInvitation = (
  { build }: Pick<Store, 'build'>,
  invitation: NewInvitation,
  now: number,
): Change => ({
  query: build
    .insertInto('invitations')
    .values({
      id: nextId,
      tenant_id: invitation.tenant,
      email: invitation.email,
      role: invitation.role,
      hash: invitation.hash,
      invited_by: invitation.invitedBy,
      created_at: now,
      expires_at: invitation.expiresAt,
    })
    .returning('id')
    .compile(),
})

/** Takes back what is pending in a tenant: one (NOT_FOUND), all to an address, or all by somebody. */
export function revokeInvitations(
  { of }: Build,
  tenant: TenantId,
  which:
    | { readonly id: InvitationId }
    /** `except`: the hash of the one that takes their place. */
    | { readonly email: string; readonly except: string }
    | { readonly by: string },
  now: number,
): Change {
  const pending = of(tenant)
    .updateTable('invitations')
    .set({ revoked_at: now })
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null)
  if ('id' in which)
    return {
      query: pending.where('id', '=', which.id).compile(),
      expect: { changes: 1, orElse: 'NOT_FOUND' },
    }
  const some =
    'email' in which
      ? pending.where('email', '=', which.email).where('hash', '!=', which.except)
      : pending.where('invited_by', '=', which.by)
  return { query: some.compile() }
}

/** All that somebody has sent out, in whatever tenant. */
export const revokeAllInvitations = (
  { across }: Pick<Store, 'across'>,
  by: string,
  now: number,
): Change => ({
  query: across.build
    .updateTable('invitations')
    .set({ revoked_at: now })
    .where('invited_by', '=', by)
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null)
    .compile(),
})

/** A new link in place of the old one. */
export const renewInvitation = (
  { of }: Build,
  row: { readonly tenant: TenantId; readonly id: InvitationId },
  change: { readonly hash: string; readonly invitedBy: string; readonly expiresAt: number },
): Change => ({
  query: of(row.tenant)
    .updateTable('invitations')
    .set({
      hash: change.hash,
      invited_by: change.invitedBy,
      expires_at: change.expiresAt,
      mailed_at: null,
    })
    .where('id', '=', row.id)
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null)
    .compile(),
  expect: { changes: 1, orElse: 'NOT_FOUND' },
})

export const noteMailed = ({ of }: Build, tenant: TenantId, hash: string, now: number): Change => ({
  query: of(tenant)
    .updateTable('invitations')
    .set({ mailed_at: now })
    .where('hash', '=', hash)
    .compile(),
})

/** The write is undone with LINK_INVALID unless this is its first use: of two at once one wins. */
export const acceptInvitation = (
  { of }: Build,
  tenant: TenantId,
  hash: string,
  now: number,
): Change => ({
  query: of(tenant)
    .updateTable('invitations')
    .set({ accepted_at: now })
    .where('hash', '=', hash)
    .where('accepted_at', 'is', null)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', now)
    .compile(),
  expect: { changes: 1, orElse: 'LINK_INVALID' },
})
