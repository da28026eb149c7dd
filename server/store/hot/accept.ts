/**
 * Keeps new messages: bodies, deliveries and their `accepted` events in the caller's transaction. How each delivery
 * begins is planned before the first row is written, so that a request over its quota leaves nothing to undo.
 */
import type Database from 'better-sqlite3'
import type { DeliveryState, MoveReason } from '../../core/delivery.ts'
import { asId } from '../../core/ids.ts'
import type { LaneId, MessageId } from '../../core/ids.ts'
import type { QuotaRefusal } from '../../core/quota.ts'
import { STREAM_PRIORITY } from '../../core/work.ts'
import type {
  AcceptRequest,
  AcceptResult,
  AcceptedDelivery,
  AcceptedMessage,
  NewMessage,
  NewRecipient,
} from '../../core/work.ts'
import type { EventLog } from './events.ts'
import { makeIdAllocator } from './ids.ts'
import { makeQuotaLedger } from './quota.ts'
import { isRefusal, makeStarts } from './start.ts'
import type { Start } from './start.ts'

export interface AcceptOp {
  /** Call first in each transaction, and `end` before its commit. */
  begin(now: number): void
  end(): void
  run(request: AcceptRequest, now: number): AcceptResult
}

const jsonOrNull = (value: object, isEmpty: boolean): string | null =>
  isEmpty ? null : JSON.stringify(value)

export function makeAccept(db: Database.Database, events: EventLog): AcceptOp {
  const messageIds = makeIdAllocator(db, 'messages')
  const deliveryIds = makeIdAllocator(db, 'deliveries')
  const insertMessage = db.prepare(
    `insert into messages (id, tenant_id, stream, via, credential_id, key_id, mail_from, header_from, subject,
       message_id_header, tags, metadata, size, copies, send_at, sandbox, smtputf8, spool)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const insertBody = db.prepare('insert into bodies (message_id, bytes) values (?, ?)')
  const insertTag = db.prepare(
    'insert or ignore into message_tags (tenant_id, tag, message_id) values (?, ?, ?)',
  )
  const insertDelivery = db.prepare(
    `insert into deliveries (id, message_id, tenant_id, priority, recipient, domain, state, reason, lane_id,
       next_at, expires_at, attempts, changed_at)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
  )
  const knownKey = db.prepare<[number, string], { fingerprint: string; messages: string }>(
    'select fingerprint, messages from idempotency where tenant_id = ? and key = ?',
  )
  const insertKey = db.prepare(
    'insert into idempotency (tenant_id, key, fingerprint, messages, created_at) values (?, ?, ?, ?, ?)',
  )
  const deliveriesOf = db.prepare<
    [number],
    {
      id: number
      recipient: string
      state: DeliveryState
      reason: MoveReason
      lane_id: number | null
      next_at: number
    }
  >(
    `select id, recipient, state, reason, lane_id, next_at from deliveries
     where message_id = ? order by id`,
  )
  const quotas = makeQuotaLedger(db)
  const starts = makeStarts(db, quotas)

  const replay = (id: number): AcceptedMessage => ({
    id: asId('message', id),
    deliveries: deliveriesOf.all(id).map((row) => ({
      id: asId('delivery', row.id),
      to: row.recipient,
      state: row.state,
      lane: row.lane_id === null ? undefined : asId('lane', row.lane_id),
      ...(row.reason === 'quota' ? { expectedAt: row.next_at } : {}),
    })),
  })

  function keepDelivery(
    message: NewMessage,
    messageId: MessageId,
    recipient: NewRecipient,
    { state, reason, nextAt, expiresAt, data }: Start,
    now: number,
  ): AcceptedDelivery {
    const id = asId('delivery', deliveryIds.next())
    const lane: LaneId | undefined = state === 'queued' ? recipient.lane : undefined
    insertDelivery.run(
      id,
      messageId,
      message.tenant,
      STREAM_PRIORITY[message.stream],
      recipient.address,
      recipient.domain,
      state,
      reason,
      lane ?? null,
      nextAt,
      expiresAt,
      now,
    )
    events.add(id, messageId, message.tenant, 'accepted', null, data)
    if (state === 'suppressed') events.add(id, messageId, message.tenant, 'suppressed', null, null)
    else if (message.sandbox)
      events.add(id, messageId, message.tenant, 'delivered', null, '{"sandbox":true}')
    return reason === 'quota'
      ? { id, to: recipient.address, state, lane, expectedAt: nextAt }
      : { id, to: recipient.address, state, lane }
  }

  function keepMessage(message: NewMessage, plan: readonly Start[], now: number): AcceptedMessage {
    const id = asId('message', messageIds.next())
    const { body } = message
    const spool = 'spool' in body ? body : undefined
    insertMessage.run(
      id,
      message.tenant,
      message.stream,
      message.via,
      message.credential ?? null,
      message.key ?? null,
      message.mailFrom,
      message.headerFrom,
      message.subject,
      message.messageIdHeader,
      jsonOrNull(message.tags, message.tags.length === 0),
      jsonOrNull(message.metadata, Object.keys(message.metadata).length === 0),
      spool?.size ?? (body as Buffer).length,
      message.recipients.length,
      message.sendAt ?? null,
      message.sandbox ? 1 : 0,
      message.smtpUtf8 ? 1 : 0,
      spool?.spool ?? null,
    )
    if (spool === undefined) insertBody.run(id, body)
    for (const tag of message.tags) insertTag.run(message.tenant, tag, id)
    return {
      id,
      deliveries: message.recipients.map((recipient, i) =>
        keepDelivery(message, id, recipient, plan[i]!, now),
      ),
    }
  }

  /** All or none. */
  function keepAll(
    messages: readonly NewMessage[],
    now: number,
  ): readonly AcceptedMessage[] | QuotaRefusal {
    // Of an operation before that failed half-way.
    quotas.takeBack()
    const plans: (readonly Start[])[] = []
    for (const message of messages) {
      const plan = starts.of(message, now)
      if (isRefusal(plan)) return plan
      plans.push(plan)
    }
    return messages.map((message, i) => keepMessage(message, plans[i]!, now))
  }

  function answer(kept: readonly AcceptedMessage[] | QuotaRefusal): AcceptResult {
    if (isRefusal(kept)) return { kind: 'over-quota', refusal: kept }
    const marks = quotas.keep()
    return marks.length === 0
      ? { kind: 'accepted', messages: kept }
      : { kind: 'accepted', messages: kept, marks }
  }

  return {
    begin(now) {
      messageIds.begin(now)
      deliveryIds.begin(now)
      quotas.begin(now)
      starts.begin()
    },
    end: () => quotas.end(),
    run({ messages, idempotency }, now) {
      const tenant = messages[0]?.tenant
      if (idempotency === undefined || tenant === undefined) return answer(keepAll(messages, now))
      const known = knownKey.get(tenant, idempotency.key)
      if (known !== undefined) {
        if (known.fingerprint !== idempotency.fingerprint) return { kind: 'key-reused' }
        const ids: unknown = JSON.parse(known.messages)
        return { kind: 'replayed', messages: Array.isArray(ids) ? ids.map(Number).map(replay) : [] }
      }
      const kept = keepAll(messages, now)
      if (!isRefusal(kept)) {
        const ids = JSON.stringify(kept.map((message) => message.id))
        insertKey.run(tenant, idempotency.key, idempotency.fingerprint, ids, now)
      }
      return answer(kept)
    },
  }
}
