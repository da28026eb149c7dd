/** Quotas of the caller's tenant. Its own one is set by those who run the installation, the others by itself. */
import type { FastifyRequest } from 'fastify'
import { AppError } from '../../core/errors.ts'
import type { QuotaScope } from '../../core/quota.ts'
import type { QuotaInfo, Quotas } from '../../services/quotas.ts'
import { actorOf, mayCaller, tenantOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { formatInstant } from '../instant.ts'
import { Done } from '../schemas/parts.ts'
import { Quota, QuotaInput, QuotaList, QuotaParams } from '../schemas/quotas.ts'

const tags = ['Quotas']

const view = ({ units, ...quota }: QuotaInfo) => ({
  ...quota,
  windows: units.map((unit) => ({ ...unit, resetsAt: formatInstant(unit.resetsAt) })),
})

/** Nobody lifts the limit that was set for them. */
function refuseOwn(request: FastifyRequest, scope: QuotaScope): void {
  if (scope !== 'tenant' || mayCaller(request, 'tenants:manage')) return
  throw new AppError('PERMISSION_MISSING', {
    public: 'The quota of the tenant itself is set by those who run the installation.',
  })
}

export function quotaRoutes(app: HttpApp, { quotas }: { readonly quotas: Quotas }): void {
  app.get(
    '/v1/quotas',
    {
      config: { permission: 'quotas:read' },
      schema: {
        operationId: 'listQuotas',
        tags,
        summary: 'List quotas',
        description: 'Every quota of the tenant, its logins and its domains, with what is used.',
        response: { 200: QuotaList },
      },
    },
    async (request) => ({ items: (await quotas.list(tenantOf(request))).map(view) }),
  )

  app.put(
    '/v1/quotas/:scope/:name',
    {
      config: { permission: 'quotas:manage' },
      schema: {
        operationId: 'setQuota',
        tags,
        summary: 'Set a quota',
        description:
          'Counts recipients of accepted mail; what the sandbox takes is not counted. A lower limit does not move mail that already has its time.',
        params: QuotaParams,
        body: QuotaInput,
        response: { 200: Quota },
      },
    },
    async (request) => {
      const { scope, name } = request.params
      refuseOwn(request, scope)
      const { over, ...limits } = request.body
      const target = { tenant: tenantOf(request), scope, of: name }
      return view(await quotas.set(actorOf(request), { ...target, ...limits, over }))
    },
  )

  app.delete(
    '/v1/quotas/:scope/:name',
    {
      config: { permission: 'quotas:manage' },
      schema: {
        operationId: 'removeQuota',
        tags,
        summary: 'Remove a quota',
        description: 'Mail that already has its time keeps it.',
        params: QuotaParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      const { scope, name } = request.params
      refuseOwn(request, scope)
      await quotas.remove(actorOf(request), { tenant: tenantOf(request), scope, of: name })
      return reply.code(204).send(null)
    },
  )
}
