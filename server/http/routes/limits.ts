/** What operators set over the built-in table of limits. */
import { AppError } from '../../core/errors.ts'
import type { Egress } from '../../services/egress.ts'
import { actorOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { Limit, LimitInput, LimitList, LimitParams } from '../schemas/egress.ts'
import { Done } from '../schemas/parts.ts'

const tags = ['Egress']

type LimitRow = ReturnType<Egress['limits']>[number]
const view = ({ scope, key, limits, note }: LimitRow) => ({
  scope,
  key,
  limits: {
    ...(limits.connections === undefined ? {} : { connections: limits.connections }),
    ...(limits.messagesPerConnection === undefined
      ? {}
      : { messagesPerConnection: limits.messagesPerConnection }),
    ...(limits.rate === undefined ? {} : { rate: limits.rate }),
    ...(limits.tls === undefined ? {} : { tls: limits.tls }),
  },
  ...(note === undefined ? {} : { note }),
})

/** A key that no lane has would limit nothing, in silence. */
const DESTINATION = /^(?:default|provider:[a-z0-9-]+|site:[a-z0-9.,-]+|hop:\S+:\d+)$/

export function limitRoutes(app: HttpApp, { egress }: { readonly egress: Egress }): void {
  app.get(
    '/v1/limits',
    {
      config: { permission: 'egress:read' },
      schema: {
        operationId: 'listLimits',
        tags,
        summary: 'List limits',
        description: 'What operators have set; the built-in table is not in it.',
        response: { 200: LimitList },
      },
    },
    async () => ({ items: egress.limits().map(view) }),
  )
  app.put(
    '/v1/limits/:scope/:key',
    {
      config: { permission: 'egress:manage' },
      schema: {
        operationId: 'setLimit',
        tags,
        summary: 'Set limits',
        description:
          'For a destination (`provider:google`, `site:mx1.example`, `hop:10.0.0.1:25`, `default`) or for a source by its name.',
        params: LimitParams,
        body: LimitInput,
        response: { 200: Limit },
      },
    },
    async (request) => {
      const { scope, key } = request.params
      const { note, ...limits } = request.body
      refuseUnknown(egress, scope, key)
      await egress.setLimits(actorOf(request), { scope, key, limits, note })
      return view({ scope, key, limits, note })
    },
  )
  app.delete(
    '/v1/limits/:scope/:key',
    {
      config: { permission: 'egress:manage' },
      schema: {
        operationId: 'removeLimit',
        tags,
        summary: 'Remove limits',
        description: 'The built-in table counts again.',
        params: LimitParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const { scope, key } = request.params
      if (!egress.limits().some((limit) => limit.scope === scope && limit.key === key))
        throw new AppError('NOT_FOUND')
      await egress.setLimits(actorOf(request), { scope, key, limits: undefined, note: undefined })
      return reply.code(204).send(null)
    },
  )
}

function refuseUnknown(egress: Egress, scope: 'destination' | 'source', key: string): void {
  if (scope === 'source') return // the service answers NOT_FOUND
  const provider = key.startsWith('provider:') ? key.slice('provider:'.length) : undefined
  const isKnown = provider === undefined || egress.providers().includes(provider)
  if (DESTINATION.test(key) && isKnown) return
  throw new AppError('BODY_INVALID', {
    fields: [{ path: 'key', message: 'is not the key of a destination' }],
  })
}
