/**
 * The people of the installation, as its operators see them. Deactivating somebody ends all their access at once; API
 * keys and SMTP logins they made belong to the tenant, go on working, and are named so that somebody can decide.
 */
import type { Actor, AuditDraft, AuditValue } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { asId, encodeId } from '../core/ids.ts'
import type { TenantId, UserId } from '../core/ids.ts'
import { isPlatformRole, PLATFORM_ROLES } from '../core/permission.ts'
import type { PlatformRole } from '../core/permission.ts'
import type { Clock } from '../core/ports.ts'
import { revokeAllInvitations } from '../store/invitations.ts'
import { insertMembership } from '../store/memberships.ts'
import type { Store } from '../store/open.ts'
import { endSessions } from '../store/sessions.ts'
import { endTokens } from '../store/user-tokens.ts'
import {
  accessMadeBy,
  changeUser,
  deleteSecondFactors,
  findUser,
  hasSecondFactor,
  insertUser,
  listUsers,
  requirePlatformAdmin,
} from '../store/users.ts'
import type { MadeAccess, UserChange, UserRow } from '../store/users.ts'
import type { Change } from '../store/writer.ts'
import { makeRequireGrant } from './grants.ts'
import type { Links } from './links.ts'
import { deliverLink } from './link-delivery.ts'
import type { LinkDelivery } from './link-delivery.ts'
import { addressKey, emailKey, makePersonReads, personName } from './person.ts'
import type { PersonReads } from './person.ts'
import { namedRole, unchanged } from './role-permissions.ts'
import type { SystemMail } from './system-mail.ts'
import { noticeText, setupText } from './system-mail-texts.ts'

export interface UserInfo {
  readonly id: UserId
  readonly email: string
  readonly name: string
  readonly platformRole: PlatformRole | undefined
  readonly createdAt: number
  /** When the address was proved. */
  readonly confirmedAt: number | undefined
  readonly deactivatedAt: number | undefined
  readonly lockedAt: number | undefined
  readonly lockedBecause: string | undefined
  readonly hasPassword: boolean
  readonly hasSecondFactor: boolean
}

export interface NewPerson {
  readonly email: string
  readonly name: string
  readonly platformRole?: PlatformRole | undefined
  /** A first place to belong to. */
  readonly membership?: { readonly tenant: TenantId; readonly role: string } | undefined
}

/** What is not named stays; null takes the role away. */
export interface PersonChange {
  readonly name?: string | undefined
  readonly platformRole?: PlatformRole | null | undefined
}

export interface People extends PersonReads {
  /** A page, oldest first. `after` is the last id of the page before. */
  list(page: {
    readonly after: number | undefined
    readonly limit: number
  }): Promise<readonly UserInfo[]>
  /** NOT_FOUND. */
  get(user: UserId): Promise<UserInfo>
  /** By address as typed; NOT_FOUND. */
  byEmail(email: string): Promise<UserInfo>
  /** ADDRESS_INVALID, NAME_TAKEN, GRANT_FORBIDDEN. With a setup link, good for 7 days. */
  add(actor: Actor, person: NewPerson): Promise<{ user: UserInfo; delivery: LinkDelivery }>
  /** NOT_FOUND, GRANT_FORBIDDEN, STATE_CONFLICT for the last platform admin. */
  change(actor: Actor, user: UserId, change: PersonChange): Promise<UserInfo>
  /** STATE_CONFLICT for oneself and the last platform admin. Resolves with what they made and still works. */
  deactivate(
    actor: Actor,
    user: UserId,
  ): Promise<{ user: UserInfo; stillWorking: readonly MadeAccess[] }>
  reactivate(actor: Actor, user: UserId): Promise<UserInfo>
  /** Lifts a lock. */
  release(actor: Actor, user: UserId): Promise<UserInfo>
  /** Takes every second factor away and signs them out. */
  resetSecondFactor(actor: Actor, user: UserId): Promise<UserInfo>
  /** Ends all their sessions; resolves with how many. */
  signOut(actor: Actor, user: UserId): Promise<number>
  /** A new link to hand over; the former one ends. STATE_CONFLICT for somebody who is deactivated. */
  link(
    actor: Actor,
    user: UserId,
    purpose: 'setup' | 'reset',
  ): Promise<{ readonly url: string; readonly expiresAt: number }>
}

