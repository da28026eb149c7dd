/** What a client may still do with an accepted message. */
import type { Actor } from '../core/audit.ts'
import { encodeId } from '../core/ids.ts'
import type { DeliveryId, LaneId, MessageId, TenantId } from '../core/ids.ts'
import type { Clock } from '../core/ports.ts'
import type { Bodies } from '../store/body.ts'
import type { Store } from '../store/open.ts'

export interface Messages {
  /** Cancels deliveries that were not sent yet; undefined when the tenant has no such message. */
  cancel(
    actor: Actor,
    tenant: TenantId,
    message: MessageId,
  ): Promise<{ cancelled: number } | undefined>
  /** The bytes as kept; undefined when there is no such message or retention took them. */
  content(tenant: TenantId, message: MessageId): Promise<Buffer | undefined>
  /** Makes waiting or ended deliveries due now. Operators only: no tenant is asked. */
  retryNow(deliveries: readonly DeliveryId[]): Promise<number>
}

export function makeMessages(deps: {
  store: Store
  bodies: Bodies
  clock: Clock
  wakeLane: (lane: LaneId) => void
}): Messages {
  const { store, clock } = deps
  const find = (tenant: TenantId, message: MessageId) =>
    store
      .of(tenant)
      .selectFrom('messages')
      .select('spool')
      .where('id', '=', message)
      .executeTakeFirst()
  return {
    async cancel(actor, tenant, message) {
      if ((await find(tenant, message)) === undefined) return undefined
      const cancelled = await store.writer.cancel(message, clock.now())
      const id = encodeId('message', message)
      if (cancelled > 0)
        await store.writer.write([], {
          actor,
          tenant,
          action: 'message.cancelled',
          target: { kind: 'message', id, name: id },
          after: { deliveries: cancelled },
        })
      return { cancelled }
    },
    async content(tenant, message) {
      const row = await find(tenant, message)
      return row === undefined ? undefined : deps.bodies.load(message, row.spool ?? undefined)
    },
    async retryNow(deliveries) {
      const lanes = await store.writer.retryNow(deliveries, clock.now())
      lanes.forEach(deps.wakeLane)
      return deliveries.length
    },
  }
}
