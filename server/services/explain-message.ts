/** One message in short, for operators: whose it is, what it is, and where each of its deliveries stands. */
import { asId, encodeId, idTime } from '../core/ids.ts'
import type { MessageId } from '../core/ids.ts'
import type { Store } from '../store/open.ts'
import { getMessage } from '../store/read/message.ts'

export interface DeliveryBrief {
  readonly delivery: string
  readonly to: string
  readonly state: string
  /** From the closed set of core/delivery.ts. */
  readonly reason: string
  readonly attempts: number
  /** Reply code of the last attempt. */
  readonly code: number | undefined
  readonly category: string | undefined
  /** Epoch ms; undefined when nothing more happens by itself. */
  readonly nextAt: number | undefined
}

export interface MessageExplanation {
  readonly message: string
  readonly tenant: string
  readonly acceptedAt: number
  readonly via: 'smtp' | 'api'
  readonly stream: string
  readonly from: string
  readonly mailFrom: string
  readonly subject: string
  readonly messageIdHeader: string
  /** Bytes. */
  readonly size: number
  readonly sandbox: boolean
  /** Recipients as accepted; more than `deliveries` holds when there were too many to show. */
  readonly recipients: number
  readonly deliveries: readonly DeliveryBrief[]
}

/** Undefined when there is no such message. At most `limit` deliveries, oldest first. */
export type ExplainMessage = (
  id: MessageId,
  limit: number,
) => Promise<MessageExplanation | undefined>

export const makeExplainMessage =
  ({ store }: { store: Store }): ExplainMessage =>
  async (id, limit) => {
    const owner = await store.across.read
      .selectFrom('messages as m')
      .innerJoin('tenants as t', 't.id', 'm.tenant_id')
      .select(['t.id', 't.name'])
      .where('m.id', '=', id)
      .executeTakeFirst()
    if (owner === undefined) return undefined
    const detail = await getMessage(store.across.read, asId('tenant', owner.id), id, {
      after: 0,
      limit,
    })
    if (detail === undefined) return undefined
    const { message } = detail
    return {
      message: encodeId('message', id),
      tenant: owner.name,
      acceptedAt: idTime(id),
      via: message.via,
      stream: message.stream,
      from: message.header_from,
      mailFrom: message.mail_from,
      subject: message.subject,
      messageIdHeader: message.message_id_header,
      size: message.size,
      sandbox: message.sandbox === 1,
      recipients: message.copies,
      deliveries: detail.deliveries.map((row) => ({
        delivery: encodeId('delivery', row.id),
        to: row.recipient,
        state: row.state,
        reason: row.reason,
        attempts: row.attempts,
        code: row.code ?? undefined,
        category: row.category ?? undefined,
        nextAt: row.state === 'queued' || row.state === 'deferred' ? row.next_at : undefined,
      })),
    }
  }
