/** Keeps new messages: bodies, deliveries and their `accepted` events in the caller's transaction. */
import type Database from 'better-sqlite3'
import type { DeliveryState, MoveReason } from '../../core/delivery.ts'
import { asId } from '../../core/ids.ts'
import type { LaneId, MessageId } from '../../core/ids.ts'
import { slotTime } from '../../core/quota.ts'
import type { QuotaSlot } from '../../core/quota.ts'
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
import { makeQuota } from './quota.ts'

export interface AcceptOp {
  begin(now: number): void
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
  const planRequest = makeQuota(db)
  const anySuppression = db.prepare('select 1 from suppressions limit 1')
  const suppression = db.prepare('select 1 from suppressions where address = ? and tenant_id = ?')
  const knownKey = db.prepare<[number, string], { fingerprint: string; messages: string }>(
    'select fingerprint, messages from idempotency where tenant_id = ? and key = ?',
  )
  const insertKey = db.prepare(
    'insert into idempotency (tenant_id, key, fingerprint, messages, created_at) values (?, ?, ?, ?, ?)',
  )
  const deliveriesOf = db.prepare<
    [number],
    { id: number; recipient: string; state: DeliveryState; lane_id: number | null }
  >('select id, recipient, state, lane_id from deliveries where message_id = ? order by id')
  let checkSuppressions = true

  const replay = (id: number): AcceptedMessage => ({
    id: asId('message', id),
    deliveries: deliveriesOf.all(id).map((row) => ({
      id: asId('delivery', row.id),
      to: row.recipient,
      state: row.state,
      lane: row.lane_id === null ? undefined : asId('lane', row.lane_id),
    })),
  })

  function firstState(
    message: NewMessage,
    recipient: NewRecipient,
    now: number,
  ): [DeliveryState, MoveReason] {
    if (checkSuppressions && suppression.get(recipient.address.toLowerCase(), message.tenant))
      return ['suppressed', 'suppressed-recipient']
    if (message.sandbox) return ['delivered', 'sandbox']
    if (message.sendAt !== undefined && message.sendAt > now) return ['queued', 'scheduled']
    return ['queued', 'accepted']
  }

  function keepDelivery(
    message: NewMessage,
    messageId: MessageId,
    recipient: NewRecipient,
    times: { readonly now: number; readonly waitsUntil: number | undefined },
  ): AcceptedDelivery {
    const { now, waitsUntil } = times
    const id = asId('delivery', deliveryIds.next())
    const [state, first] = firstState(message, recipient, now)
    const isWaiting = waitsUntil !== undefined && state === 'queued'
    const reason = isWaiting ? 'quota' : first
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
      isWaiting ? waitsUntil : (message.sendAt ?? now),
      // The age that a delivery may reach counts from when it may go.
      isWaiting ? message.expiresAt + waitsUntil - (message.sendAt ?? now) : message.expiresAt,
      now,
    )
    events.add(id, messageId, message.tenant, 'accepted', null, null)
    if (state === 'suppressed') events.add(id, messageId, message.tenant, 'suppressed', null, null)
    else if (message.sandbox)
      events.add(id, messageId, message.tenant, 'delivered', null, '{"sandbox":true}')
    const kept = { id, to: recipient.address, state, lane }
    return isWaiting ? { ...kept, waitsUntil } : kept
  }

  function keepMessage(
    message: NewMessage,
    now: number,
    slots: readonly QuotaSlot[] | undefined,
  ): AcceptedMessage {
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
    const waits =
      slots === undefined ? undefined : waitsOf(slots, Math.max(now, message.sendAt ?? now))
    return {
      id,
      deliveries: message.recipients.map((recipient, i) =>
        keepDelivery(message, id, recipient, { now, waitsUntil: waits?.[i] }),
      ),
    }
  }

  return {
    begin(now) {
      messageIds.begin(now)
      deliveryIds.begin(now)
      checkSuppressions = anySuppression.get() !== undefined
    },
    run({ messages, idempotency }, now) {
      const tenant = messages[0]?.tenant
      const known =
        idempotency === undefined || tenant === undefined
          ? undefined
          : knownKey.get(tenant, idempotency.key)
      if (known !== undefined) {
        if (known.fingerprint !== idempotency?.fingerprint) return { kind: 'key-reused' }
        const ids: unknown = JSON.parse(known.messages)
        return { kind: 'replayed', messages: Array.isArray(ids) ? ids.map(Number).map(replay) : [] }
      }
      const plan = planRequest(messages, now)
      if (!plan.ok) return { kind: 'over-quota', full: plan.full }
      const kept = messages.map((message, i) => keepMessage(message, now, plan.slots[i]))
      if (idempotency !== undefined && tenant !== undefined) {
        const ids = JSON.stringify(kept.map((message) => message.id))
        insertKey.run(tenant, idempotency.key, idempotency.fingerprint, ids, now)
      }
      return { kind: 'accepted', messages: kept }
    },
  }
}

/** When each recipient may go, in their order; undefined: now. */
const waitsOf = (slots: readonly QuotaSlot[], now: number): (number | undefined)[] =>
  slots.flatMap((slot) =>
    Array.from({ length: slot.count }, (_, i) =>
      slot.at <= now ? undefined : slotTime(slot, i, now),
    ),
  )
