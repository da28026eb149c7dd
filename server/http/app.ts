/**
 * Builds the HTTP side: hooks, routes and limits around fastify. Building is not listening, so tests inject requests.
 * It must never answer with a stack trace, nor log what it was sent: both may hold addresses.
 */
import fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { AppError } from '../core/errors.ts'
import { installAuth } from './auth.ts'
import { installBodyParsers } from './body.ts'
import { controlRoutes } from './control-routes.ts'
import { installCors } from './cors.ts'
import type { HttpDeps } from './deps.ts'
import { answerClientError, installErrors, sendProblem, toAppError } from './errors.ts'
import { compileValidator } from './field-errors.ts'
import { harden, installHardening, securityHeaders } from './hardening.ts'
import { installOpenApi } from './openapi.ts'
import { deliveryRoutes } from './routes/deliveries.ts'
import { eventRoutes } from './routes/events.ts'
import { rawRoutes } from './routes/messages-raw.ts'
import { messageRoutes } from './routes/messages-read.ts'
import { sendRoutes } from './routes/messages.ts'
import { pageRoutes } from './routes/pages.ts'
import { systemRoutes } from './routes/system.ts'
import { NoQuery } from './schemas/query.ts'
import { installTimeouts } from './timeouts.ts'

/** Ready to `listen` or `inject`; the caller closes it. Closing answers what is under way and refuses the rest with 503. */
export async function buildHttp(deps: HttpDeps): Promise<FastifyInstance> {
  const { limits, trustedProxies } = deps
  const headers = await securityHeaders()
  // A socket on which nothing moves at all; longer than the two it is made of.
  const connectionTimeoutMs = 2 * Math.max(limits.requestTimeoutMs, limits.keepAliveTimeoutMs)
  const app = fastify({
    ...(deps.tls === undefined
      ? {}
      : { serverFactory: deps.tls.serverFactory({ ...limits, connectionTimeoutMs }) }),
    logger: false,
    bodyLimit: limits.bodyLimit,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionTimeout: connectionTimeoutMs,
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    requestIdHeader: false,
    genReqId: requestIds(deps),
    return503OnClosing: false, // its answer has no code; ours follows below
    frameworkErrors: (error, request, reply) => {
      harden(request, reply, headers)
      sendProblem(toAppError(error), request, reply)
    },
    clientErrorHandler: answerClientError,
  }).withTypeProvider<TypeBoxTypeProvider>()

  app.setValidatorCompiler(compileValidator)
  installHardening(app, headers)
  installCors(app, deps)
  installBodyParsers(app)
  installErrors(app, deps.log)
  installLifecycle(app, deps)
  installAuth(app, deps)
  installTimeouts(app, deps)
  refuseStrayQueries(app)
  await installOpenApi(app, deps)

  sendRoutes(app, deps)
  // A scope of its own: message/rfc822 is a body for this route only.
  await app.register((scope, _options, done) => {
    rawRoutes(scope.withTypeProvider<TypeBoxTypeProvider>(), deps)
    done()
  })
  messageRoutes(app, deps)
  deliveryRoutes(app, deps)
  eventRoutes(app, deps)
  controlRoutes(app, deps)
  systemRoutes(app, deps)
  pageRoutes(app, deps)
  return app
}

/** Short, and unlike those of the process before: `mkz3a1-2f`. */
function requestIds({ clock }: HttpDeps): () => string {
  let count = 0
  let start: string | undefined
  return () => {
    start ??= Math.floor(clock.now() / 1000).toString(36)
    return `${start}-${(++count).toString(36)}`
  }
}

/** A parameter that means nothing is a mistake of the client's; without a schema it would pass in silence. */
function refuseStrayQueries(app: FastifyInstance): void {
  app.addHook('onRoute', ({ config, schema }) => {
    if (config?.public === undefined && schema !== undefined) schema.querystring ??= NoQuery
  })
}

function installLifecycle(app: FastifyInstance, { log, observe }: HttpDeps): void {
  let closing = false
  app.addHook('preClose', (done) => {
    closing = true
    done()
  })
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    if (closing) done(new AppError('SHUTTING_DOWN'))
    else done()
  })
  app.addHook('onResponse', (request, reply, done) => {
    const facts = {
      method: request.method,
      route: request.routeOptions.url ?? 'none',
      status: reply.statusCode,
      ms: reply.elapsedTime,
    }
    observe?.(facts)
    log.debug({ evt: 'http', requestId: request.id, ...facts }, 'request answered')
    done()
  })
}
