/** Paths and queries: ids, filters, pages. */
import Type from 'typebox'
import type { Static } from 'typebox'
import { DELIVERY_STATES } from '../../core/delivery.ts'
import { encodeCursor } from '../../store/read/cursor.ts'
import type { ListName } from '../../store/read/cursor.ts'

const strict = { additionalProperties: false } as const

export const DEFAULT_LIMIT = 50
const MAX_LIMIT = 500

export const idParam = (description: string, example: string) =>
  Type.Object({ id: Type.String({ maxLength: 64, description, examples: [example] }) }, strict)
export const MessageParams = idParam('Id of the message.', 'msg_01kq3v8r4t2')
export const DomainParams = idParam('Id of the domain.', 'dom_01kq3v8r4t2')
export const LaneParams = idParam('Id of the lane.', 'lan_01kq3v8r4t2')
export const SessionParams = idParam('Id of the session.', 'ses_00000000007')
export const PasskeyParams = idParam('Id of the passkey.', 'pky_00000000001')
export const SecurityParams = idParam('Id of the event.', 'sec_00000000012')
export const DeliveryParams = idParam('Id of the delivery.', 'dlv_01kq3v8r4t3')

export const limit = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: MAX_LIMIT,
    description: `How many at most; ${DEFAULT_LIMIT} if not given.`,
    examples: [DEFAULT_LIMIT],
  }),
)
/** A list takes only cursors of its own. */
export const exampleCursor = (list: ListName): string => encodeCursor(list, 17_283)
export const cursorOf = (list: ListName) =>
  Type.Optional(
    Type.String({
      maxLength: 100,
      description: 'The `nextCursor` of the page before.',
      examples: [exampleCursor(list)],
    }),
  )
const since = Type.Optional(
  Type.String({
    maxLength: 40,
    format: 'date-time',
    description: 'Not older than this (RFC 3339).',
    examples: ['2026-01-01T00:00:00Z'],
  }),
)

export const MessagesQuery = Type.Object(
  {
    state: Type.Optional(
      Type.Enum([...DELIVERY_STATES], {
        type: 'string',
        description: 'With a delivery in this state.',
        examples: ['bounced'],
      }),
    ),
    to: Type.Optional(
      Type.String({
        maxLength: 320,
        description: 'With this recipient.',
        examples: ['ada@example.com'],
      }),
    ),
    from: Type.Optional(
      Type.String({
        maxLength: 320,
        description: 'With this address in From.',
        examples: ['orders@shop.example'],
      }),
    ),
    tag: Type.Optional(
      Type.String({ maxLength: 128, description: 'With this tag.', examples: ['receipt'] }),
    ),
    since,
    sandbox: Type.Optional(
      Type.Boolean({
        description: '`true`: only what the sandbox caught; `false`: only real mail.',
        examples: [true],
      }),
    ),
    limit,
    cursor: cursorOf('messages'),
  },
  strict,
)
export type MessagesQuery = Static<typeof MessagesQuery>

export const MessageQuery = Type.Object(
  {
    deliveriesAfter: Type.Optional(
      Type.String({
        maxLength: 64,
        description: 'The `nextDeliveriesAfter` of the answer before, for a message to many.',
        examples: ['dlv_01kq3v8r4t3'],
      }),
    ),
    limit,
  },
  strict,
)

/** For routes that take none. */
export const NoQuery = Type.Object({}, strict)

/** For lists that are only paged. */
export const pageQuery = (list: ListName) => Type.Object({ limit, cursor: cursorOf(list) }, strict)

export const EventsQuery = Type.Object({ since, limit, cursor: cursorOf('events') }, strict)

/** The envelope of a message/rfc822 body. JSON bodies carry it themselves. */
export const RawQuery = Type.Object(
  {
    from: Type.Optional(
      Type.String({
        maxLength: 320,
        description: 'The envelope sender; empty for the null sender. Only with message/rfc822.',
        examples: ['orders@shop.example'],
      }),
    ),
    to: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 320 }), {
        maxItems: 1000,
        description: 'An envelope recipient; may be repeated. Only with message/rfc822.',
        examples: [['ada@example.com']],
      }),
    ),
  },
  strict,
)
