/** What the API answers. A field without a value is left out; only `next…` is null at the end of a list. */
import Type from 'typebox'
import type { Static } from 'typebox'
import { DELIVERY_STATES, MOVE_REASONS } from '../../core/delivery.ts'
import { EVENT_TYPES } from '../../core/event.ts'
import { count, facts, flag, maybe, nextOf, oneOf, pageOf, strings, text, time } from './parts.ts'

const messageId = text('Id of the message.', 'msg_01kq3v8r4t2')
const deliveryId = text('Id of the delivery.', 'dlv_01kq3v8r4t3')
const recipient = text('The recipient.', 'ada@example.com')
const state = oneOf(DELIVERY_STATES, 'Where the delivery is in its life.', 'queued')

const listedDelivery = { id: deliveryId, to: recipient, state }
const AcceptedDelivery = Type.Object(
  {
    ...listedDelivery,
    expectedAt: maybe(time('When it is first tried, if a quota makes it wait.')),
  },
  { title: 'AcceptedDelivery', description: 'One message to one recipient.' },
)
const ListedDelivery = Type.Object(listedDelivery, {
  title: 'ListedDelivery',
  description: 'One message to one recipient, in short.',
})
export const Accepted = Type.Object(
  {
    id: messageId,
    deliveries: Type.Array(AcceptedDelivery, { description: 'One for each recipient.' }),
  },
  { title: 'Accepted', description: 'The message is kept durably and will be delivered.' },
)
export const AcceptedBatch = Type.Object(
  { messages: Type.Array(Accepted, { description: 'In the order of the request.' }) },
  { title: 'AcceptedBatch', description: 'All messages are kept durably.' },
)

const stream = text('The stream it goes by.', 'transactional')
const createdAt = time('When it was accepted.')
const size = count('Bytes of the whole message.', 4096)
const sandbox = flag('Caught by the sandbox: never dialled.')
const recipients = count('How many recipients the message has.', 1)

export const MessageSummary = Type.Object(
  {
    id: messageId,
    createdAt,
    from: text('The address in From.', 'orders@shop.example'),
    subject: text('The subject.', 'Your order 4711'),
    stream,
    tags: strings('Its tags.', 'receipt'),
    size,
    sandbox,
    recipients,
    deliveries: Type.Array(ListedDelivery, { description: 'The first few deliveries.' }),
  },
  { title: 'MessageSummary', description: 'A message in a list.' },
)
export const MessagePage = pageOf(MessageSummary, 'MessagePage', { list: 'messages' })

