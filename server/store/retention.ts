/**
 * Removes what is over, a few hundred rows at a time, so that the hot writes never wait long behind a step. Nothing
 * that still waits for its delivery is ever touched.
 */
import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { firstIdAt } from '../core/ids.ts'
import type { Store } from './open.ts'
import { stringsOf } from './read/messages.ts'
import { forgetSignIns } from './sign-ins.ts'

/** Rows a step removes at most. */
export const STEP_ROWS = 500

/** Rows made before these times (epoch ms) may go, once they are finished. */
export interface Cutoffs {
  readonly bodies: number
  readonly deliveries: number
  readonly events: number
  readonly idempotency: number
  /** Sessions and links that have ended, and attempts to sign in. */
  readonly visits: number
}

/** Removes up to STEP_ROWS rows; resolves with how many went, 0 when nothing is left. */
export type RetentionStep = () => Promise<number>

/** In the order in which they must run: a message goes after all that names it. */
export function retentionSteps(store: Store, cutoffs: Cutoffs): RetentionStep[] {
  const bodies = firstIdAt(cutoffs.bodies)
  const deliveries = firstIdAt(cutoffs.deliveries)
  const events = firstIdAt(cutoffs.events)
  const step =
    (statement: RawBuilder<unknown>): RetentionStep =>
    async () => {
      const [result] = await store.writer.write(
        [{ query: statement.compile(store.across.build) }],
        { unaudited: 'retention forgets by age' },
      )
      return result?.changes ?? 0
    }
  return [
    step(sql`delete from bodies where message_id in (
      select message_id from bodies where message_id < ${bodies}
        and not ${isUnfinished(sql`message_id = bodies.message_id`)} limit ${STEP_ROWS})`),
    step(sql`delete from attempts where (delivery_id, number) in (
      select delivery_id, number from attempts where delivery_id < ${deliveries}
        and not ${isUnfinished(sql`id = attempts.delivery_id`)} limit ${STEP_ROWS})`),
    step(sql`delete from deliveries where id in (
      select id from deliveries where id < ${deliveries} and state not in (${UNFINISHED})
      limit ${STEP_ROWS})`),
    () => forgetMessages(store, deliveries),
    step(sql`delete from events where id in (
      select id from events where id < ${events}
        and not ${isUnfinished(sql`id = events.delivery_id`)} limit ${STEP_ROWS})`),
    step(sql`delete from idempotency where (tenant_id, key) in (
      select tenant_id, key from idempotency indexed by idempotency_age
      where created_at < ${cutoffs.idempotency} limit ${STEP_ROWS})`),
    step(sql`delete from sessions where id in (
      select id from sessions where coalesce(ended_at, expires_at) < ${cutoffs.visits}
      limit ${STEP_ROWS})`),
    step(sql`delete from user_tokens where id in (
      select id from user_tokens where expires_at < ${cutoffs.visits} limit ${STEP_ROWS})`),
    () => forgetSignIns(store, { before: cutoffs.visits, limit: STEP_ROWS }),
  ]
}

/** Messages without deliveries, with their tags: which tags is read from the message, so no index on them is needed. */
async function forgetMessages(store: Store, before: number): Promise<number> {
  const { rows } = await sql<{ id: number; tenant_id: number; tags: string | null }>`
    select id, tenant_id, tags from messages where id < ${before} and spool is null
      and not exists (select 1 from deliveries where message_id = messages.id)
    order by id limit ${STEP_ROWS}`.execute(store.across.read)
  const ids: number[] = []
  const tags: (readonly [number, string, number])[] = []
  for (const row of rows) {
    const own = stringsOf(row.tags).map((tag) => [row.tenant_id, tag, row.id] as const)
    if (ids.length > 0 && ids.length + tags.length + own.length >= STEP_ROWS) break
    ids.push(row.id)
    tags.push(...own)
  }
  if (ids.length === 0) return 0
  const forgetTags = sql`delete from message_tags where (tenant_id, tag, message_id) in (
    select value ->> 0, value ->> 1, value ->> 2 from json_each(${JSON.stringify(tags)}))`
  const forgetRows = sql`delete from messages where id in (
    select value from json_each(${JSON.stringify(ids)}))`
  const results = await store.writer.write(
    [
      { query: forgetTags.compile(store.across.build) },
      { query: forgetRows.compile(store.across.build) },
    ],
    { unaudited: 'retention forgets by age' },
  )
  return results.reduce((sum, { changes }) => sum + changes, 0)
}

/** Up to STEP_ROWS finished messages older than `before` whose body is a spool file. */
export async function finishedSpools(
  store: Store,
  before: number,
): Promise<{ id: number; spool: string }[]> {
  const { rows } = await sql<{ id: number; spool: string }>`
    select id, spool from messages indexed by messages_spool
    where spool is not null and id < ${firstIdAt(before)}
      and not ${isUnfinished(sql`message_id = messages.id`)}
    limit ${STEP_ROWS}`.execute(store.across.read)
  return rows
}

/** The rows forget their files, which may then go. */
export async function forgetSpools(store: Store, messages: readonly number[]): Promise<void> {
  const query = store.across.build
    .updateTable('messages')
    .set({ spool: null })
    .where('id', 'in', messages)
    .compile()
  await store.writer.write([{ query }], { unaudited: 'retention forgets by age' })
}

const UNFINISHED = sql`'queued', 'leased', 'deferred', 'held'`

/** Some delivery that fits has not ended. */
const isUnfinished = (which: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`exists (select 1 from deliveries where ${which} and state in (${UNFINISHED}))`
