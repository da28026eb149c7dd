/**
 * Rows of attempts to sign in, good and bad. They are what strange sign-ins are told by, so a failure at an address
 * that nobody has is a row like any other, but what was typed there is never kept: people type passwords into it.
 */
import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { UserId } from '../core/ids.ts'
import { formatPlace, parsePlace } from '../core/place.ts'
import type { Place } from '../core/place.ts'
import type { Store } from './open.ts'
import { nextId } from './rows.ts'
import type { SignInsTable } from './schema-control.ts'
import type { Change } from './writer.ts'

export interface NewSignIn {
  /** The person, or the address that was typed when nobody has it. */
  readonly who: UserId | { readonly unknownAddress: string }
  readonly at: number
  readonly ip: string
  /** What `networkOf(ip)` says. */
  readonly network: string
  readonly place: Place
  /** A word for the device; '' when not known. */
  readonly device: string
  readonly outcome: SignInsTable['outcome']
}

/** A sign-in that went well. */
export interface PastSignIn {
  readonly at: number
  readonly ip: string
  readonly place: Place
  readonly device: string
}

/** A history is no longer than this. */
export const HISTORY_ROWS = 50
/** Counting failures stops here: what is above is a burst by any setting. */
const MOST_FAILURES = 5000

/**
 * 16 bits: enough to count addresses that differ, too few to find out by trial what was typed. Negative, so that it
 * is nobody's key.
 */
const accountOf = (address: string): number =>
  -1 - createHash('sha256').update(address.trim().toLowerCase()).digest().readUInt16BE(0)

/** Goes into another write, or stands alone. */
export function signInChange(store: Pick<Store, 'build'>, signIn: NewSignIn): Change {
  const user = typeof signIn.who === 'number' ? signIn.who : undefined
  const query = store.build
    .insertInto('sign_ins')
    .values({
      id: nextId,
      user_id: user ?? null,
      account: typeof signIn.who === 'number' ? signIn.who : accountOf(signIn.who.unknownAddress),
      at: signIn.at,
      ip: signIn.ip,
      network: signIn.network,
      place: formatPlace(signIn.place),
      device: signIn.device,
      outcome: signIn.outcome,
    })
    .compile()
  return { query }
}

export async function insertSignIn(store: Store, signIn: NewSignIn): Promise<void> {
  await store.writer.write([signInChange(store, signIn)], { unaudited: 'an attempt to sign in' })
}

/** What went well, newest first, at most HISTORY_ROWS. Failures are not in it: an attacker could fill it with them. */
export async function signInHistory(store: Store, user: UserId): Promise<PastSignIn[]> {
  const rows = await store.read
    .selectFrom('sign_ins')
    .select(['at', 'ip', 'place', 'device'])
    .where('user_id', '=', user)
    .where('outcome', '=', 'ok')
    .orderBy('at', 'desc')
    .limit(HISTORY_ROWS)
    .execute()
  return rows.map((row) => ({ ...row, place: parsePlace(row.place) }))
}

export interface NetworkFailures {
  readonly failures: number
  /** Different ones, existing or not. */
  readonly accounts: number
}

/** Failures from one network since `since` (epoch ms). */
export async function failuresFromNetwork(
  store: Store,
  network: string,
  since: number,
): Promise<NetworkFailures> {
  const { rows } = await sql<NetworkFailures>`
    select count(*) as failures, count(distinct account) as accounts from (
      select account from sign_ins
      where network = ${network} and outcome = 'wrong' and at >= ${since}
      order by at desc limit ${MOST_FAILURES})`.execute(store.read)
  return rows[0] ?? { failures: 0, accounts: 0 }
}

/** Failures at one account since `since`, or since the last time it went well when that is later. */
export async function failuresOfUser(store: Store, user: UserId, since: number): Promise<number> {
  const { rows } = await sql<{ failures: number }>`
    select count(*) as failures from (
      select 1 from sign_ins where user_id = ${user} and outcome = 'wrong' and at >= ${since}
        and at > coalesce(
          (select max(at) from sign_ins where user_id = ${user} and outcome = 'ok'), 0)
      limit ${MOST_FAILURES})`.execute(store.read)
  return rows[0]?.failures ?? 0
}

/**
 * Removes up to `limit` attempts from before `before` (epoch ms); resolves with how many went. The last good one of a
 * person stays however old it is: accounts that sleep are the ones that are broken into.
 */
export async function forgetSignIns(
  store: Store,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<number> {
  const statement = sql`delete from sign_ins where id in (
    select id from sign_ins as old where at < ${before}
      and (outcome <> 'ok' or at < (
        select max(at) from sign_ins where user_id = old.user_id and outcome = 'ok'))
    order by at limit ${limit})`
  const [result] = await store.writer.write([{ query: statement.compile(store.build) }], {
    unaudited: 'attempts to sign in that are too old to matter',
  })
  return result?.changes ?? 0
}
