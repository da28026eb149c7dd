/** Rows of people, and the one-time links to their accounts. */
import { sql } from 'kysely'
import { asId } from '../core/ids.ts'
import type { UserId } from '../core/ids.ts'
import type { Store } from './open.ts'
import { nextId, returnedId } from './rows.ts'
import type { UserTokensTable } from './schema-control.ts'

export interface NewUser {
  /** Lower case. */
  readonly email: string
  readonly name: string
  readonly platformRole: string | undefined
}

/** Resolves with the new user's id; rejects with NAME_TAKEN. */
export async function insertUser(store: Store, user: NewUser, now: number): Promise<UserId> {
  const query = store.build
    .insertInto('users')
    .values({
      id: nextId,
      email: user.email,
      name: user.name,
      platform_role: user.platformRole ?? null,
      created_at: now,
    })
    .returning('id')
    .compile()
  const [inserted] = await store.writer.write([{ query }])
  return asId('user', returnedId(inserted?.rows))
}

export interface NewToken {
  readonly user: UserId
  readonly purpose: UserTokensTable['purpose']
  readonly hash: string
  /** The new address, for email-change. */
  readonly email?: string | undefined
  readonly expiresAt: number
}

/** A new link; those of the same purpose before it end. */
export async function replaceToken(store: Store, token: NewToken, now: number): Promise<void> {
  const end = store.build
    .updateTable('user_tokens')
    .set({ expires_at: now })
    .where('user_id', '=', token.user)
    .where('purpose', '=', token.purpose)
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .compile()
  const query = store.build
    .insertInto('user_tokens')
    .values({
      id: nextId,
      user_id: token.user,
      purpose: token.purpose,
      hash: token.hash,
      email: token.email ?? null,
      created_at: now,
      expires_at: token.expiresAt,
    })
    .compile()
  await store.writer.write([{ query: end }, { query }])
}

export const listUsers = (
  store: Store,
): Promise<
  { id: number; email: string; name: string; platform_role: string | null; created_at: number }[]
> =>
  store.read
    .selectFrom('users')
    .select(['id', 'email', 'name', 'platform_role', 'created_at'])
    .orderBy('id')
    .execute()

export async function userByEmail(store: Store, email: string): Promise<UserId | undefined> {
  const row = await store.read
    .selectFrom('users')
    .select('id')
    .where('email', '=', email.toLowerCase())
    .executeTakeFirst()
  return row === undefined ? undefined : asId('user', row.id)
}

export interface UserRow {
  readonly id: number
  readonly email: string
  readonly name: string
  readonly password_hash: string | null
  readonly platform_role: string | null
  readonly created_at: number
  readonly confirmed_at: number | null
  readonly deactivated_at: number | null
  readonly locked_at: number | null
  readonly locked_because: string | null
}

/** `by` is the row's key, or the address in lower case. */
export const findUser = (
  store: Pick<Store, 'read'>,
  by: { readonly id: UserId } | { readonly email: string },
): Promise<UserRow | undefined> => {
  const all = store.read.selectFrom('users').selectAll()
  return ('id' in by ? all.where('id', '=', by.id) : all.where('email', '=', by.email))
    .limit(1)
    .executeTakeFirst()
}

/** Whether a code or a passkey can be asked for. */
export async function hasSecondFactor(store: Pick<Store, 'read'>, user: UserId): Promise<boolean> {
  const totp = await store.read
    .selectFrom('totp')
    .select('user_id')
    .where('user_id', '=', user)
    .where('confirmed_at', 'is not', null)
    .executeTakeFirst()
  if (totp !== undefined) return true
  const passkey = await store.read
    .selectFrom('passkeys')
    .select('id')
    .where('user_id', '=', user)
    .limit(1)
    .executeTakeFirst()
  return passkey !== undefined
}

/** Makes somebody a member, or changes their role. */
export async function setMembership(
  store: Store,
  membership: { tenant: number; user: UserId; role: string },
  now: number,
): Promise<void> {
  const query = store.build
    .insertInto('memberships')
    .values({
      tenant_id: membership.tenant,
      user_id: membership.user,
      role: membership.role,
      created_at: now,
    })
    .onConflict((conflict) =>
      conflict.columns(['tenant_id', 'user_id']).doUpdateSet({ role: sql`excluded.role` }),
    )
    .compile()
  await store.writer.write([{ query }])
}
