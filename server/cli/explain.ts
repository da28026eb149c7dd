/** `posthorn explain …`: why a mail is where it is. Words of remote servers are printed with control characters shown. */
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import type { DeliveryBrief, MessageExplanation } from '../services/explain-message.ts'
import type { Explanation } from '../services/explain.ts'
import type { Command } from './command.ts'
import { list, table, type Cell } from './output.ts'
import { countText, isoTime, rateText, whenText } from './time.ts'
import { idArgument } from './values.ts'

const MAX_DELIVERIES = 1_000

type Entries = readonly (readonly [string, Cell])[]

function laneEntries(lane: NonNullable<Explanation['lane']>, now: number): Entries {
  const { connections, messagesPerConnection, rate, tls } = lane.limits
  const until = lane.suspendedUntil
  const because = lane.suspendedBecause ?? 'no reason given'
  return [
    ['lane', `${lane.id}: source ${lane.source} to ${lane.destination}`],
    ...(until !== undefined && until > now
      ? [['  suspended until', `${whenText(until, now)}: ${because}`] as const]
      : []),
    ['  connections', `${connections.value} (${connections.from})`],
    ['  per connection', `${messagesPerConnection.value} (${messagesPerConnection.from})`],
    ['  rate', rate === undefined ? 'unlimited' : `${rateText(rate.value)} (${rate.from})`],
    ['  TLS', `${tls.value} (${tls.from})`],
  ]
}

function attemptEntries(last: Explanation['lastAttempt'], now: number): Entries {
  if (last === undefined) return [['last attempt', 'none yet']]
  const host = [last.host, last.ip === undefined ? undefined : `[${last.ip}]`]
  return [
    ['last attempt', whenText(last.at, now)],
    ['  host', host.filter((part) => part !== undefined).join(' ') || undefined],
    ['  said', last.said],
    ['  verdict', last.verdict],
  ]
}

function report(found: Explanation, now: number): string {
  const next = found.nextTry
  const waits = next !== undefined
  return list([
    ['delivery', found.delivery],
    ['message', found.message],
    ['to', found.to],
    ['state', `${found.state} (${found.reason})`],
    ['accepted', whenText(found.acceptedAt, now)],
    ['attempts', found.attempts],
    ['route', found.route ?? 'none matches'],
    ...(found.lane === undefined
      ? [['lane', waits ? 'not found yet' : 'none'] as const]
      : laneEntries(found.lane, now)),
    ...attemptEntries(found.lastAttempt, now),
    ['next try', waits ? `${whenText(next.at, now)}: ${next.because}` : 'none: it has ended'],
    ...(waits ? [['gives up', whenText(found.expiresAt, now)] as const] : []),
  ])
}

const orNull = <T>(value: T | undefined): T | null => value ?? null
const timeOrNull = (at: number | undefined): string | null =>
  at === undefined ? null : isoTime(at)

const deliveryData = (found: Explanation) => ({
  delivery: found.delivery,
  message: found.message,
  to: found.to,
  state: found.state,
  reason: found.reason,
  acceptedAt: isoTime(found.acceptedAt),
  attempts: found.attempts,
  route: orNull(found.route),
  lane:
    found.lane === undefined
      ? null
      : {
          id: found.lane.id,
          source: found.lane.source,
          destination: found.lane.destination,
          suspendedUntil: timeOrNull(found.lane.suspendedUntil),
          suspendedBecause: orNull(found.lane.suspendedBecause),
          limits: { ...found.lane.limits, rate: orNull(found.lane.limits.rate) },
        },
  lastAttempt:
    found.lastAttempt === undefined
      ? null
      : {
          at: isoTime(found.lastAttempt.at),
          host: orNull(found.lastAttempt.host),
          ip: orNull(found.lastAttempt.ip),
          said: found.lastAttempt.said,
          verdict: orNull(found.lastAttempt.verdict),
        },
  nextTry:
    found.nextTry === undefined
      ? null
      : { at: isoTime(found.nextTry.at), because: found.nextTry.because },
  expiresAt: isoTime(found.expiresAt),
})

const missing = (kind: 'delivery' | 'message'): AppError =>
  new AppError('NOT_FOUND', {
    public: `There is no ${kind} with this id. It may be older than what is kept (store.retention).`,
  })

export const explainDelivery: Command = {
  name: 'explain delivery',
  group: 'Mail',
  summary: 'Say why a delivery is where it is, and what comes next',
  details: `State, route, lane, the limits in force with who set each, the last reply and what we make of it.\n\nExample\n  posthorn explain delivery ${encodeId('delivery', 42)}`,
  arguments: [{ name: 'id', summary: 'Id of the delivery, from the answer of the API or the log' }],
  async run({ input, services }) {
    const id = idArgument(input, 'id', 'delivery')
    const { explain, clock } = await services()
    const found = await explain(undefined, id)
    if (found === undefined) throw missing('delivery')
    return { text: report(found, clock.now()), data: deliveryData(found) }
  },
}

function messageReport(found: MessageExplanation, now: number): string {
  const facts = list([
    ['message', found.message],
    ['tenant', found.tenant],
    ['accepted', `${whenText(found.acceptedAt, now)} over ${found.via}, ${found.stream}`],
    ['from', found.from],
    ['return path', found.mailFrom === '' ? '<>' : found.mailFrom],
    ['subject', found.subject],
    ['Message-ID', `<${found.messageIdHeader}>`],
    ['size', `${countText(found.size)} bytes`],
    ...(found.sandbox ? [['sandbox', 'yes: kept, never sent'] as const] : []),
  ])
  const deliveries = table<DeliveryBrief>(
    [
      { title: 'DELIVERY', value: ({ delivery }) => delivery },
      { title: 'TO', value: ({ to }) => to },
      { title: 'STATE', value: ({ state, reason }) => `${state} (${reason})` },
      { title: 'ATTEMPTS', value: ({ attempts }) => attempts },
      { title: 'LAST REPLY', value: ({ code, category }) => lastReply(code, category) },
      {
        title: 'NEXT TRY',
        value: ({ nextAt }) => (nextAt === undefined ? undefined : whenText(nextAt, now)),
      },
    ],
    found.deliveries,
  )
  const hidden = found.recipients - found.deliveries.length
  const more = hidden > 0 ? `\n… and ${countText(hidden)} more` : ''
  return `${facts}\n\n${deliveries}${more}`
}

const lastReply = (code: number | undefined, category: string | undefined): string | undefined => {
  const parts = [code, category].filter((part) => part !== undefined)
  return parts.length === 0 ? undefined : parts.join(' ')
}

const messageData = (found: MessageExplanation) => ({
  ...found,
  acceptedAt: isoTime(found.acceptedAt),
  deliveries: found.deliveries.map(({ code, category, nextAt, ...delivery }) => ({
    ...delivery,
    code: orNull(code),
    category: orNull(category),
    nextAt: timeOrNull(nextAt),
  })),
})

export const explainMessage: Command = {
  name: 'explain message',
  group: 'Mail',
  summary: 'Show a message and where each of its deliveries stands',
  details: `Example\n  posthorn explain message ${encodeId('message', 42)}`,
  arguments: [{ name: 'id', summary: 'Id of the message, from the answer of the API or the log' }],
  async run({ input, services }) {
    const id = idArgument(input, 'id', 'message')
    const opened = await services()
    const found = await opened.explainMessage(id, MAX_DELIVERIES)
    if (found === undefined) throw missing('message')
    return { text: messageReport(found, opened.clock.now()), data: messageData(found) }
  },
}
