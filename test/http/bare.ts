/** A small app with the hardening of the real one, in its order, for routes of the test's own. Nobody signs in. */
import fastify from 'fastify'
import type { FastifyInstance, FastifyServerFactory, LightMyRequestResponse } from 'fastify'
import { onTestFinished } from 'vitest'
import type { Clock } from '../../server/core/ports.ts'
import { installBodyParsers } from '../../server/http/body.ts'
import { installCors } from '../../server/http/cors.ts'
import { installErrors, sendProblem, toAppError } from '../../server/http/errors.ts'
import { harden, installHardening, securityHeaders } from '../../server/http/hardening.ts'
import { installTimeouts } from '../../server/http/timeouts.ts'
import { realClock } from '../../server/ports.ts'
import { recordingLog } from '../support/log.ts'
import type { RecordingLog } from '../support/log.ts'

export interface BareOptions {
  readonly trustedProxies?: readonly string[]
  readonly corsOrigins?: readonly string[]
  readonly handlerTimeoutMs?: number
  readonly bodyLimit?: number
  readonly clock?: Clock
  readonly serverFactory?: FastifyServerFactory
}
export interface BareApp {
  readonly app: FastifyInstance
  readonly log: RecordingLog
}

/** Closes with the test. */
export async function bareApp(
  routes: (app: FastifyInstance) => void,
  options: BareOptions = {},
): Promise<BareApp> {
  const { trustedProxies = [], bodyLimit = 50 * 1024 * 1024, serverFactory } = options
  const log = recordingLog()
  const headers = await securityHeaders()
  const app = fastify({
    logger: false,
    bodyLimit,
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    frameworkErrors: (error, request, reply) => {
      harden(request, reply, headers)
      sendProblem(toAppError(error), request, reply)
    },
    ...(serverFactory === undefined ? {} : { serverFactory }),
  })
  installHardening(app, headers)
  installCors(app, { corsOrigins: options.corsOrigins ?? [] })
  installBodyParsers(app)
  installErrors(app, log)
  installTimeouts(app, {
    limits: { handlerTimeoutMs: options.handlerTimeoutMs ?? 30_000 },
    clock: options.clock ?? realClock,
    log,
  })
  routes(app)
  await app.ready()
  onTestFinished(() => app.close())
  return { app, log }
}

/** Status and, for a problem, its code: `[404, 'ROUTE_NOT_FOUND']`. */
export function outcomeOf({ statusCode, headers, body }: LightMyRequestResponse): [number, string] {
  const isProblem = String(headers['content-type']).startsWith('application/problem+json')
  const { code } = isProblem ? (JSON.parse(body) as { code: string }) : { code: '' }
  return [statusCode, code]
}
