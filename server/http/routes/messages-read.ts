/** Looking at messages, reading their content, cancelling what was not sent yet. */
import { parseAddress } from '../../core/address.ts'
import { AppError } from '../../core/errors.ts'
import { encodeId } from '../../core/ids.ts'
import { decodeCursor, encodeCursor } from '../../store/read/cursor.ts'
import { actorOf, principalOf } from '../auth.ts'
import type { HttpDeps } from '../deps.ts'
import type { HttpApp } from '../http-app.ts'
import { found, idOf } from '../ids.ts'
import { sinceOf } from '../since.ts'
import { Cancelled, Message, MessagePage } from '../schemas/output.ts'
import { DEFAULT_LIMIT, MessageParams, MessageQuery, MessagesQuery } from '../schemas/query.ts'
import { deliveryViews, messageView, summaryView } from '../views.ts'

export function messageRoutes(app: HttpApp, { reader, cancel, content }: HttpDeps): void {
  app.get(
    '/v1/messages',
    {
      config: { permission: 'messages:read', refuses: ['CURSOR_INVALID'] },
      schema: {
        operationId: 'listMessages',
        tags: ['Messages'],
        summary: 'List messages',
        description:
          'Newest first. A page can have fewer items than asked for and still not be the last: go on until `nextCursor` is null. What arrives meanwhile does not shift the pages.',
        querystring: MessagesQuery,
        response: { 200: MessagePage },
      },
    },
    async (request) => {
      const { cursor, limit = DEFAULT_LIMIT, since, to, from, ...filter } = request.query
      const page = await reader.messages(
        principalOf(request).tenant,
        {
          ...filter,
          to: addressOf(to, 'to'),
          from: addressOf(from, 'from'),
          since: sinceOf(since),
        },
        { before: cursor === undefined ? undefined : decodeCursor('messages', cursor), limit },
      )
      return {
        items: page.items.map(summaryView),
        nextCursor: page.next === undefined ? null : encodeCursor('messages', page.next),
      }
    },
  )

  app.get(
    '/v1/messages/:id',
    {
      config: { permission: 'messages:read' },
      schema: {
        operationId: 'getMessage',
        tags: ['Messages'],
        summary: 'Get a message',
        description:
          'The message with its deliveries: every attempt with what the remote said, what we made of it and the conversation, and every event.',
        params: MessageParams,
        querystring: MessageQuery,
        response: { 200: Message },
      },
    },
    async (request) => {
      const id = idOf('message', request.params.id)
      const { deliveriesAfter, limit = DEFAULT_LIMIT } = request.query
      const after =
        deliveriesAfter === undefined ? 0 : idOf('delivery', deliveriesAfter, 'deliveriesAfter')
      // One more than asked for tells whether there are further ones.
      const detail = found(
        await reader.message(principalOf(request).tenant, id, { after, limit: limit + 1 }),
      )
      const deliveries = detail.deliveries.slice(0, limit)
      const last = detail.deliveries.length > limit ? deliveries.at(-1) : undefined
      return {
        ...messageView(detail.message),
        deliveries: deliveryViews({ ...detail, deliveries }),
        nextDeliveriesAfter: last === undefined ? null : encodeId('delivery', last.id),
      }
    },
  )

  app.get(
    '/v1/messages/:id/content',
    {
      config: { permission: 'messages:read' },
      schema: {
        operationId: 'getMessageContent',
        tags: ['Messages'],
        summary: 'Get the content of a message',
        description:
          'The RFC 5322 bytes as they were accepted, while they are kept. Signatures, tracking and return path are added per delivery and are not in them.',
        params: MessageParams,
        produces: ['message/rfc822'],
      },
    },
    async (request, reply) => {
      const id = idOf('message', request.params.id)
      const bytes = found(await content(principalOf(request).tenant, id))
      return reply
        .header('content-disposition', `attachment; filename="${encodeId('message', id)}.eml"`)
        .header('content-security-policy', "default-src 'none'; sandbox")
        .header('cache-control', 'private, no-store')
        .type('message/rfc822')
        .send(bytes)
    },
  )

  app.post(
    '/v1/messages/:id/cancel',
    {
      config: { permission: 'messages:manage' },
      schema: {
        operationId: 'cancelMessage',
        tags: ['Messages'],
        summary: 'Cancel a message',
        description:
          'Stops the deliveries that were not sent yet. One that is on its way is not called back. Asking again is harmless.',
        params: MessageParams,
        response: { 200: Cancelled },
      },
    },
    async (request) => {
      const id = idOf('message', request.params.id)
      const { cancelled } = found(await cancel(actorOf(request), principalOf(request).tenant, id))
      return { id: encodeId('message', id), cancelled }
    },
  )
}

/** A filter's address in the form it is kept in. */
function addressOf(text: string | undefined, path: string): string | undefined {
  if (text === undefined) return undefined
  const parsed = parseAddress(text, { smtpUtf8: true, allowQuoted: true })
  if (parsed.ok) return parsed.address
  throw new AppError('ADDRESS_INVALID', { fields: [{ path, message: parsed.reason }] })
}
