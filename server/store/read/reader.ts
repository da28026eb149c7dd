/** The reads that screens and the API ask for, bound to one read-only handle, so that nobody above needs Kysely. */
import type { DeliveryId, MessageId, TenantId } from '../../core/ids.ts'
import type { AllTenants } from '../schema.ts'
import { listEvents } from './events.ts'
import type { FeedEvent } from './events.ts'
import { getDelivery, getMessage } from './message.ts'
import type { MessageDetail } from './message.ts'
import { listMessages } from './messages.ts'
import type { MessageFilter, MessageSummary, Page } from './messages.ts'

export interface Reader {
  /** Newest first; `before` is the key of the last row of the page before. */
  messages(
    tenant: TenantId,
    filter: MessageFilter,
    page: { readonly before: number | undefined; readonly limit: number },
  ): Promise<Page<MessageSummary>>
  /** Undefined when the tenant has no such message. `after` pages through its deliveries. */
  message(
    tenant: TenantId,
    id: MessageId,
    page: { readonly after: number; readonly limit: number },
  ): Promise<MessageDetail | undefined>
  /** Undefined when the tenant has no such delivery; its `deliveries` holds that one only. */
  delivery(tenant: TenantId, id: DeliveryId): Promise<MessageDetail | undefined>
  /** Oldest first, from after the key `after` or from the time `since` (epoch ms). */
  events(
    tenant: TenantId,
    page: {
      readonly after: number | undefined
      readonly since: number | undefined
      readonly limit: number
    },
  ): Promise<Page<FeedEvent>>
}

export const makeReader = (read: AllTenants): Reader => ({
  messages: (tenant, filter, page) => listMessages(read, tenant, filter, page),
  message: (tenant, id, page) => getMessage(read, tenant, id, page),
  delivery: (tenant, id) => getDelivery(read, tenant, id),
  events: (tenant, page) => listEvents(read, tenant, page),
})
