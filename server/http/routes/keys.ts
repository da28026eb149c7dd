/** API keys of the caller's tenant. A secret is in the answer that makes it, once. */
import { encodeId } from '../../core/ids.ts'
import type { Access } from '../../services/access.ts'
import { decodeCursor, encodeCursor } from '../../store/read/cursor.ts'
import { endOf, grantOf, instantOf, keepNowhere, keyView } from '../access.ts'
import { actorOf, tenantOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { idOf } from '../ids.ts'
import {
  Key,
  KeyEdit,
  KeyInput,
  KeyPage,
  KeyParams,
  NewKey,
  RotatedKey,
  Rotation,
} from '../schemas/access.ts'
import { Done } from '../schemas/parts.ts'
import { DEFAULT_LIMIT, pageQuery } from '../schemas/query.ts'

export function keyRoutes(
  app: HttpApp,
  { access: { keys } }: { readonly access: Pick<Access, 'keys'> },
): void {
  app.get(
    '/v1/keys',
    {
      config: { permission: 'keys:read', refuses: ['CURSOR_INVALID'] },
      schema: {
        operationId: 'listKeys',
        tags: ['Keys'],
        summary: 'List API keys',
        description: 'Newest first, without their secrets; revoked ones stay in the list.',
        querystring: pageQuery('keys'),
        response: { 200: KeyPage },
      },
    },
    async (request) => {
      const { cursor, limit = DEFAULT_LIMIT } = request.query
      const before = cursor === undefined ? undefined : decodeCursor('keys', cursor)
      // One more than asked for tells whether there is a next page.
      const found = await keys.list(tenantOf(request), { before, limit: limit + 1 })
      const items = found.slice(0, limit)
      const last = found.length > limit ? items.at(-1) : undefined
      return {
        items: items.map(keyView),
        nextCursor: last === undefined ? null : encodeCursor('keys', last.id),
      }
    },
  )

  app.post(
    '/v1/keys',
    {
      config: { permission: 'keys:manage', stepUp: true, refuses: ['GRANT_FORBIDDEN'] },
      schema: {
        operationId: 'createKey',
        tags: ['Keys'],
        summary: 'Make an API key',
        description:
          'The answer holds the secret; it is told only here. A key can do no more than who makes it, and a test key can make only test keys.',
        body: KeyInput,
        response: { 201: NewKey },
      },
    },
    async (request, reply) => {
      const { mode = 'live', expiresAt, ...spec } = request.body
      const { key, secret } = await keys.create(actorOf(request), tenantOf(request), {
        ...spec,
        mode,
        expiresAt: instantOf(expiresAt),
        grant: grantOf(request),
      })
      return keepNowhere(reply)
        .header('location', `/v1/keys/${encodeId('key', key.id)}`)
        .code(201)
        .send({ ...keyView(key), secret })
    },
  )

  app.get(
    '/v1/keys/:id',
    {
      config: { permission: 'keys:read' },
      schema: {
        operationId: 'getKey',
        tags: ['Keys'],
        summary: 'Get an API key',
        description: 'One key, without its secret.',
        params: KeyParams,
        response: { 200: Key },
      },
    },
    async (request) => keyView(await keys.get(tenantOf(request), idOf('key', request.params.id))),
  )

  app.patch(
    '/v1/keys/:id',
    {
      config: {
        permission: 'keys:manage',
        stepUp: true,
        refuses: ['GRANT_FORBIDDEN', 'STATE_CONFLICT'],
      },
      schema: {
        operationId: 'changeKey',
        tags: ['Keys'],
        summary: 'Change an API key',
        description:
          'What is left out stays; it is in force at once. Scopes are replaced as a whole, and none can be added that you do not have. A revoked key cannot be changed.',
        params: KeyParams,
        body: KeyEdit,
        response: { 200: Key },
      },
    },
    async (request) => {
      const { expiresAt, ...edit } = request.body
      const id = idOf('key', request.params.id)
      const changed = await keys.change(actorOf(request), tenantOf(request), id, {
        ...edit,
        expiresAt: endOf(expiresAt),
        grant: grantOf(request),
      })
      return keyView(changed)
    },
  )

  app.post(
    '/v1/keys/:id/rotate',
    {
      config: {
        permission: 'keys:manage',
        stepUp: true,
        refuses: ['GRANT_FORBIDDEN', 'STATE_CONFLICT'],
      },
      schema: {
        operationId: 'rotateKey',
        tags: ['Keys'],
        summary: 'Rotate an API key',
        description:
          'Makes a new key on the same terms; the old one is good for the overlap, and ends then. The answer holds the new secret; it is told only here.',
        params: KeyParams,
        body: Rotation,
        response: { 201: RotatedKey },
      },
    },
    async (request, reply) => {
      const { overlapSeconds, expiresAt } = request.body
      const id = idOf('key', request.params.id)
      const rotated = await keys.rotate(actorOf(request), tenantOf(request), id, {
        overlapMs: overlapSeconds === undefined ? undefined : overlapSeconds * 1000,
        expiresAt: instantOf(expiresAt),
        grant: grantOf(request),
      })
      const { key, secret, former } = rotated
      return keepNowhere(reply)
        .header('location', `/v1/keys/${encodeId('key', key.id)}`)
        .code(201)
        .send({ ...keyView(key), secret, former: keyView(former) })
    },
  )

  app.delete(
    '/v1/keys/:id',
    {
      config: { permission: 'keys:manage' },
      schema: {
        operationId: 'revokeKey',
        tags: ['Keys'],
        summary: 'Revoke an API key',
        description:
          'At once here, and within a second on every other server; for good. It stays in the list. Revoking again changes nothing.',
        params: KeyParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const id = idOf('key', request.params.id)
      await keys.revoke(actorOf(request), tenantOf(request), id)
      return reply.code(204).send(null)
    },
  )
}