const Verdict = Type.Object(
  {
    category: text('What kind of answer it was.', 'mailbox-full'),
    scope: text('What the answer is about.', 'recipient'),
    permanence: text('Whether it is worth trying again.', 'temporary'),
    action: text('What we do about it.', 'retry'),
    rule: text('The rule that decided.', 'mailbox-full-452'),
  },
  { title: 'Verdict', description: 'What we make of the outcome.' },
)
const Tls = Type.Object(
  {
    protocol: text('TLS version.', 'TLSv1.3'),
    cipher: text('Cipher suite.', 'TLS_AES_256_GCM_SHA384'),
    verified: Type.Boolean({ description: 'The certificate fits the host.', examples: [true] }),
  },
  { title: 'Tls', description: 'The encryption of the connection.' },
)
const Attempt = Type.Object(
  {
    number: count('From 1.', 1),
    startedAt: time('When it began.'),
    endedAt: time('When it ended.'),
    result: oneOf(['accepted', 'refused', 'failed', 'in-doubt'], 'How it ended.', 'refused'),
    stage: maybe(text('The point of the conversation at which it ended.', 'rcpt')),
    code: maybe(count('The SMTP reply code.', 452)),
    enhanced: maybe(text('The enhanced status code.', '4.2.2')),
    reply: maybe(text('What the remote said. Untrusted text.', 'Mailbox full')),
    fault: maybe(text('Why there was no reply, when there was none.', 'connect-timeout')),
    detail: maybe(text('More about the fault.', 'No answer within 30 s.')),
    host: maybe(text('The remote host.', 'mx1.example.com')),
    ip: maybe(text('Its address.', '192.0.2.25')),
    sourceIp: maybe(text('Our address.', '198.51.100.7')),
    tls: maybe(Tls),
    verdict: maybe(Verdict),
    transcript: maybe(
      text(
        'The conversation: `> ` ours, `< ` theirs, `! ` remarks. Untrusted text.',
        '> RCPT TO:<ada@example.com>\n< 452 4.2.2 Mailbox full',
      ),
    ),
  },
  { title: 'Attempt', description: 'One try of one delivery.' },
)
const eventFields = {
  id: text('Id of the event.', 'evt_01kq3v8r4t5'),
  type: oneOf(EVENT_TYPES, 'What happened.', 'deferred'),
  at: time('When it happened.'),
  attempt: maybe(count('The attempt it belongs to.', 1)),
  data: maybe(facts('What the type adds.', { code: 452 })),
}
const DeliveryEvent = Type.Object(eventFields, {
  title: 'DeliveryEvent',
  description: 'A fact about a delivery.',
})
const deliveryFields = {
  id: deliveryId,
  to: recipient,
  state: oneOf(DELIVERY_STATES, 'Where the delivery is in its life.', 'deferred'),
  reason: oneOf(MOVE_REASONS, 'Why it is in this state.', 'remote-deferred'),
  changedAt: time('When it came into this state.'),
  nextAttemptAt: maybe(time('When it is due, while it waits.')),
  expiresAt: time('When it is given up.'),
  code: maybe(count('The reply code of the last attempt.', 452)),
  category: maybe(text('The category of the last attempt.', 'mailbox-full')),
  attempts: Type.Array(Attempt, { description: 'Every try, oldest first.' }),
  events: Type.Array(DeliveryEvent, { description: 'What happened, oldest first.' }),
}
const Delivery = Type.Object(deliveryFields, {
  title: 'Delivery',
  description: 'One message to one recipient, with its history.',
})
const messageFields = {
  id: messageId,
  createdAt,
  via: oneOf(['smtp', 'api'], 'How it came in.', 'api'),
  from: text('The address in From.', 'orders@shop.example'),
  envelopeFrom: text('The envelope sender; empty for the null sender.', 'orders@shop.example'),
  subject: text('The subject.', 'Your order 4711'),
  messageIdHeader: text('The Message-ID, without angle brackets.', 'm5k2.1f@shop.example'),
  stream,
  tags: strings('Its tags.', 'receipt'),
  metadata: facts('Your own facts.', { order: '4711' }),
  size,
  sandbox,
  sendAt: maybe(time('Not sent before this time.')),
  recipients,
}
export const Message = Type.Object(
  {
    ...messageFields,
    deliveries: Type.Array(Delivery, { description: 'With attempts and events.' }),
    nextDeliveriesAfter: nextOf(
      'What to ask for as `deliveriesAfter` to see further deliveries; null at the end.',
      'dlv_01kq3v8r4t3',
    ),
  },
  { title: 'Message', description: 'A message and all that happened to it.' },
)
const MessageFacts = Type.Object(messageFields, {
  title: 'MessageFacts',
  description: 'A message without its deliveries.',
})
export const DeliveryDetail = Type.Object(
  { ...deliveryFields, message: MessageFacts },
  { title: 'DeliveryDetail', description: 'A delivery, its history and its message.' },
)
export const Cancelled = Type.Object(
  {
    id: messageId,
    cancelled: count('Deliveries that were stopped; what is sent or on its way is not.', 1),
  },
  { title: 'Cancelled', description: 'What was cancelled.' },
)
const FeedEvent = Type.Object(
  { ...eventFields, message: messageId, delivery: deliveryId, to: maybe(recipient) },
  { title: 'Event', description: 'A fact about a delivery.' },
)
export const EventPage = pageOf(FeedEvent, 'EventPage', {
  list: 'events',
  next: 'Where to go on. A feed has no end: keep it and ask again; null while nothing ever happened.',
})

export type AcceptedOut = Static<typeof Accepted>
export type MessageSummaryOut = Static<typeof MessageSummary>
export type MessageOut = Static<typeof Message>
export type MessageFactsOut = Static<typeof MessageFacts>
export type DeliveryOut = Static<typeof Delivery>
export type AttemptOut = Static<typeof Attempt>
export type EventOut = Static<typeof DeliveryEvent>
export type FeedEventOut = Static<typeof FeedEvent>
