/** SMTP logins of the caller's tenant. A password is in the answer that makes it, once. */
import { encodeId } from '../../core/ids.ts'
import type { Access } from '../../services/access.ts'
import { decodeCursor, encodeCursor } from '../../store/read/cursor.ts'
import { credentialView, endOf, grantOf, instantOf, keepNowhere } from '../access.ts'
import { actorOf, tenantOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { idOf } from '../ids.ts'
import {
  Credential,
  CredentialEdit,
  CredentialInput,
  CredentialPage,
  CredentialParams,
  NewCredential,
  Rotation,
} from '../schemas/access.ts'
import { Done } from '../schemas/parts.ts'
import { DEFAULT_LIMIT, pageQuery } from '../schemas/query.ts'

export function credentialRoutes(
  app: HttpApp,
  { access: { credentials } }: { readonly access: Pick<Access, 'credentials'> },
): void {
  app.get(
    '/v1/credentials',
    {
      config: { permission: 'keys:read', refuses: ['CURSOR_INVALID'] },
      schema: {
        operationId: 'listCredentials',
        tags: ['Credentials'],
        summary: 'List SMTP logins',
        description: 'Newest first, without their passwords; revoked ones stay in the list.',
        querystring: pageQuery('credentials'),
        response: { 200: CredentialPage },
      },
    },
    async (request) => {
      const { cursor, limit = DEFAULT_LIMIT } = request.query
      const before = cursor === undefined ? undefined : decodeCursor('credentials', cursor)
      // One more than asked for tells whether there is a next page.
      const found = await credentials.list(tenantOf(request), { before, limit: limit + 1 })
      const items = found.slice(0, limit)
      const last = found.length > limit ? items.at(-1) : undefined
      return {
        items: items.map(credentialView),
        nextCursor: last === undefined ? null : encodeCursor('credentials', last.id),
      }
    },
  )

  app.post(
    '/v1/credentials',
    {
      config: {
        permission: 'keys:manage',
        stepUp: true,
        refuses: ['GRANT_FORBIDDEN', 'NAME_TAKEN'],
      },
      schema: {
        operationId: 'createCredential',
        tags: ['Credentials'],
        summary: 'Make an SMTP login',
        description:
          'The answer holds the password; it is told only here. Only who may send mail can make one.',
        body: CredentialInput,
        response: { 201: NewCredential },
      },
    },
    async (request, reply) => {
      const { expiresAt, ...spec } = request.body
      const made = await credentials.create(actorOf(request), tenantOf(request), {
        ...spec,
        expiresAt: instantOf(expiresAt),
        grant: grantOf(request),
      })
      return keepNowhere(reply)
        .header('location', `/v1/credentials/${encodeId('credential', made.credential.id)}`)
        .code(201)
        .send({ ...credentialView(made.credential), password: made.password })
    },
  )

  app.get(
    '/v1/credentials/:id',
    {
      config: { permission: 'keys:read' },
      schema: {
        operationId: 'getCredential',
        tags: ['Credentials'],
        summary: 'Get an SMTP login',
        description: 'One login, without its password.',
        params: CredentialParams,
        response: { 200: Credential },
      },
    },
    async (request) => {
      const id = idOf('credential', request.params.id)
      return credentialView(await credentials.get(tenantOf(request), id))
    },
  )

  app.patch(
    '/v1/credentials/:id',
    {
      config: { permission: 'keys:manage', stepUp: true, refuses: ['STATE_CONFLICT'] },
      schema: {
        operationId: 'changeCredential',
        tags: ['Credentials'],
        summary: 'Change an SMTP login',
        description:
          'What is left out stays; limits are replaced as a whole. Sessions that are open ask before their next message. A revoked login cannot be changed.',
        params: CredentialParams,
        body: CredentialEdit,
        response: { 200: Credential },
      },
    },
    async (request) => {
      const { expiresAt, ...edit } = request.body
      const id = idOf('credential', request.params.id)
      const change = { ...edit, expiresAt: endOf(expiresAt) }
      return credentialView(
        await credentials.change(actorOf(request), tenantOf(request), id, change),
      )
    },
  )

  app.post(
    '/v1/credentials/:id/rotate',
    {
      config: {
        permission: 'keys:manage',
        stepUp: true,
        refuses: ['GRANT_FORBIDDEN', 'STATE_CONFLICT'],
      },
      schema: {
        operationId: 'rotateCredential',
        tags: ['Credentials'],
        summary: 'Give an SMTP login a new password',
        description:
          'The old password is good for the overlap, the one before it no longer. The answer holds the new one; it is told only here.',
        params: CredentialParams,
        body: Rotation,
        response: { 200: NewCredential },
      },
    },
    async (request, reply) => {
      const { overlapSeconds, expiresAt } = request.body
      const id = idOf('credential', request.params.id)
      const made = await credentials.rotate(actorOf(request), tenantOf(request), id, {
        overlapMs: overlapSeconds === undefined ? undefined : overlapSeconds * 1000,
        expiresAt: instantOf(expiresAt),
        grant: grantOf(request),
      })
      return keepNowhere(reply).send({
        ...credentialView(made.credential),
        password: made.password,
      })
    },
  )

  app.delete(
    '/v1/credentials/:id',
    {
      config: { permission: 'keys:manage' },
      schema: {
        operationId: 'revokeCredential',
        tags: ['Credentials'],
        summary: 'Revoke an SMTP login',
        description:
          'At once here, and within a second on every other server; for good. Sessions that are open end before their next message. Revoking again changes nothing.',
        params: CredentialParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const id = idOf('credential', request.params.id)
      await credentials.revoke(actorOf(request), tenantOf(request), id)
      return reply.code(204).send(null)
    },
  )
}
