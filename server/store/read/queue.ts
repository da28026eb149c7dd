/** The queue as operators see it: per lane, what waits and what holds it. */
import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import type { DeliveryState } from '../../core/delivery.ts'
import { asId } from '../../core/ids.ts'
import type { DeliveryId, LaneId } from '../../core/ids.ts'
import type { AllTenants } from '../schema.ts'

export interface LaneQueue {
  readonly id: number
  readonly source: string
  readonly destination: string
  readonly waiting: number
  readonly due: number
  readonly leased: number
  /** Key of the oldest delivery, which tells its time; null: nothing waits. */
  readonly oldest: number | null
  readonly next_at: number | null
  readonly suspended_until: number
  readonly suspended_because: string | null
  readonly owned: number
}

/** Reads one index over all that waits: about a second for ten million deliveries, so it is for people, not for loops. */
export async function queueByLane(read: AllTenants, now: number): Promise<LaneQueue[]> {
  const { rows } = await sql<LaneQueue>`
    select l.id, s.name as source, l.destination, coalesce(q.waiting, 0) as waiting,
      coalesce(q.due, 0) as due, q.oldest, q.next_at, l.suspended_until, l.suspended_because,
      (l.owner is not null and l.owned_until > ${now}) as owned,
      (select count(*) from deliveries indexed by deliveries_leased
       where lane_id = l.id and state = 'leased') as leased
    from lanes l join sources s on s.id = l.source_id
    left join (
      select lane_id, count(*) as waiting, sum(next_at <= ${now}) as due, min(next_at) as next_at,
        min(id) as oldest
      from deliveries indexed by deliveries_queue
      where state in ('queued', 'deferred') and lane_id is not null group by lane_id
    ) q on q.lane_id = l.id
    order by waiting desc, l.id`.execute(read)
  return rows
}

/** Deliveries without a lane yet, and those held. */
export async function queueTotals(
  read: AllTenants,
): Promise<{ unrouted: number; waiting: number }> {
  const { rows } = await sql<{ unrouted: number; waiting: number }>`select
    (select count(*) from deliveries indexed by deliveries_unrouted
     where lane_id is null and state in ('queued', 'deferred')) as unrouted,
    (select count(*) from deliveries indexed by deliveries_queue
     where state in ('queued', 'deferred')) as waiting`.execute(read)
  return rows[0] ?? { unrouted: 0, waiting: 0 }
}

export interface WaitingFilter {
  readonly lane?: LaneId | undefined
  readonly domain?: string | undefined
  /** Undefined: queued and deferred. */
  readonly state?: Extract<DeliveryState, 'deferred' | 'queued' | 'expired' | 'bounced'> | undefined
}

/**
 * Literals, not parameters: the planner uses a partial index only when it sees that its condition holds. Ended
 * deliveries have no index of their own over all tenants; for them this reads the table, once, for a person.
 */
function matching(filter: WaitingFilter): RawBuilder<unknown> {
  const states = filter.state === undefined ? ['queued', 'deferred'] : [filter.state]
  const conditions = [sql`state in (${sql.join(states.map((state) => sql.lit(state)))})`]
  if (filter.lane !== undefined) conditions.push(sql`lane_id = ${filter.lane}`)
  if (filter.domain !== undefined) conditions.push(sql`domain = ${filter.domain}`)
  return sql.join(conditions, sql` and `)
}

export async function countMatching(read: AllTenants, filter: WaitingFilter): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*) as count from deliveries
    where ${matching(filter)}`.execute(read)
  return rows[0]?.count ?? 0
}

/** Keys in ascending order, above `after`. */
export async function idsMatching(
  read: AllTenants,
  filter: WaitingFilter,
  page: { after: number; limit: number },
): Promise<DeliveryId[]> {
  const { rows } = await sql<{ id: number }>`select id from deliveries
    where ${matching(filter)} and id > ${page.after} order by id limit ${page.limit}`.execute(read)
  return rows.map((row) => asId('delivery', row.id))
}
