/**
 * Rows of people. Changes are statements for `writer.write`, so that a service puts everything that belongs together
 * into one write: a password, the link it was set with, and the end of the sessions before it.
 */
import { sql } from 'kysely'
import { asId } from '../core/ids.ts'
import type { UserId } from '../core/ids.ts'
import type { Store } from './open.ts'
import { nextId } from './rows.ts'
import type { UsersTable } from './schema-control.ts'
import type { Change } from './writer.ts'

type Build = Pick<Store, 'build'>
type Read = Pick<Store, 'read'>

export type UserRow = Readonly<UsersTable>

/** `by` is the row's key, or the address in lower case. */
export const findUser = (
  { read }: Read,
  by: { readonly id: UserId } | { readonly email: string },
): Promise<UserRow | undefined> => {
  const all = read.selectFrom('users').selectAll()
  return ('id' in by ? all.where('id', '=', by.id) : all.where('email', '=', by.email))
    .limit(1)
    .executeTakeFirst()
}

/** Whether a code or a passkey can be asked for. */
export async function hasSecondFactor({ read }: Read, user: UserId): Promise<boolean> {
  const row = await read
    .selectFrom('users')
    .select('id')
    .where('id', '=', user)
    .where(secondFactorIsSet)
    .executeTakeFirst()
  return row !== undefined
}

/** A condition on `users`. */
export const secondFactorIsSet = sql<boolean>`(
  exists (select 1 from totp where totp.user_id = users.id and totp.confirmed_at is not null)
  or exists (select 1 from passkeys where passkeys.user_id = users.id))`

/** One page in the order in which people were added. */
export const listUsers = (
  { read }: Read,
  page: { readonly after: number | undefined; readonly limit: number },
): Promise<(UserRow & { second_factor: number })[]> =>
  read
    .selectFrom('users')
    .selectAll()
    .select(sql<number>`${secondFactorIsSet}`.as('second_factor'))
    .where('id', '>', page.after ?? 0)
    .orderBy('id')
    .limit(page.limit)
    .execute()

export interface NewUser {
  /** Lower case. */
  readonly email: string
  readonly name: string
  readonly platformRole?: string | undefined
  readonly passwordHash?: string | undefined
  /** When the address was proved. */
  readonly confirmedAt?: number | undefined
}

/** Returns the row's id. The write rejects with NAME_TAKEN. */
export const insertUser = ({ build }: Build, user: NewUser, now: number): Change => ({
  query: build
    .insertInto('users')
    .values({
      id: nextId,
      email: user.email,
      name: user.name,
      platform_role: user.platformRole ?? null,
      password_hash: user.passwordHash ?? null,
      confirmed_at: user.confirmedAt ?? null,
      created_at: now,
    })
    .returning('id')
    .compile(),
})

/** Null empties a field; what is not named stays. */
export type UserChange = Partial<Omit<UsersTable, 'id' | 'created_at'>>

/**
 * `unless` undoes the whole write with STATE_CONFLICT when the row is not as it was read any more: the answer to two
 * requests at once. Without it a row that is gone is NOT_FOUND.
 */
export function changeUser(
  { build }: Build,
  user: UserId,
  change: UserChange,
  unless?: Pick<UserChange, 'platform_role' | 'deactivated_at'>,
): Change {
  let query = build.updateTable('users').set(change).where('id', '=', user)
  if (unless?.platform_role !== undefined)
    query = query.where('platform_role', 'is', unless.platform_role)
  if (unless?.deactivated_at !== undefined)
    query = query.where('deactivated_at', 'is', unless.deactivated_at)
  const orElse = unless === undefined ? 'NOT_FOUND' : 'STATE_CONFLICT'
  return { query: query.compile(), expect: { changes: 1, orElse } }
}

/** Goes behind a change that takes a platform admin away: undoes it when there would be none left. */
export const requirePlatformAdmin = ({ build }: Build): Change => ({
  query: build
    .selectFrom('users')
    .select('email')
    .where('platform_role', '=', 'admin')
    .where('deactivated_at', 'is', null)
    .limit(1)
    .compile(),
  expect: { changes: 1, orElse: 'STATE_CONFLICT' },
})

/** All that a second factor is made of. */
export const deleteSecondFactors = ({ build }: Build, user: UserId): Change[] =>
  (['totp', 'recovery_codes', 'passkeys'] as const).map((table) => ({
    query: build.deleteFrom(table).where('user_id', '=', user).compile(),
  }))

export interface MadeAccess {
  readonly kind: 'key' | 'credential'
  readonly id: number
  readonly name: string
  readonly tenant: number
}

/** API keys and SMTP logins in force that somebody made. */
export async function accessMadeBy(
  { across }: Pick<Store, 'across'>,
  email: string,
): Promise<MadeAccess[]> {
  const keys = await across.read
    .selectFrom('keys')
    .select(['id', 'name', 'tenant_id as tenant'])
    .where('created_by', '=', email)
    .where('revoked_at', 'is', null)
    .execute()
  const logins = await across.read
    .selectFrom('credentials')
    .select(['id', 'username as name', 'tenant_id as tenant'])
    .where('created_by', '=', email)
    .where('revoked_at', 'is', null)
    .execute()
  return [
    ...keys.map((row) => ({ kind: 'key' as const, ...row })),
    ...logins.map((row) => ({ kind: 'credential' as const, ...row })),
  ]
}

export const userId = (row: Pick<UserRow, 'id'>): UserId => asId('user', row.id)
