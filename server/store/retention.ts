/**
 * Removes what is over, a few hundred rows at a time, so that the hot writes never wait long behind a step. Nothing
 * that still waits for its delivery is ever touched.
 */
import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { firstIdAt } from '../core/ids.ts'
import type { Store } from './open.ts'

/** Rows a step removes at most. */
export const STEP_ROWS = 500

/** Rows made before these times (epoch ms) may go, once they are finished. */
export interface Cutoffs {
  readonly bodies: number
  readonly deliveries: number
  readonly events: number
  readonly idempotency: number
}

/** Removes up to STEP_ROWS rows; resolves with how many went. Fewer means that nothing is left. */
export type RetentionStep = () => Promise<number>

/** In the order in which they must run: a message goes after all that names it. */
export function retentionSteps(store: Store, cutoffs: Cutoffs): RetentionStep[] {
  const bodies = firstIdAt(cutoffs.bodies)
  const deliveries = firstIdAt(cutoffs.deliveries)
  const events = firstIdAt(cutoffs.events)
  const step =
    (statement: RawBuilder<unknown>): RetentionStep =>
    async () => {
      const [result] = await store.writer.write([{ query: statement.compile(store.build) }])
      return result?.changes ?? 0
    }
  return [
    step(sql`delete from bodies where message_id in (
      select message_id from bodies where message_id < ${bodies}
        and not ${isUnfinished(sql`bodies.message_id`)} limit ${STEP_ROWS})`),
    step(sql`delete from attempts where (delivery_id, number) in (
      select delivery_id, number from attempts where delivery_id < ${deliveries} limit ${STEP_ROWS})`),
    step(sql`delete from deliveries where id in (
      select id from deliveries where id < ${deliveries}
        and state not in ('queued', 'leased', 'deferred', 'held') limit ${STEP_ROWS})`),
    step(sql`delete from message_tags where (tag, message_id) in (
      select tag, message_id from message_tags join messages on messages.id = message_id
      where message_id < ${deliveries} and not ${hasDelivery} limit ${STEP_ROWS})`),
    step(sql`delete from messages where id in (
      select id from messages where id < ${deliveries} and spool is null and not ${hasDelivery}
      limit ${STEP_ROWS})`),
    step(sql`delete from events where id in (
      select id from events where id < ${events} limit ${STEP_ROWS})`),
    step(sql`delete from idempotency where (tenant_id, key) in (
      select tenant_id, key from idempotency indexed by idempotency_age
      where created_at < ${cutoffs.idempotency} limit ${STEP_ROWS})`),
  ]
}

/** Up to STEP_ROWS finished messages older than `before` whose body is a spool file. */
export async function finishedSpools(
  store: Store,
  before: number,
): Promise<{ id: number; spool: string }[]> {
  const { rows } = await sql<{ id: number; spool: string }>`
    select id, spool from messages indexed by messages_spool
    where spool is not null and id < ${firstIdAt(before)} and not ${isUnfinished(sql`messages.id`)}
    limit ${STEP_ROWS}`.execute(store.read)
  return rows
}

/** The files are gone: the rows forget their names. */
export async function forgetSpools(store: Store, messages: readonly number[]): Promise<void> {
  const query = store.build
    .updateTable('messages')
    .set({ spool: null })
    .where('id', 'in', messages)
    .compile()
  await store.writer.write([{ query }])
}

/** Some delivery of the message has not ended. */
const isUnfinished = (message: RawBuilder<unknown>): RawBuilder<unknown> =>
  sql`exists (select 1 from deliveries where message_id = ${message}
    and state in ('queued', 'leased', 'deferred', 'held'))`

const hasDelivery = sql`exists (select 1 from deliveries where message_id = messages.id)`
