/** For machines that watch machines: liveness, readiness, metrics, and the API's own description. */
import Type from 'typebox'
import { AppError } from '../../core/errors.ts'
import type { HttpDeps } from '../deps.ts'
import type { HttpApp } from '../http-app.ts'
import { insiderTest } from '../networks.ts'

const Alive = Type.Object(
  { status: Type.String({ description: 'Always `ok`.', examples: ['ok'] }) },
  { title: 'Alive', description: 'The process answers.' },
)
const Readiness = Type.Object(
  {
    ready: Type.Boolean({ description: 'Mail can be accepted.', examples: [true] }),
    checks: Type.Array(
      Type.Object({
        name: Type.String({ description: 'What was looked at.', examples: ['database'] }),
        ok: Type.Boolean({ description: 'It is as it should be.', examples: [true] }),
        detail: Type.Optional(
          Type.String({
            description: 'More, for callers from the machine itself.',
            examples: ['writer answers in 2 ms'],
          }),
        ),
      }),
      { description: 'One for each thing that is needed.' },
    ),
  },
  { title: 'Readiness', description: 'Whether mail can be accepted.' },
)

export function systemRoutes(app: HttpApp, deps: HttpDeps): void {
  const isInsider = insiderTest(deps.metricsNetworks ?? [])

  app.get(
    '/healthz',
    {
      config: { public: true },
      schema: {
        operationId: 'healthz',
        tags: ['System'],
        summary: 'Liveness',
        description: 'Answers as long as the process runs.',
        response: { 200: Alive },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', 'no-store')
      return { status: 'ok' }
    },
  )

  app.get(
    '/readyz',
    {
      config: { public: true },
      schema: {
        operationId: 'readyz',
        tags: ['System'],
        summary: 'Readiness',
        description:
          '200 when mail can be accepted, 503 when not. Details are shown only to the machine itself.',
        response: { 200: Readiness, 503: Readiness },
      },
    },
    async (request, reply) => {
      const { ready, checks } = await deps.health()
      const inside = isInsider(request)
      return reply
        .code(ready ? 200 : 503)
        .header('cache-control', 'no-store')
        .send({
          ready,
          checks: checks.map(({ name, ok, detail }) => ({
            name,
            ok,
            ...(inside && detail !== undefined ? { detail } : {}),
          })),
        })
    },
  )

  app.get(
    '/metrics',
    {
      config: { public: true, refuses: ['ROUTE_NOT_FOUND'] },
      schema: {
        operationId: 'metrics',
        tags: ['System'],
        summary: 'Metrics',
        description:
          'Prometheus text format, over all tenants; therefore only for the machine itself and networks that the operator named. To anybody else there is nothing at this path.',
        produces: ['text/plain'],
      },
    },
    async (request, reply) => {
      if (!isInsider(request)) throw new AppError('ROUTE_NOT_FOUND')
      const text = await deps.metricsText()
      return reply
        .type('text/plain; version=0.0.4; charset=utf-8')
        .header('cache-control', 'no-store')
        .send(text)
    },
  )
}
