/** Who belongs to which tenant, and by what role. Changes are statements for `writer.write`. */
import { sql } from 'kysely'
import type { TenantId, UserId } from '../core/ids.ts'
import type { Store } from './open.ts'
import { secondFactorIsSet } from './users.ts'
import type { Change } from './writer.ts'

type Build = Pick<Store, 'build' | 'of'>
type Read = Pick<Store, 'of'>

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
export const membershipsOf = (
  { across }: Pick<Store, 'across'>,
  user: UserId,
): Promise<MembershipRow[]> =>
  across.read
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

export interface MemberRow {
  readonly user_id: number
  readonly email: string
  readonly name: string
  readonly role: string
  readonly created_at: number
  readonly has_password: number
  readonly has_second_factor: number
  readonly deactivated_at: number | null
}

const members = ({ of }: Read, tenant: TenantId) =>
  of(tenant)
    .selectFrom('memberships')
    .innerJoin('users', 'users.id', 'memberships.user_id')
    .select([
      'memberships.user_id',
      'users.email',
      'users.name',
      'memberships.role',
      'memberships.created_at',
      'users.deactivated_at',
      sql<number>`users.password_hash is not null`.as('has_password'),
      sql<number>`${secondFactorIsSet}`.as('has_second_factor'),
    ])

/** All of them, by address. */
export const membersOf = (store: Read, tenant: TenantId): Promise<MemberRow[]> =>
  members(store, tenant).orderBy('users.email').execute()

export const memberOf = (
  store: Read,
  tenant: TenantId,
  user: UserId,
): Promise<MemberRow | undefined> =>
  members(store, tenant).where('memberships.user_id', '=', user).executeTakeFirst()

/** By address when the person is made in the same write. Somebody who belongs there already keeps their role. */
export function insertMembership(
  { build }: Pick<Store, 'build'>,
  member: {
    readonly tenant: TenantId | { readonly name: string }
    readonly user: UserId | { readonly email: string }
    readonly role: string
  },
  now: number,
): Change {
  const tenant =
    typeof member.tenant === 'number'
      ? sql`${member.tenant}`
      : sql`(select id from tenants where name = ${member.tenant.name})`
  const user =
    typeof member.user === 'number'
      ? sql`${member.user}`
      : sql`(select id from users where email = ${member.user.email})`
  const query = sql`insert into memberships (tenant_id, user_id, role, created_at)
    values (${tenant}, ${user}, ${member.role}, ${now})
    on conflict (tenant_id, user_id) do nothing`.compile(build)
  return { query }
}

/** What was read of a member. The write is undone with STATE_CONFLICT when it is not so any more. */
export interface KnownMember {
  readonly tenant: TenantId
  readonly user: UserId
  readonly role: string
}

export const changeMembership = ({ of }: Build, known: KnownMember, role: string): Change => ({
  query: of(known.tenant)
    .updateTable('memberships')
    .set({ role })
    .where('user_id', '=', known.user)
    .where('role', '=', known.role)
    .compile(),
  expect: { changes: 1, orElse: 'STATE_CONFLICT' },
})

export const deleteMembership = ({ of }: Build, known: KnownMember): Change => ({
  query: of(known.tenant)
    .deleteFrom('memberships')
    .where('user_id', '=', known.user)
    .where('role', '=', known.role)
    .compile(),
  expect: { changes: 1, orElse: 'STATE_CONFLICT' },
})

/** Goes behind a change that takes an owner away: undoes it when nobody would be left who can sign in as one. */
export const requireOwner = ({ of }: Build, tenant: TenantId): Change => ({
  query: of(tenant)
    .selectFrom('memberships')
    .innerJoin('users', 'users.id', 'memberships.user_id')
    .select('users.email')
    .where('memberships.role', '=', 'owner')
    .where('users.deactivated_at', 'is', null)
    .limit(1)
    .compile(),
  expect: { changes: 1, orElse: 'STATE_CONFLICT' },
})

/** Ends the sessions of those members of a tenant who have a role. */
export function endSessionsOfMembers(
  { build, of }: Build,
  which: {
    readonly tenant: TenantId
    readonly role: string
    readonly except: number | undefined
  },
  ended: { readonly at: number; readonly because: string },
): Change {
  const whose = of(which.tenant)
    .selectFrom('memberships')
    .select('memberships.user_id')
    .where('memberships.role', '=', which.role)
  let query = build
    .updateTable('sessions')
    .set({ ended_at: ended.at, ended_because: ended.because })
    .where('ended_at', 'is', null)
    .where('user_id', 'in', whose)
  if (which.except !== undefined) query = query.where('user_id', '!=', which.except)
  return { query: query.compile() }
}
