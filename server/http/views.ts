/** From rows to what the API shows: ids become opaque, times RFC 3339, nulls are left out. */
import { groupBy } from '../core/group-by.ts'
import { asId, encodeId, idTime } from '../core/ids.ts'
import type { AcceptedMessage } from '../core/work.ts'
import type { FeedEvent } from '../store/read/events.ts'
import type { MessageDetail } from '../store/read/message.ts'
import { stringsOf } from '../store/read/messages.ts'
import type { MessageSummary } from '../store/read/messages.ts'
import { formatInstant } from './instant.ts'
import type {
  AcceptedOut,
  AttemptOut,
  DeliveryOut,
  EventOut,
  FeedEventOut,
  MessageFactsOut,
  MessageSummaryOut,
} from './schemas/output.ts'

type MessageRow = MessageDetail['message']
type DeliveryRow = MessageDetail['deliveries'][number]
type AttemptRow = MessageDetail['attempts'][number]
type EventRow = MessageDetail['events'][number]

export const acceptedView = ({ id, deliveries }: AcceptedMessage): AcceptedOut => ({
  id: encodeId('message', id),
  deliveries: deliveries.map((delivery) => ({
    id: encodeId('delivery', delivery.id),
    to: delivery.to,
    state: delivery.state,
    ...(delivery.expectedAt === undefined
      ? {}
      : { expectedAt: formatInstant(delivery.expectedAt) }),
  })),
})

export const summaryView = (message: MessageSummary): MessageSummaryOut => ({
  id: encodeId('message', message.id),
  createdAt: formatInstant(idTime(message.id)),
  from: message.from,
  subject: message.subject,
  stream: message.stream,
  tags: [...message.tags],
  size: message.size,
  sandbox: message.sandbox,
  recipients: message.recipients,
  deliveries: message.deliveries.map(({ id, to, state }) => ({
    id: encodeId('delivery', asId('delivery', id)),
    to,
    state,
  })),
})

export const messageView = (row: MessageRow): MessageFactsOut => ({
  id: encodeId('message', row.id),
  createdAt: formatInstant(idTime(row.id)),
  via: row.via,
  from: row.header_from,
  envelopeFrom: row.mail_from,
  subject: row.subject,
  messageIdHeader: row.message_id_header,
  stream: row.stream,
  tags: stringsOf(row.tags),
  metadata: factsOf(row.metadata) ?? {},
  size: row.size,
  sandbox: row.sandbox === 1,
  ...(row.send_at === null ? {} : { sendAt: formatInstant(row.send_at) }),
  recipients: row.copies,
})

/** The deliveries of a message, each with its attempts and events. */
export function deliveryViews(detail: MessageDetail): DeliveryOut[] {
  const attempts = groupBy(detail.attempts, (row) => row.delivery_id)
  const events = groupBy(detail.events, (row) => row.delivery_id)
  return detail.deliveries.map((row) => ({
    ...deliveryView(row),
    attempts: (attempts.get(row.id) ?? []).map(attemptView),
    events: (events.get(row.id) ?? []).map(eventView),
  }))
}

const deliveryView = (row: DeliveryRow): Omit<DeliveryOut, 'attempts' | 'events'> => ({
  id: encodeId('delivery', row.id),
  to: row.recipient,
  state: row.state,
  reason: row.reason,
  changedAt: formatInstant(row.changed_at),
  ...(row.state === 'queued' || row.state === 'deferred'
    ? { nextAttemptAt: formatInstant(row.next_at) }
    : {}),
  expiresAt: formatInstant(row.expires_at),
  ...present({ code: row.code, category: row.category }),
})

function attemptView(row: AttemptRow): AttemptOut {
  const { category, scope, permanence, action, rule } = row
  const tls = factsOf(row.tls)
  return {
    number: row.number,
    startedAt: formatInstant(row.started_at),
    endedAt: formatInstant(row.ended_at),
    result: row.kind,
    ...present({
      stage: row.stage,
      code: row.code,
      enhanced: row.enhanced,
      reply: row.reply,
      fault: row.fault,
      detail: row.detail,
      host: row.host,
      ip: row.ip,
      sourceIp: row.source_ip,
      transcript: row.transcript,
    }),
    ...(tls === undefined ? {} : { tls: tlsView(tls) }),
    ...(category === null || scope === null || permanence === null || action === null
      ? {}
      : { verdict: { category, scope, permanence, action, rule: rule ?? '' } }),
  }
}

const tlsView = (tls: Record<string, unknown>): NonNullable<AttemptOut['tls']> => ({
  protocol: String(tls['protocol']),
  cipher: String(tls['cipher']),
  verified: tls['verified'] === true,
})

function eventView(row: Omit<EventRow, 'tenant_id'>): EventOut {
  const data = factsOf(row.data)
  return {
    id: encodeId('event', row.id),
    type: row.type,
    at: formatInstant(idTime(row.id)),
    ...present({ attempt: row.attempt }),
    ...(data === undefined ? {} : { data }),
  }
}

export const feedEventView = (row: FeedEvent): FeedEventOut => ({
  ...eventView(row),
  message: encodeId('message', row.message_id),
  delivery: encodeId('delivery', row.delivery_id),
  ...present({ to: row.recipient }),
})

type Present<T> = { [K in keyof T]?: NonNullable<T[K]> }

/** Without the columns that are null. */
function present<T extends object>(columns: T): Present<T> {
  const kept: Present<T> = {}
  for (const name in columns) {
    const value = columns[name]
    if (value !== null && value !== undefined) kept[name] = value
  }
  return kept
}

/** A JSON object as the writer stored it. */
function factsOf(json: string | null): Record<string, unknown> | undefined {
  if (json === null) return undefined
  const value: unknown = JSON.parse(json)
  return typeof value === 'object' && value !== null ? { ...value } : undefined
}
