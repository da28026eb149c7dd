/** Why a delivery is where it is, as the API answers it. */
import Type from 'typebox'
import type { Static } from 'typebox'
import type { Explanation as Explained } from '../../services/explain.ts'
import { formatInstant } from '../instant.ts'

const text = (description: string, example: string) =>
  Type.String({ description, examples: [example] })
const time = (description: string) =>
  Type.String({ format: 'date-time', description, examples: ['2026-01-01T09:00:00.000Z'] })

const Lane = Type.Object(
  {
    id: text('Id of the lane.', 'lan_00000000012'),
    source: text('The source it leaves from.', 'out-1'),
    destination: text('The provider or the site it goes to.', 'provider:gmail'),
    suspendedUntil: Type.Optional(time('Nothing goes out on it before.')),
    suspendedBecause: Type.Optional(text('Why it is suspended.', 'greeted with 421')),
    limits: Type.Unsafe<object>({
      type: 'object',
      additionalProperties: true,
      description: 'The limits in force, each with who set it.',
      examples: [{ connections: { value: 20, from: 'built-in default' } }],
    }),
  },
  { title: 'Lane', description: 'What shares connections, limits and back-off.' },
)

export const Explanation = Type.Object(
  {
    delivery: text('Id of the delivery.', 'dlv_01kq3v8r4t3'),
    message: text('Id of the message.', 'msg_01kq3v8r4t2'),
    to: text('The recipient.', 'ada@example.com'),
    state: text('Where the delivery is in its life.', 'deferred'),
    reason: text('Why it is in this state.', 'remote-deferred'),
    acceptedAt: time('When it was accepted.'),
    attempts: Type.Integer({ description: 'How often it was tried.', examples: [1] }),
    route: Type.Optional(text('The route that fits it.', 'default')),
    lane: Type.Optional(Lane),
    lastAttempt: Type.Optional(
      Type.Object(
        {
          at: time('When it ended.'),
          host: Type.Optional(text('The remote host.', 'mx1.example.com')),
          ip: Type.Optional(text('Its address.', '192.0.2.25')),
          said: text('What the remote said. Untrusted text.', '452 4.2.2 Mailbox full'),
          verdict: Type.Optional(text('What we make of it.', 'The mailbox is full; tried again.')),
        },
        { description: 'The last attempt.' },
      ),
    ),
    nextTry: Type.Optional(
      Type.Object(
        { at: time('When.'), because: text('Why then.', 'attempt 1 was deferred') },
        { description: 'The next attempt; left out once the delivery has ended.' },
      ),
    ),
    expiresAt: time('When it is given up.'),
  },
  { title: 'Explanation', description: 'Why a delivery is where it is, and what happens next.' },
)

export function explanationView(found: Explained): Static<typeof Explanation> {
  const { lane, lastAttempt, nextTry, route } = found
  return {
    delivery: found.delivery,
    message: found.message,
    to: found.to,
    state: found.state,
    reason: found.reason,
    acceptedAt: formatInstant(found.acceptedAt),
    attempts: found.attempts,
    ...(route === undefined ? {} : { route }),
    ...(lane === undefined ? {} : { lane: laneView(lane) }),
    ...(lastAttempt === undefined ? {} : { lastAttempt: lastAttemptView(lastAttempt) }),
    ...(nextTry === undefined
      ? {}
      : { nextTry: { at: formatInstant(nextTry.at), because: nextTry.because } }),
    expiresAt: formatInstant(found.expiresAt),
  }
}

function laneView(lane: NonNullable<Explained['lane']>): Static<typeof Lane> {
  const { suspendedUntil, suspendedBecause, ...rest } = lane
  return {
    ...rest,
    ...(suspendedUntil === undefined ? {} : { suspendedUntil: formatInstant(suspendedUntil) }),
    ...(suspendedBecause === undefined ? {} : { suspendedBecause }),
  }
}

function lastAttemptView(
  attempt: NonNullable<Explained['lastAttempt']>,
): NonNullable<Static<typeof Explanation>['lastAttempt']> {
  const { at, said, host, ip, verdict } = attempt
  return {
    at: formatInstant(at),
    said,
    ...(host === undefined ? {} : { host }),
    ...(ip === undefined ? {} : { ip }),
    ...(verdict === undefined ? {} : { verdict }),
  }
}
