/**
 * Rows of passkeys and of the challenges they answer. A challenge is deleted by whoever answers it first, whatever
 * comes of the answer; the counter of a passkey never goes back.
 */
import { sql } from 'kysely'
import type { AuditDraft } from '../core/audit.ts'
import { asId } from '../core/ids.ts'
import type { PasskeyId, SessionId, UserId } from '../core/ids.ts'
import type { Store } from './open.ts'
import { nextId, returnedId } from './rows.ts'
import type { PasskeysTable, WebauthnChallengesTable } from './schema-control.ts'

/** What a challenge was made for; an answer that comes from elsewhere does not find it. */
export interface ChallengeFor {
  readonly purpose: WebauthnChallengesTable['purpose']
  /** Undefined for a sign-in, which starts without either. */
  readonly user: UserId | undefined
  readonly session: SessionId | undefined
}

/** Clears away those that nobody answered in time. */
export async function insertChallenge(
  store: Store,
  challenge: string,
  made: ChallengeFor,
  times: { readonly now: number; readonly expiresAt: number },
): Promise<void> {
  const old = store.build
    .deleteFrom('webauthn_challenges')
    .where('expires_at', '<=', times.now)
    .compile()
  const query = store.build
    .insertInto('webauthn_challenges')
    .values({
      challenge,
      purpose: made.purpose,
      user_id: made.user ?? null,
      session_id: made.session ?? null,
      expires_at: times.expiresAt,
    })
    .compile()
  await store.writer.write([{ query: old }, { query }], { unaudited: 'a challenge of minutes' })
}

/** Resolves with whether there was such a challenge; there is none any more. */
export async function takeChallenge(
  store: Store,
  challenge: string,
  made: ChallengeFor,
  now: number,
): Promise<boolean> {
  const query = store.build
    .deleteFrom('webauthn_challenges')
    .where('challenge', '=', challenge)
    .where('purpose', '=', made.purpose)
    .where(sql<boolean>`user_id is ${made.user ?? null}`)
    .where(sql<boolean>`session_id is ${made.session ?? null}`)
    .where('expires_at', '>', now)
    .compile()
  const [taken] = await store.writer.write([{ query }], { unaudited: 'a challenge of minutes' })
  return taken?.changes === 1
}

export type PasskeyRow = PasskeysTable
const rows = (store: Store) => store.read.selectFrom('passkeys').selectAll()

export const passkeysOf = (store: Store, user: UserId): Promise<PasskeyRow[]> =>
  rows(store).where('user_id', '=', user).orderBy('id').execute()

export const passkeyByCredential = (
  store: Store,
  credential: string,
): Promise<PasskeyRow | undefined> =>
  rows(store).where('credential_id', '=', credential).executeTakeFirst()

export const passkeyOf = (
  store: Store,
  user: UserId,
  id: PasskeyId,
): Promise<PasskeyRow | undefined> =>
  rows(store).where('user_id', '=', user).where('id', '=', id).executeTakeFirst()

export interface NewPasskey {
  readonly user: UserId
  readonly credential: string
  readonly publicKey: string
  readonly counter: number
  readonly transports: readonly string[]
  readonly name: string
  readonly synced: boolean
}

/** STATE_CONFLICT when the person has `most` already; NAME_TAKEN when the credential is known. */
export async function insertPasskey(
  store: Store,
  passkey: NewPasskey,
  { now, most }: { readonly now: number; readonly most: number },
  record: AuditDraft,
): Promise<PasskeyId> {
  // One statement, so that two registrations at once cannot both be the last that fits.
  const query =
    sql`insert into passkeys (id, user_id, credential_id, public_key, counter, transports, name, synced,
      created_at)
    select ${nextId}, ${passkey.user}, ${passkey.credential}, ${passkey.publicKey}, ${passkey.counter},
      ${JSON.stringify(passkey.transports)}, ${passkey.name}, ${passkey.synced ? 1 : 0}, ${now}
    where (select count(*) from passkeys where user_id = ${passkey.user}) < ${most}
    returning id`.compile(store.build)
  const expect = { changes: 1, orElse: 'STATE_CONFLICT' } as const
  const [inserted] = await store.writer.write([{ query, expect }], record)
  return asId('passkey', returnedId(inserted?.rows))
}

/** Notes a use. Resolves with false when the counter has not grown meanwhile (0 means: it does not count). */
export async function usePasskey(
  store: Store,
  id: PasskeyId,
  use: { readonly counter: number; readonly synced: boolean; readonly at: number },
): Promise<boolean> {
  const query = store.build
    .updateTable('passkeys')
    .set({ counter: use.counter, synced: use.synced ? 1 : 0, last_used_at: use.at })
    .where('id', '=', id)
    .where((where) =>
      use.counter === 0 ? where('counter', '=', 0) : where('counter', '<', use.counter),
    )
    .compile()
  const [used] = await store.writer.write([{ query }], {
    unaudited: 'the use of a passkey; the sign-in is recorded',
  })
  return used?.changes === 1
}

/** NOT_FOUND when the person has no such passkey. */
export async function renamePasskey(
  store: Store,
  which: { readonly user: UserId; readonly id: PasskeyId },
  name: string,
  record: AuditDraft,
): Promise<void> {
  const query = store.build
    .updateTable('passkeys')
    .set({ name })
    .where('user_id', '=', which.user)
    .where('id', '=', which.id)
    .compile()
  await store.writer.write([{ query, expect: { changes: 1, orElse: 'NOT_FOUND' } }], record)
}

/** NOT_FOUND when the person has no such passkey. */
export async function deletePasskey(
  store: Store,
  which: { readonly user: UserId; readonly id: PasskeyId },
  record: AuditDraft,
): Promise<void> {
  const query = store.build
    .deleteFrom('passkeys')
    .where('user_id', '=', which.user)
    .where('id', '=', which.id)
    .compile()
  await store.writer.write([{ query, expect: { changes: 1, orElse: 'NOT_FOUND' } }], record)
}
