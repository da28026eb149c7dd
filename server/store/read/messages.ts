/**
 * Lists of messages, newest first. Each filter starts from the index that fits it; filters without an index look at
 * a bounded number of rows and hand out a cursor to go on, so that no request ever reads the whole table.
 */
import { sql } from 'kysely'
import type { RawBuilder, Selectable } from 'kysely'
import type { DeliveryState } from '../../core/delivery.ts'
import { groupBy } from '../../core/group-by.ts'
import { asId, firstIdAt } from '../../core/ids.ts'
import type { MessageId, TenantId } from '../../core/ids.ts'
import type { Stream } from '../../core/work.ts'
import type { MessagesTable, AllTenants } from '../schema.ts'

export interface MessageFilter {
  readonly state?: DeliveryState | undefined
  readonly to?: string | undefined
  readonly from?: string | undefined
  readonly tag?: string | undefined
  /** Epoch ms. */
  readonly since?: number | undefined
  readonly sandbox?: boolean | undefined
}

export interface MessageSummary {
  readonly id: MessageId
  readonly from: string
  readonly subject: string
  readonly stream: Stream
  readonly tags: readonly string[]
  readonly size: number
  readonly sandbox: boolean
  readonly deliveries: readonly {
    readonly id: number
    readonly to: string
    readonly state: DeliveryState
  }[]
  /** Recipients of the message; `deliveries` shows the first few. */
  readonly recipients: number
}

export interface Page<T> {
  readonly items: readonly T[]
  /** Key of the last row looked at; undefined at the end. */
  readonly next: number | undefined
}

/** Rows a request may look at; then it hands out a cursor to go on from, however little it found. */
const SCAN_ROWS = 5_000
/** Rows looked at in one step. */
const CHUNK_ROWS = 500
const SHOWN_DELIVERIES = 5
/** What the index `deliveries_trouble` holds. */
const TROUBLE: readonly DeliveryState[] = [
  'deferred',
  'held',
  'bounced',
  'expired',
  'suppressed',
  'cancelled',
]

interface Window {
  readonly tenant: TenantId
  readonly before: number
  readonly from: number
}

/**
 * Ids of messages, newest first, from the index that narrows most; one that has several deliveries may come several
 * times. Deliveries get their keys in the order of their messages, so that both orders are the same.
 */
function candidates(filter: MessageFilter, window: Window): RawBuilder<{ id: number }> {
  const { tenant, before, from } = window
  const firstOf = (message: number): RawBuilder<number> =>
    sql`coalesce((select id from deliveries where message_id >= ${message}
      order by message_id, id limit 1), ${Number.MAX_SAFE_INTEGER})`
  const inWindow = sql`d.id < ${firstOf(before)} and d.id >= ${firstOf(from)} order by d.id desc`
  if (filter.to !== undefined)
    return sql`select message_id as id from deliveries d indexed by deliveries_recipient
      where recipient = ${filter.to} and tenant_id = ${tenant} and ${inWindow}`
  if (filter.tag !== undefined)
    return sql`select message_id as id from message_tags where tenant_id = ${tenant}
      and tag = ${filter.tag} and message_id < ${before} and message_id >= ${from}
      order by message_id desc`
  if (filter.state !== undefined && TROUBLE.includes(filter.state))
    // The index's own condition, word for word: the planner does not conclude it from the state.
    return sql`select message_id as id from deliveries d indexed by deliveries_trouble
      where tenant_id = ${tenant} and state = ${filter.state}
        and state in (${sql.join(TROUBLE.map((state) => sql.lit(state)))}) and ${inWindow}`
  return sql`select id from messages indexed by messages_tenant where tenant_id = ${tenant}
    and id < ${before} and id >= ${from} order by id desc`
}

/** Those of the candidates that pass the whole filter, newest first. */
const matching = (
  read: AllTenants,
  ids: readonly number[],
  filter: MessageFilter,
  page: { tenant: TenantId; limit: number },
): Promise<Selectable<MessagesTable>[]> =>
  read
    .selectFrom('messages as m')
    .selectAll('m')
    .where('m.id', 'in', sql<number>`(select value from json_each(${JSON.stringify(ids)}))`)
    .where('m.tenant_id', '=', page.tenant)
    .$if(filter.from !== undefined, (query) => query.where('m.header_from', '=', filter.from ?? ''))
    .$if(filter.sandbox !== undefined, (query) =>
      query.where('m.sandbox', '=', filter.sandbox === true ? 1 : 0),
    )
    .$if(filter.tag !== undefined && filter.to !== undefined, (query) =>
      query.where(
        sql<boolean>`exists (select 1 from message_tags t where t.tenant_id = ${page.tenant}
          and t.tag = ${filter.tag} and t.message_id = m.id)`,
      ),
    )
    .$if(filter.state !== undefined, (query) => query.where(hasDelivery(filter)))
    .orderBy('m.id', 'desc')
    .limit(page.limit)
    .execute()

/** One of the message's deliveries is in the state, and to the recipient if one is asked for. */
const hasDelivery = (filter: MessageFilter): RawBuilder<boolean> =>
  // By message: some addresses have more deliveries than any message.
  sql`exists (select 1 from deliveries d indexed by deliveries_message where d.message_id = m.id
    and d.state = ${filter.state} ${filter.to === undefined ? sql`` : sql`and d.recipient = ${filter.to}`})`

export async function listMessages(
  read: AllTenants,
  tenant: TenantId,
  filter: MessageFilter,
  page: { before: number | undefined; limit: number },
): Promise<Page<MessageSummary>> {
  const from = filter.since === undefined ? 0 : firstIdAt(filter.since)
  const found: Selectable<MessagesTable>[] = []
  let next = page.before
  for (let looked = 0; looked < SCAN_ROWS; looked += CHUNK_ROWS) {
    const window = { tenant, before: next ?? Number.MAX_SAFE_INTEGER, from }
    const { rows } = await sql<{ id: number }>`${candidates(filter, window)}
      limit ${CHUNK_ROWS}`.execute(read)
    const ids = rows.map((row) => row.id)
    const limit = page.limit - found.length
    const passed = await matching(read, ids, filter, { tenant, limit })
    found.push(...passed)
    next = passed.length === limit ? passed.at(-1)?.id : ids.at(-1)
    if (passed.length === limit) break
    if (ids.length < CHUNK_ROWS) {
      next = undefined
      break
    }
  }
  return { items: await summaries(read, found), next }
}

async function summaries(
  read: AllTenants,
  messages: readonly Selectable<MessagesTable>[],
): Promise<MessageSummary[]> {
  const ids = JSON.stringify(messages.map((row) => row.id))
  const { rows } = await sql<{ id: number; message_id: number; to: string; state: DeliveryState }>`
    select d.id, d.message_id, d.recipient as "to", d.state
    from json_each(${ids}) wanted cross join deliveries d on d.id in (
      select id from deliveries where message_id = wanted.value order by id limit ${SHOWN_DELIVERIES})
    order by d.id`.execute(read)
  const shown = groupBy(rows, (row) => row.message_id)
  return messages.map((row) => ({
    id: asId('message', row.id),
    from: row.header_from,
    subject: row.subject,
    stream: row.stream,
    tags: stringsOf(row.tags),
    size: row.size,
    sandbox: row.sandbox === 1,
    deliveries: (shown.get(row.id) ?? []).map(({ id, to, state }) => ({ id, to, state })),
    recipients: row.copies,
  }))
}

/** A JSON array of strings as the writer stored it; null is the empty list. */
export function stringsOf(json: string | null): string[] {
  if (json === null) return []
  const value: unknown = JSON.parse(json)
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