export interface PeopleDeps {
  readonly store: Store
  readonly clock: Clock
  readonly links: Links
  readonly mail: SystemMail
  /** Of everybody, by configuration. */
  readonly requireSecondFactor: boolean
}

const infoOf = (row: UserRow, hasSecond: boolean): UserInfo => ({
  id: asId('user', row.id),
  email: row.email,
  name: row.name,
  platformRole:
    row.platform_role !== null && isPlatformRole(row.platform_role) ? row.platform_role : undefined,
  createdAt: row.created_at,
  confirmedAt: row.confirmed_at ?? undefined,
  deactivatedAt: row.deactivated_at ?? undefined,
  lockedAt: row.locked_at ?? undefined,
  lockedBecause: row.locked_because ?? undefined,
  hasPassword: row.password_hash !== null,
  hasSecondFactor: hasSecond,
})

export function makePeople(deps: PeopleDeps): People {
  const { store, clock, links, mail } = deps
  const reads = makePersonReads(deps)
  const requireGrant = makeRequireGrant(reads)

  async function rowOf(id: UserId): Promise<UserRow> {
    const row = await findUser(store, { id })
    if (row === undefined) throw new AppError('NOT_FOUND')
    return row
  }
  const get = async (id: UserId): Promise<UserInfo> =>
    infoOf(await rowOf(id), await hasSecondFactor(store, id))

  /** A platform admin is touched only by somebody who has all their rights. */
  const requireOver = (actor: Actor, row: UserRow): Promise<void> =>
    requireGrant(actor, platformPermissions(row.platform_role), undefined)

  const recordOf = (
    actor: Actor,
    row: UserRow,
    action: string,
    facts: { before?: AuditValue; after?: AuditValue } = {},
  ): AuditDraft => ({
    actor,
    tenant: undefined,
    action,
    target: { kind: 'user', id: encodeId('user', asId('user', row.id)), name: row.email },
    ...facts,
  })
  const signOutChange = (user: UserId, because: string): Change =>
    endSessions(store, { user }, { at: clock.now(), because })
  /** Behind a change that may have taken the last one away. */
  const guardOf = (row: UserRow): Change[] =>
    row.platform_role === 'admin' ? [requirePlatformAdmin(store)] : []

  return {
    ...reads,
    async list(page) {
      const rows = await listUsers(store, page)
      return rows.map((row) => infoOf(row, row.second_factor === 1))
    },
    get,
    async byEmail(text) {
      const email = emailKey(text)
      const row = email === undefined ? undefined : await findUser(store, { email })
      if (row === undefined) throw new AppError('NOT_FOUND')
      return get(asId('user', row.id))
    },

    async add(actor, { email: text, name: typed, platformRole, membership }) {
      const email = addressKey(text)
      const name = personName(typed)
      await requireGrant(actor, platformPermissions(platformRole ?? null), undefined)
      const now = clock.now()
      const { link, changes } = links.forNewUser('setup', email)
      const joins: Change[] = []
      if (membership !== undefined) {
        const { tenant } = membership
        const role = await namedRole(store, tenant, membership.role)
        await requireGrant(actor, role.permissions, tenant)
        joins.push(
          ...unchanged(store, role),
          insertMembership(store, { tenant, user: { email }, role: role.name }, now),
        )
      }
      await store.writer.write(
        [insertUser(store, { email, name, platformRole }, now), ...changes, ...joins],
        {
          actor,
          tenant: membership?.tenant,
          action: 'user.created',
          target: { kind: 'user', id: undefined, name: email },
          after: { name, platformRole: platformRole ?? null, role: membership?.role ?? null },
        },
      )
      const row = await findUser(store, { email })
      if (row === undefined) throw new AppError('INTERNAL', { detail: 'A new user is not there.' })
      const delivery = await deliverLink(mail, email, link, setupText(link))
      return { user: infoOf(row, false), delivery }
    },

    async change(actor, id, { name: typed, platformRole }) {
      const row = await rowOf(id)
      const name = typed === undefined ? row.name : personName(typed)
      const role = platformRole === undefined ? row.platform_role : platformRole
      const changes: Change[] = []
      const change: UserChange = { name, platform_role: role }
      if (role === row.platform_role) changes.push(changeUser(store, id, change))
      else {
        refuseOneself(actor, id, 'Somebody else must change your role.')
        await requireOver(actor, row)
        await requireGrant(actor, platformPermissions(role), undefined)
        changes.push(
          changeUser(store, id, change, { platform_role: row.platform_role }),
          ...guardOf(row),
          signOutChange(id, 'role changed'),
        )
      }
      const facts = {
        before: { name: row.name, platformRole: row.platform_role },
        after: { name, platformRole: role },
      }
      const action = role === row.platform_role ? 'user.changed' : 'user.role-changed'
      await store.writer.write(changes, recordOf(actor, row, action, facts)).catch(lastAdmin)
      return get(id)
    },

    async deactivate(actor, id) {
      refuseOneself(actor, id, 'You cannot deactivate yourself.')
      const row = await rowOf(id)
      await requireOver(actor, row)
      const now = clock.now()
      const changes = [
        changeUser(store, id, { deactivated_at: row.deactivated_at ?? now }),
        ...guardOf(row),
        signOutChange(id, 'deactivated'),
        endTokens(store, { user: id }, now),
        revokeAllInvitations(store, row.email, now),
      ]
      const stillWorking = await accessMadeBy(store, row.email)
      const after = { stillWorking: stillWorking.map(({ kind, name }) => `${kind} ${name}`) }
      await store.writer
        .write(changes, recordOf(actor, row, 'user.deactivated', { after }))
        .catch(lastAdmin)
      return { user: await get(id), stillWorking }
    },

    async reactivate(actor, id) {
      const row = await rowOf(id)
      await requireOver(actor, row)
      await store.writer.write(
        [changeUser(store, id, { deactivated_at: null })],
        recordOf(actor, row, 'user.reactivated'),
      )
      return get(id)
    },

    async release(actor, id) {
      const row = await rowOf(id)
      await requireOver(actor, row)
      const change = changeUser(store, id, { locked_at: null, locked_because: null })
      const before = { lockedBecause: row.locked_because }
      await store.writer.write([change], recordOf(actor, row, 'user.released', { before }))
      return get(id)
    },

    async resetSecondFactor(actor, id) {
      refuseOneself(actor, id, 'Change your own second factor in your account.')
      const row = await rowOf(id)
      await requireOver(actor, row)
      await store.writer.write(
        [...deleteSecondFactors(store, id), signOutChange(id, 'second factor reset')],
        recordOf(actor, row, 'user.second-factor-reset'),
      )
      await mail.send({
        to: row.email,
        ...noticeText('second-factor-reset', { at: clock.now(), ip: actor.ip }),
      })
      return get(id)
    },

    async signOut(actor, id) {
      const row = await rowOf(id)
      await requireOver(actor, row)
      const [ended] = await store.writer.write(
        [signOutChange(id, 'signed out by an administrator')],
        recordOf(actor, row, 'user.signed-out'),
      )
      return ended?.changes ?? 0
    },

    async link(actor, id, purpose) {
      const row = await rowOf(id)
      await requireOver(actor, row)
      if (row.deactivated_at !== null)
        throw new AppError('STATE_CONFLICT', { public: `${row.email} is deactivated.` })
      const { link, changes } = links.forUser(purpose, id)
      await store.writer.write(changes, recordOf(actor, row, `user.${purpose}-link-made`))
      return { url: link.url, expiresAt: link.expiresAt }
    },
  }
}

const platformPermissions = (role: string | null) =>
  role !== null && isPlatformRole(role) ? PLATFORM_ROLES[role].permissions : []

function refuseOneself(actor: Actor, user: UserId, text: string): void {
  if (actor.kind === 'user' && actor.id === user)
    throw new AppError('STATE_CONFLICT', { public: text })
}

/** The condition at the end of the write speaks of states in general. */
function lastAdmin(error: unknown): never {
  if (error instanceof AppError && error.code === 'STATE_CONFLICT')
    throw new AppError('STATE_CONFLICT', {
      public: 'That would leave nobody to run this installation, or somebody changed it just now.',
      cause: error,
    })
  throw error
}
