/** One-time links to an account. Only the hash of a token is here; a used or ended one stays as a record. */
import { sql } from 'kysely'
import type { UserId } from '../core/ids.ts'
import type { Store } from './open.ts'
import type { UserTokensTable } from './schema-control.ts'
import type { Change } from './writer.ts'

type Build = Pick<Store, 'build'>
export type TokenPurpose = UserTokensTable['purpose']

export interface NewToken {
  /** By address when the person is made in the same write. */
  readonly user: UserId | { readonly email: string }
  readonly purpose: TokenPurpose
  readonly hash: string
  /** The new address, for email-change. */
  readonly email?: string | undefined
  readonly expiresAt: number
}

export function insertToken({ build }: Build, token: NewToken, now: number): Change {
  const user =
    typeof token.user === 'number'
      ? sql`select ${token.user} as id`
      : sql`select id from users where email = ${token.user.email}`
  const query = sql`insert into user_tokens (user_id, purpose, hash, email, created_at, expires_at)
    select id, ${token.purpose}, ${token.hash}, ${token.email ?? null}, ${now}, ${token.expiresAt}
    from (${user})`.compile(build)
  return { query, expect: { changes: 1, orElse: 'NOT_FOUND' } }
}

/** Ends the links of somebody that were not used, all or those of one purpose. */
export function endTokens(
  { build }: Build,
  which: { readonly user: UserId; readonly purpose?: TokenPurpose },
  now: number,
): Change {
  const all = build
    .updateTable('user_tokens')
    .set({ expires_at: now })
    .where('user_id', '=', which.user)
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
  return {
    query: (which.purpose === undefined ? all : all.where('purpose', '=', which.purpose)).compile(),
  }
}

/** The write is undone with LINK_INVALID unless this is its first use: of two at once one wins. */
export const useToken = ({ build }: Build, hash: string, now: number): Change => ({
  query: build
    .updateTable('user_tokens')
    .set({ used_at: now })
    .where('hash', '=', hash)
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .compile(),
  expect: { changes: 1, orElse: 'LINK_INVALID' },
})

export interface TokenRow {
  readonly user_id: number
  readonly purpose: TokenPurpose
  /** The new address, for email-change. */
  readonly new_email: string | null
  readonly expires_at: number
  readonly email: string
  readonly name: string
  readonly password_hash: string | null
  readonly confirmed_at: number | null
}

/** Undefined for a link that never was, was used or has ended, or is of somebody who is deactivated. */
export const tokenByHash = (
  { read }: Pick<Store, 'read'>,
  hash: string,
  now: number,
): Promise<TokenRow | undefined> =>
  read
    .selectFrom('user_tokens')
    .innerJoin('users', 'users.id', 'user_tokens.user_id')
    .select([
      'user_tokens.user_id',
      'user_tokens.purpose',
      'user_tokens.email as new_email',
      'user_tokens.expires_at',
      'users.email',
      'users.name',
      'users.password_hash',
      'users.confirmed_at',
    ])
    .where('user_tokens.hash', '=', hash)
    .where('user_tokens.used_at', 'is', null)
    .where('user_tokens.expires_at', '>', now)
    .where('users.deactivated_at', 'is', null)
    .executeTakeFirst()
