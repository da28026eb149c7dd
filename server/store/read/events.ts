/** The event feed of a tenant, oldest first: poll with the last cursor to miss nothing. */
import type { Selectable } from 'kysely'
import { sql } from 'kysely'
import { firstIdAt } from '../../core/ids.ts'
import type { TenantId } from '../../core/ids.ts'
import type { EventsTable, AllTenants } from '../schema.ts'
import type { Page } from './messages.ts'

export interface FeedEvent extends Selectable<EventsTable> {
  readonly recipient: string | null
}

/** Other tenants' rows that a page may pass over; a page can be empty and still have a cursor. */
const SCAN_ROWS = 20_000

export async function listEvents(
  read: AllTenants,
  tenant: TenantId,
  page: { after: number | undefined; since: number | undefined; limit: number },
): Promise<Page<FeedEvent>> {
  const after = page.after ?? (page.since === undefined ? 0 : firstIdAt(page.since) - 1)
  // Fixed first: what is committed between the two reads below must not slip behind the cursor.
  const newest = await sql<{ id: number | null }>`select max(id) as id from events`.execute(read)
  const until = newest.rows[0]?.id ?? 0
  const looked = sql`select * from events where id > ${after} and id <= ${until} order by id limit ${SCAN_ROWS}`
  const items = await read
    .selectFrom(sql<EventsTable>`(${looked})`.as('e'))
    .leftJoin('deliveries as d', 'd.id', 'e.delivery_id')
    .selectAll('e')
    .select('d.recipient')
    .where('e.tenant_id', '=', tenant)
    .limit(page.limit)
    .execute()
  if (items.length === page.limit) return { items, next: items.at(-1)?.id }
  const last = await sql<{ id: number | null }>`select max(id) as id from (${looked})`.execute(read)
  // A feed has no end: the cursor of an exhausted page is where to ask again.
  return { items, next: last.rows[0]?.id ?? (after > 0 ? after : undefined) }
}
