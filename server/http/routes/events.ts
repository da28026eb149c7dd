/** The event feed: everything that happened, in order, to be polled. */
import { decodeCursor, encodeCursor } from '../../store/read/cursor.ts'
import { principalOf } from '../auth.ts'
import type { HttpDeps } from '../deps.ts'
import type { HttpApp } from '../http-app.ts'
import { EventPage } from '../schemas/output.ts'
import { DEFAULT_LIMIT, EventsQuery } from '../schemas/query.ts'
import { sinceOf } from '../since.ts'
import { feedEventView } from '../views.ts'

export function eventRoutes(app: HttpApp, { reader }: HttpDeps): void {
  app.get(
    '/v1/events',
    {
      config: { permission: 'messages:read', refuses: ['CURSOR_INVALID'] },
      schema: {
        operationId: 'listEvents',
        tags: ['Events'],
        summary: 'Follow events',
        description:
          'Oldest first. Keep `nextCursor` and ask again with it to miss nothing; a page may be empty. `since` only says where to begin.',
        querystring: EventsQuery,
        response: { 200: EventPage },
      },
    },
    async (request) => {
      const { cursor, since, limit = DEFAULT_LIMIT } = request.query
      const page = await reader.events(principalOf(request).tenant, {
        after: cursor === undefined ? undefined : decodeCursor('events', cursor),
        since: sinceOf(since),
        limit,
      })
      return {
        items: page.items.map(feedEventView),
        nextCursor: page.next === undefined ? null : encodeCursor('events', page.next),
      }
    },
  )
}
