/**
 * What is known of a person when they sign in and at every request after that: who they are, where they belong, what
 * they may do there. Read anew each time, so that a change is in force with the next request.
 */
import { parseAddress } from '../core/address.ts'
import { AppError } from '../core/errors.ts'
import { asId } from '../core/ids.ts'
import type { UserId } from '../core/ids.ts'
import { BUILT_IN_ROLES, isBuiltInRole, isPlatformRole } from '../core/permission.ts'
import type { PlatformRole, TenantPermission } from '../core/permission.ts'
import { membershipsOf } from '../store/memberships.ts'
import type { MembershipRow } from '../store/memberships.ts'
import type { Store } from '../store/open.ts'
import { findUser, hasSecondFactor } from '../store/users.ts'
import type { UserRow } from '../store/users.ts'
import type { Grants } from './auth/ability.ts'
import type { Membership } from './auth/caller.ts'
import { parsePermissions } from './role-permissions.ts'
import { mustHaveSecondFactor, parseTenantSettings } from './tenant-settings.ts'

export interface PersonFacts {
  readonly id: UserId
  readonly email: string
  readonly name: string
  readonly platformRole: PlatformRole | undefined
  /** Of live tenants. */
  readonly memberships: readonly Membership[]
  readonly grants: Grants
  /** A second factor is asked of them and they have none: all they can do is set one up. */
  readonly mustEnrol: boolean
}

export interface SignInPerson extends PersonFacts {
  /** Argon2id in PHC form; undefined until one is set. */
  readonly passwordHash: string | undefined
  readonly deactivated: boolean
  readonly lockedAt: number | undefined
  readonly hasSecondFactor: boolean
  readonly mustHaveSecondFactor: boolean
}

export interface PersonReads {
  /** None for somebody who is deactivated or gone. */
  grantsOf(user: UserId): Promise<Grants>
  /** For sessions: undefined for somebody who is deactivated, locked or gone. */
  personOf(user: UserId): Promise<PersonFacts | undefined>
  /** By address as typed, or by id. Also somebody who may not sign in: the caller asks and answers all alike. */
  personForSignIn(who: string | UserId): Promise<SignInPerson | undefined>
}

export const NO_GRANTS: Grants = { platform: undefined, tenants: [] }

/** The form in which an address is kept: the domain in A-labels, all in lower case. Undefined: nobody's. */
export function emailKey(text: string): string | undefined {
  const parsed = parseAddress(text.trim())
  if (parsed.ok) return parsed.address.toLowerCase()
  // The first owner of a machine whose name has no dot.
  return /^[!-~]{1,254}$/.test(text) ? text.toLowerCase() : undefined
}

/** The same for an address that is to be kept. Throws ADDRESS_INVALID. */
export function addressKey(text: string, path = 'email'): string {
  const parsed = parseAddress(text.trim())
  if (parsed.ok) return parsed.address.toLowerCase()
  throw new AppError('ADDRESS_INVALID', {
    public: `Not an address: ${parsed.reason}.`,
    fields: [{ path, message: parsed.reason }],
  })
}

const MAX_NAME = 100
// Controls, line and paragraph separators, marks that reverse the direction of text, and half characters.
const NOT_IN_NAMES =
  /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/

/** A name for people, as it is kept. Throws BODY_INVALID. */
export function personName(text: string): string {
  const name = text.trim()
  if (name !== '' && name.length <= MAX_NAME && !NOT_IN_NAMES.test(name)) return name
  const message = `has 1 to ${MAX_NAME} characters, none of them invisible`
  throw new AppError('BODY_INVALID', {
    public: `A name ${message}.`,
    fields: [{ path: 'name', message }],
  })
}

const isLive = (user: UserRow): boolean => user.deactivated_at === null

function permissionsOf(row: MembershipRow): readonly TenantPermission[] {
  if (isBuiltInRole(row.role)) return BUILT_IN_ROLES[row.role].permissions
  return row.permissions === null ? [] : parsePermissions(row.permissions)
}

const platformRoleOf = ({ platform_role: role }: UserRow): PlatformRole | undefined =>
  role !== null && isPlatformRole(role) ? role : undefined

const asksForSecondFactor = (row: MembershipRow): boolean =>
  mustHaveSecondFactor(parseTenantSettings(row.tenant_settings), {
    name: row.role,
    asks: row.second_factor === 1,
  })

export interface PersonReadsDeps {
  readonly store: Pick<Store, 'read' | 'across'>
  /** Of everybody, whatever their tenants say. */
  readonly requireSecondFactor: boolean
}

export function makePersonReads({ store, requireSecondFactor }: PersonReadsDeps): PersonReads {
  async function signInPerson(user: UserRow): Promise<SignInPerson> {
    const id = asId('user', user.id)
    const rows = await membershipsOf(store, id)
    const platformRole = platformRoleOf(user)
    const hasSecond = await hasSecondFactor(store, id)
    const mustHave = requireSecondFactor || rows.some(asksForSecondFactor)
    return {
      id,
      email: user.email,
      name: user.name,
      platformRole,
      memberships: rows.map((row) => ({
        tenant: asId('tenant', row.tenant_id),
        tenantName: row.tenant_name,
        role: row.role,
      })),
      grants: isLive(user) ? grantsIn(platformRole, rows) : NO_GRANTS,
      passwordHash: user.password_hash ?? undefined,
      deactivated: !isLive(user),
      lockedAt: user.locked_at ?? undefined,
      hasSecondFactor: hasSecond,
      mustHaveSecondFactor: mustHave,
      mustEnrol: mustHave && !hasSecond,
    }
  }
  return {
    async personOf(id) {
      const user = await findUser(store, { id })
      if (user === undefined || !isLive(user) || user.locked_at !== null) return undefined
      return signInPerson(user)
    },
    async grantsOf(id) {
      const user = await findUser(store, { id })
      if (user === undefined || !isLive(user)) return NO_GRANTS
      return grantsIn(platformRoleOf(user), await membershipsOf(store, id))
    },
    async personForSignIn(who) {
      const email = typeof who === 'string' ? emailKey(who) : undefined
      if (typeof who === 'string' && email === undefined) return undefined
      const by = typeof who === 'string' ? { email: email ?? '' } : { id: who }
      const user = await findUser(store, by)
      return user === undefined ? undefined : signInPerson(user)
    },
  }
}

const grantsIn = (platform: PlatformRole | undefined, rows: readonly MembershipRow[]): Grants => ({
  platform,
  tenants: rows.map((row) => ({
    tenant: asId('tenant', row.tenant_id),
    permissions: permissionsOf(row),
  })),
})
