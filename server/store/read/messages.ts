/**
 * Lists of messages, newest first. Each filter starts from the index that fits it; filters without an index look at
 * a bounded number of rows and hand out a cursor to go on, so that no request ever reads the whole table.
 */
import { sql } from 'kysely'
import type { Kysely, RawBuilder } from 'kysely'
import type { DeliveryState } from '../../core/delivery.ts'
import { asId, firstIdAt } from '../../core/ids.ts'
import type { MessageId, TenantId } from '../../core/ids.ts'
import type { Stream } from '../../core/work.ts'
import type { Schema } from '../schema.ts'

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

/** Rows a request without a fitting index may look at. */
const SCAN_ROWS = 20_000
const SHOWN_DELIVERIES = 5
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

/** Ids of messages, newest first, from the index that narrows most. */
function candidates(filter: MessageFilter, window: Window): RawBuilder<{ id: number }> {
  const { tenant, before, from } = window
  if (filter.to !== undefined)
    return sql`select distinct message_id as id from deliveries indexed by deliveries_recipient
      where recipient = ${filter.to} and tenant_id = ${tenant} and message_id < ${before}
        and message_id >= ${from} order by message_id desc`
  if (filter.tag !== undefined)
    return sql`select message_id as id from message_tags where tag = ${filter.tag}
      and message_id < ${before} and message_id >= ${from} order by message_id desc`
  if (filter.state !== undefined && TROUBLE.includes(filter.state))
    return sql`select distinct message_id as id from deliveries indexed by deliveries_trouble
      where tenant_id = ${tenant} and state = ${filter.state} and message_id < ${before}
        and message_id >= ${from} order by id desc`
  return sql`select id from messages indexed by messages_tenant where tenant_id = ${tenant}
    and id < ${before} and id >= ${from} order by id desc`
}

export async function listMessages(
  read: Kysely<Schema>,
  tenant: TenantId,
  filter: MessageFilter,
  page: { before: number | undefined; limit: number },
): Promise<Page<MessageSummary>> {
  const window = {
    tenant,
    before: page.before ?? Number.MAX_SAFE_INTEGER,
    from: filter.since === undefined ? 0 : firstIdAt(filter.since),
  }
  const source = candidates(filter, window)
  const rows = await read
    .selectFrom(sql<{ id: number }>`(${source} limit ${SCAN_ROWS})`.as('candidate'))
    .innerJoin('messages as m', 'm.id', 'candidate.id')
    .selectAll('m')
    .where('m.tenant_id', '=', tenant)
    .$if(filter.from !== undefined, (query) => query.where('m.header_from', '=', filter.from ?? ''))
    .$if(filter.sandbox !== undefined, (query) =>
      query.where('m.sandbox', '=', filter.sandbox === true ? 1 : 0),
    )
    .$if(filter.state !== undefined, (query) =>
      query.where((eb) =>
        eb.exists(
          eb
            .selectFrom('deliveries as d')
            .select('d.id')
            .whereRef('d.message_id', '=', 'm.id')
            .where('d.state', '=', filter.state ?? 'queued')
            .$if(filter.to !== undefined, (inner) =>
              inner.where('d.recipient', '=', filter.to ?? ''),
            ),
        ),
      ),
    )
    .limit(page.limit)
    .execute()
  const last = rows.at(-1)
  const next = rows.length === page.limit ? last?.id : await endOfScan(read, source)
  const shown = await Promise.all(rows.map((row) => firstDeliveries(read, row.id)))
  return {
    items: rows.map((row, i) => ({
      id: asId('message', row.id),
      from: row.header_from,
      subject: row.subject,
      stream: row.stream,
      tags: stringsOf(row.tags),
      size: row.size,
      sandbox: row.sandbox === 1,
      deliveries: shown[i] ?? [],
      recipients: row.copies,
    })),
    next,
  }
}

/** Where a scan that found too little stopped; undefined when it saw everything. */
async function endOfScan(
  read: Kysely<Schema>,
  source: RawBuilder<{ id: number }>,
): Promise<number | undefined> {
  const { rows } = await sql<{ id: number }>`select id from (${source} limit 1 offset ${
    SCAN_ROWS - 1
  })`.execute(read)
  return rows[0]?.id
}

const firstDeliveries = (
  read: Kysely<Schema>,
  message: number,
): Promise<{ id: number; to: string; state: DeliveryState }[]> =>
  read
    .selectFrom('deliveries')
    .select(['id', 'recipient as to', 'state'])
    .where('message_id', '=', message)
    .orderBy('id')
    .limit(SHOWN_DELIVERIES)
    .execute()

/** A JSON array of strings as the writer stored it; null is the empty list. */
export function stringsOf(json: string | null): string[] {
  if (json === null) return []
  const value: unknown = JSON.parse(json)
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}
