/** What was noticed about accounts and keys. */
import type { FastifyRequest } from 'fastify'
import { AppError } from '../../core/errors.ts'
import { encodeId } from '../../core/ids.ts'
import { DECISIONS, isSecurityKind, SECURITY_KINDS } from '../../core/security.ts'
import type { SecurityEvent as Event, SecurityLog } from '../../services/security-log.ts'
import { actorOf, mayCaller, sessionOf, tenantOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { idOf } from '../ids.ts'
import { formatInstant } from '../instant.ts'
import { Handling, SecurityPage, SecurityQuery } from '../schemas/operations.ts'
import { Done } from '../schemas/parts.ts'
import { DEFAULT_LIMIT, pageQuery, SecurityParams } from '../schemas/query.ts'

const tags = ['Security']

const dataOf = (data: unknown): Record<string, unknown> =>
  typeof data === 'object' && data !== null ? { ...data } : {}

const view = (event: Event) => ({
  id: encodeId('security', event.id),
  kind: event.kind,
  title: isSecurityKind(event.kind) ? SECURITY_KINDS[event.kind] : event.kind,
  score: event.score,
  decision: DECISIONS.find((decision) => decision === event.decision) ?? 'notify',
  ...(event.tenant === undefined ? {} : { tenant: encodeId('tenant', event.tenant) }),
  ...(event.user === undefined ? {} : { user: encodeId('user', event.user) }),
  ...(event.ip === undefined ? {} : { ip: event.ip }),
  ...(event.country === undefined ? {} : { country: event.country }),
  data: dataOf(event.data),
  at: formatInstant(event.at),
  ...(event.handled === undefined
    ? {}
    : {
        handledAt: formatInstant(event.handled.at),
        handledBy: event.handled.by,
        note: event.handled.note,
      }),
})

/** The caller's tenant, or the installation for those who may see it whole. */
function viewerOf(request: FastifyRequest, all: boolean | undefined) {
  if (all !== true) return { tenant: tenantOf(request) }
  if (mayCaller(request, 'installation:read')) return 'installation' as const
  throw new AppError('PERMISSION_MISSING', {
    public: 'Only a platform operator can see the whole installation.',
  })
}

export function securityRoutes(
  app: HttpApp,
  { securityLog }: { readonly securityLog: SecurityLog },
): void {
  app.get(
    '/v1/security-events',
    {
      config: { permission: 'security:read', refuses: ['CURSOR_INVALID'] },
      schema: {
        operationId: 'listSecurityEvents',
        tags,
        summary: 'List security events',
        description: 'Strange sign-ins, locked accounts, keys used from elsewhere; newest first.',
        querystring: SecurityQuery,
        response: { 200: SecurityPage },
      },
    },
    async (request) => {
      const { all, unhandled, limit = DEFAULT_LIMIT, cursor } = request.query
      const scope = viewerOf(request, all)
      const { items, next } = await securityLog.list({ scope, cursor, limit, unhandled })
      return { items: items.map(view), nextCursor: next ?? null }
    },
  )

  app.post(
    '/v1/security-events/:id/handle',
    {
      config: { permission: 'security:manage', refuses: ['STATE_CONFLICT'] },
      schema: {
        operationId: 'handleSecurityEvent',
        tags,
        summary: 'Mark a security event as handled',
        description: 'With a note for whoever looks next. It cannot be taken back.',
        params: SecurityParams,
        body: Handling,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const { note, all } = request.body
      const id = idOf('security', request.params.id)
      await securityLog.handle(actorOf(request), { id, viewer: viewerOf(request, all) }, note)
      return reply.code(204).send(null)
    },
  )

  app.get(
    '/v1/account/security-events',
    {
      config: { account: 'open', refuses: ['CURSOR_INVALID'] },
      schema: {
        operationId: 'listOwnSecurityEvents',
        tags: ['Account'],
        summary: 'What was noticed about your account',
        description: 'Newest first.',
        querystring: pageQuery('security'),
        response: { 200: SecurityPage },
      },
    },
    async (request) => {
      const { limit = DEFAULT_LIMIT, cursor } = request.query
      const scope = { user: sessionOf(request).user }
      const { items, next } = await securityLog.list({ scope, cursor, limit })
      return { items: items.map(view), nextCursor: next ?? null }
    },
  )
}
