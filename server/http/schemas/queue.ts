/** The queue, lane by lane. */
import Type from 'typebox'
import { DELIVERY_STATES } from '../../core/delivery.ts'
import { count, flag, input, listOf, maybe, oneOf, strict, text, time } from './parts.ts'

export const LaneQueue = Type.Object(
  {
    id: text('Id of the lane.', 'lan_01kq3v8r4t2'),
    source: text('Our address it sends from.', 'default'),
    destination: text('Whose hosts it sends to.', 'provider:google'),
    waiting: count('Deliveries that wait.', 1200),
    due: count('Those that could go now.', 40),
    leased: count('Those that a worker has in hand.', 20),
    isOwned: flag('A worker is at it.', true),
    oldestAt: maybe(time('When the oldest was accepted.')),
    nextAt: maybe(time('When the next is due.')),
    suspendedUntil: maybe(time('Nothing is sent before.')),
    suspendedBecause: maybe(text('Why it is suspended.', 'blocklisted, waiting for removal')),
  },
  { title: 'LaneQueue', description: 'What waits for one destination from one of our addresses.' },
)
export const LaneQueueList = listOf(LaneQueue, 'LaneQueueList')

export const Suspension = Type.Object(
  {
    minutes: Type.Integer({
      minimum: 1,
      maximum: 43_200,
      description: 'For how long, in minutes; 30 days at most.',
      examples: [60],
    }),
    because: input('Why, for whoever looks next.', 'waiting for removal from a blocklist', {
      minLength: 1,
      maxLength: 500,
      pattern: '^[^\\x00-\\x1f\\x7f]*$',
    }),
  },
  { ...strict, title: 'Suspension', description: 'How long to stop, and why.' },
)

const RETRY_STATES = ['queued', 'deferred', 'bounced', 'expired'] as const
export const Retry = Type.Object(
  {
    lane: maybe(input('Only this lane.', 'lan_01kq3v8r4t2', { maxLength: 64 })),
    domain: maybe(input('Only recipients in this domain.', 'example.com', { maxLength: 253 })),
    state: maybe(
      oneOf(
        RETRY_STATES.filter((state) => DELIVERY_STATES.includes(state)),
        'Only deliveries in this state; without it those that wait.',
        'deferred',
      ),
    ),
    limit: maybe(
      Type.Integer({
        minimum: 1,
        maximum: 100_000,
        description: 'How many at most; 10,000 if not given.',
        examples: [1000],
      }),
    ),
    dryRun: maybe(flag('Only count.', true)),
  },
  { ...strict, title: 'Retry', description: 'Which deliveries to make due now.' },
)
export const Retried = Type.Object(
  {
    matching: count('Deliveries that fit.', 240),
    retried: count('Those made due now; 0 in a dry run.', 240),
  },
  { title: 'Retried', description: 'What a retry touched.' },
)
