/** Rows of lanes, and what the queue holds per lane and per domain without a lane. */
import { sql } from 'kysely'
import type { ChangeRecord } from '../core/audit.ts'
import { asId } from '../core/ids.ts'
import type { LaneId, SourceId } from '../core/ids.ts'
import { destinationKey } from '../core/lane.ts'
import type { Destination } from '../core/lane.ts'
import type { Stream } from '../core/work.ts'
import type { LaneRecord } from './catalog.ts'
import type { Store } from './open.ts'
import { stringsOf } from './read/messages.ts'
import { nextId, returnedId } from './rows.ts'

/** Literal, not parameters: only so can the planner see that the partial index holds all that is asked for. */
const isUnrouted = sql<boolean>`lane_id is null and state in ('queued', 'deferred')`

/** Finds or makes the lane of a source and a destination. */
export async function ensureLane(
  store: Store,
  lane: { source: SourceId; destination: Destination },
  now: number,
): Promise<LaneId> {
  const query = store.build
    .insertInto('lanes')
    .values({
      id: nextId,
      source_id: lane.source,
      destination: destinationKey(lane.destination),
      target: JSON.stringify(lane.destination),
      owner: null,
      owned_until: 0,
      pace: '',
      suspended_until: 0,
      suspended_because: null,
      created_at: now,
    })
    // A no-op update, so that `returning` answers for the lane that was there already, too.
    .onConflict((conflict) =>
      conflict.columns(['source_id', 'destination']).doUpdateSet({ source_id: lane.source }),
    )
    .returning('id')
    .compile()
  const [row] = await store.writer.write([{ query }], { unaudited: 'a lane is found, not decided' })
  return asId('lane', returnedId(row?.rows))
}

export async function loadLanes(store: Store): Promise<LaneRecord[]> {
  const rows = await store.read
    .selectFrom('lanes')
    .select(['id', 'source_id', 'destination', 'target'])
    .execute()
  return rows.map((row) => ({
    id: asId('lane', row.id),
    source: asId('source', row.source_id),
    destination: row.destination,
    // Written by ensureLane from a Destination.
    target: JSON.parse(row.target) as Destination,
  }))
}

/** Stops a lane until `until` (epoch ms; 0 resumes it). Its owner loses it and stops at its next lease. */
export async function suspendLane(
  store: Store,
  lane: LaneId,
  suspension: { until: number; because: string | undefined },
  record: ChangeRecord,
): Promise<void> {
  const query = store.build
    .updateTable('lanes')
    .set({
      suspended_until: suspension.until,
      suspended_because: suspension.because ?? null,
      owner: null,
      owned_until: 0,
    })
    .where('id', '=', lane)
    .compile()
  await store.writer.write([{ query, expect: { changes: 1, orElse: 'NOT_FOUND' } }], record)
}

/** Forgets every owner: for a program that knows it is the only one on this database. */
export async function releaseAllLanes(store: Store): Promise<void> {
  const query = store.build
    .updateTable('lanes')
    .set({ owner: null, owned_until: 0 })
    .where('owner', 'is not', null)
    .compile()
  await store.writer.write([{ query }], { unaudited: 'owners of a program that is gone' })
}

/**
 * Lanes with waiting or orphaned deliveries. One seek per lane: *that* there is work is enough for a wake-up, *when*
 * it is due the lane's owner finds out; exact times would read every waiting row.
 */
export async function lanesWithWork(store: Store): Promise<LaneId[]> {
  const { rows } = await sql<{ id: number }>`select id from lanes where
    exists (select 1 from deliveries indexed by deliveries_queue
            where lane_id = lanes.id and state in ('queued', 'deferred'))
    or exists (select 1 from deliveries indexed by deliveries_leased
               where lane_id = lanes.id and state = 'leased')`.execute(store.across.read)
  return rows.map((row) => asId('lane', row.id))
}

/** Domains with deliveries that have no lane, with the earliest due time. */
export async function domainsWithoutLane(store: Store): Promise<{ domain: string; at: number }[]> {
  const { rows } = await sql<{ domain: string; at: number }>`select domain, min(next_at) as at
    from deliveries indexed by deliveries_unrouted where ${isUnrouted} group by domain`.execute(
    store.across.read,
  )
  return rows
}

export interface UnroutedRow {
  readonly id: number
  readonly message_id: number
  readonly tenant_id: number
  readonly recipient: string
  readonly domain: string
  readonly attempts: number
  readonly next_at: number
  readonly expires_at: number
  readonly stream: Stream
  readonly header_from: string
  readonly tags: readonly string[]
}

/** Deliveries of a domain that wait without a lane, by id. */
export async function unroutedOf(
  store: Store,
  domain: string,
  page: { after: number; limit: number },
): Promise<UnroutedRow[]> {
  const { rows } = await sql<Omit<UnroutedRow, 'tags'> & { tags: string | null }>`
    select d.id, d.message_id, d.tenant_id, d.recipient, d.domain, d.attempts, d.next_at, d.expires_at,
      m.stream, m.header_from, m.tags
    from deliveries d indexed by deliveries_unrouted join messages m on m.id = d.message_id
    where ${isUnrouted} and domain = ${domain} and d.id > ${page.after}
    order by d.id limit ${page.limit}`.execute(store.across.read)
  return rows.map((row) => ({ ...row, tags: stringsOf(row.tags) }))
}
