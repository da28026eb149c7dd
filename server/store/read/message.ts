/** One message with everything that happened to it. */
import type { Selectable } from 'kysely'
import type { DeliveryId, MessageId, TenantId } from '../../core/ids.ts'
import type {
  AttemptsTable,
  DeliveriesTable,
  EventsTable,
  MessagesTable,
  AllTenants,
} from '../schema.ts'

export interface MessageDetail {
  readonly message: Selectable<MessagesTable>
  /** The first `deliveryLimit`, oldest first; `message.copies` tells how many there are. */
  readonly deliveries: readonly Selectable<DeliveriesTable>[]
  readonly attempts: readonly Selectable<AttemptsTable>[]
  readonly events: readonly Selectable<EventsTable>[]
}

/** Undefined when the tenant has no such message. `after` pages through the deliveries of a large one. */
export async function getMessage(
  read: AllTenants,
  tenant: TenantId,
  id: MessageId,
  page: { after: number; limit: number },
): Promise<MessageDetail | undefined> {
  const message = await read
    .selectFrom('messages')
    .selectAll()
    .where('id', '=', id)
    .where('tenant_id', '=', tenant)
    .executeTakeFirst()
  if (message === undefined) return undefined
  const deliveries = await read
    .selectFrom('deliveries')
    .selectAll()
    .where('message_id', '=', id)
    .where('id', '>', page.after)
    .orderBy('id')
    .limit(page.limit)
    .execute()
  const ids = deliveries.map((row) => row.id)
  return { message, deliveries, ...(await historyOf(read, ids)) }
}

/** Undefined when the tenant has no such delivery; `tenant` undefined is the operator's view. */
export async function getDelivery(
  read: AllTenants,
  tenant: TenantId | undefined,
  id: DeliveryId,
): Promise<MessageDetail | undefined> {
  const delivery = await read
    .selectFrom('deliveries')
    .selectAll()
    .where('id', '=', id)
    .$if(tenant !== undefined, (query) => query.where('tenant_id', '=', tenant ?? -1))
    .executeTakeFirst()
  if (delivery === undefined) return undefined
  const message = await read
    .selectFrom('messages')
    .selectAll()
    .where('id', '=', delivery.message_id)
    .executeTakeFirst()
  if (message === undefined) return undefined
  return { message, deliveries: [delivery], ...(await historyOf(read, [delivery.id])) }
}

async function historyOf(
  read: AllTenants,
  deliveries: readonly number[],
): Promise<Pick<MessageDetail, 'attempts' | 'events'>> {
  if (deliveries.length === 0) return { attempts: [], events: [] }
  const attempts = await read
    .selectFrom('attempts')
    .selectAll()
    .where('delivery_id', 'in', deliveries)
    .orderBy('delivery_id')
    .orderBy('number')
    .execute()
  const events = await read
    .selectFrom('events')
    .selectAll()
    .where('delivery_id', 'in', deliveries)
    .orderBy('id')
    .execute()
  return { attempts, events }
}
