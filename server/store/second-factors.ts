/**
 * Rows of one-time codes: the app's secret (sealed by the caller) and the recovery codes (hashed by the caller). What
 * may happen only once is a conditional change, so that of two requests at the same moment one loses.
 */
import { sql } from 'kysely'
import type { AuditDraft } from '../core/audit.ts'
import type { UserId } from '../core/ids.ts'
import type { Store } from './open.ts'

export interface TotpRow {
  /** Null while only a pending secret is there. */
  readonly secret: string | null
  readonly last_step: number
  readonly confirmed_at: number | null
  readonly pending: string | null
  readonly pending_at: number | null
}

export const totpOf = (store: Store, user: UserId): Promise<TotpRow | undefined> =>
  store.read
    .selectFrom('totp')
    .select(['secret', 'last_step', 'confirmed_at', 'pending', 'pending_at'])
    .where('user_id', '=', user)
    .executeTakeFirst()

/** The secret in force stays in force. A pending one before it is forgotten. */
export async function savePendingTotp(
  store: Store,
  user: UserId,
  pending: string,
  now: number,
): Promise<void> {
  const query = store.build
    .insertInto('totp')
    .values({ user_id: user, last_step: 0, created_at: now, pending, pending_at: now })
    .onConflict((conflict) =>
      conflict.column('user_id').doUpdateSet({
        pending: sql`excluded.pending`,
        pending_at: sql`excluded.pending_at`,
      }),
    )
    .compile()
  await store.writer.write([{ query }], {
    unaudited: 'a secret that counts only once it is confirmed, which is recorded',
  })
}

/** The pending secret comes into force, `step` being the first that is used up. STATE_CONFLICT when it has changed. */
export async function confirmTotp(
  store: Store,
  user: UserId,
  confirmed: { readonly pending: string; readonly step: number; readonly at: number },
  record: AuditDraft,
): Promise<void> {
  const query = store.build
    .updateTable('totp')
    .set({
      secret: confirmed.pending,
      last_step: confirmed.step,
      created_at: confirmed.at,
      confirmed_at: confirmed.at,
      pending: null,
      pending_at: null,
    })
    .where('user_id', '=', user)
    .where('pending', '=', confirmed.pending)
    .compile()
  await store.writer.write([{ query, expect: { changes: 1, orElse: 'STATE_CONFLICT' } }], record)
}

/**
 * Uses up a time step, and with it those before. SECOND_FACTOR_WRONG when it was used up already, or the secret that
 * was confirmed at `confirmedAt` is no longer in force.
 */
export async function useTotpStep(
  store: Store,
  user: UserId,
  used: { readonly step: number; readonly confirmedAt: number },
): Promise<void> {
  const query = store.build
    .updateTable('totp')
    .set({ last_step: used.step })
    .where('user_id', '=', user)
    .where('confirmed_at', '=', used.confirmedAt)
    .where('last_step', '<', used.step)
    .compile()
  await store.writer.write([{ query, expect: { changes: 1, orElse: 'SECOND_FACTOR_WRONG' } }], {
    unaudited: 'the step of a code that was used; the sign-in is recorded',
  })
}

/** NOT_FOUND when there is none. */
export async function deleteTotp(store: Store, user: UserId, record: AuditDraft): Promise<void> {
  const query = store.build.deleteFrom('totp').where('user_id', '=', user).compile()
  await store.writer.write([{ query, expect: { changes: 1, orElse: 'NOT_FOUND' } }], record)
}

/** Those before, used or not, are gone. */
export async function replaceRecoveryCodes(
  store: Store,
  user: UserId,
  fresh: { readonly hashes: readonly string[]; readonly at: number },
  record: AuditDraft,
): Promise<void> {
  const old = store.build.deleteFrom('recovery_codes').where('user_id', '=', user).compile()
  const query = store.build
    .insertInto('recovery_codes')
    .values(fresh.hashes.map((hash) => ({ user_id: user, hash, created_at: fresh.at })))
    .compile()
  await store.writer.write([{ query: old }, { query }], record)
}

/** SECOND_FACTOR_WRONG when the person has no such code, or it was used. */
export async function useRecoveryCode(
  store: Store,
  user: UserId,
  used: { readonly hash: string; readonly at: number },
  record: AuditDraft,
): Promise<void> {
  const query = store.build
    .updateTable('recovery_codes')
    .set({ used_at: used.at })
    .where('user_id', '=', user)
    .where('hash', '=', used.hash)
    .where('used_at', 'is', null)
    .compile()
  await store.writer.write(
    [{ query, expect: { changes: 1, orElse: 'SECOND_FACTOR_WRONG' } }],
    record,
  )
}

export async function recoveryCodesLeft(store: Store, user: UserId): Promise<number> {
  const row = await store.read
    .selectFrom('recovery_codes')
    .select((select) => select.fn.countAll<number>().as('left'))
    .where('user_id', '=', user)
    .where('used_at', 'is', null)
    .executeTakeFirstOrThrow()
  return row.left
}

/** Whether the code was right once. */
export async function wasRecoveryCode(store: Store, user: UserId, hash: string): Promise<boolean> {
  const row = await store.read
    .selectFrom('recovery_codes')
    .select('used_at')
    .where('user_id', '=', user)
    .where('hash', '=', hash)
    .executeTakeFirst()
  return row !== undefined && row.used_at !== null
}

export async function deleteRecoveryCodes(
  store: Store,
  user: UserId,
  record: AuditDraft,
): Promise<void> {
  const query = store.build.deleteFrom('recovery_codes').where('user_id', '=', user).compile()
  await store.writer.write([{ query }], record)
}
