/**
 * How long a handler may take. When its time is over the client gets 503, `signalOf` tells the handler, and whatever
 * it answers later is dropped. fastify's own limit ends with the body's last byte (its "close"), so it is not used.
 * How long a request may take to arrive is another matter: `requestTimeout` of the server.
 */
import type { ServerResponse } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest, preHandlerHookHandler } from 'fastify'
import { AppError } from '../core/errors.ts'
import type { Clock, Log, Timer } from '../core/ports.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** How long the handler may take, ms; 0: as long as it likes, for answers that stream. */
    timeoutMs?: number
  }
  interface FastifyRequest {
    deadline: Deadline | undefined
  }
}

/** Of one request while its handler runs. */
export interface Deadline {
  readonly timer: Timer
  readonly response: ServerResponse
  /** Made only when a handler asks for it. */
  abort: AbortController | undefined
}

export interface TimeoutDeps {
  readonly limits: { readonly handlerTimeoutMs: number }
  readonly clock: Clock
  readonly log: Log
}

export function installTimeouts(app: FastifyInstance, { limits, clock, log }: TimeoutDeps): void {
  app.decorateRequest('deadline', undefined)
  app.addHook('onRoute', (route) => {
    const ms = route.config?.timeoutMs ?? limits.handlerTimeoutMs
    if (ms === 0) return
    // The body is here and checked, so a slow client does not use up the handler's time.
    const start: preHandlerHookHandler = (request, reply, done) => {
      const timer = clock.after(ms, () => expire(request, reply, { ms, log }))
      request.deadline = { timer, response: reply.raw, abort: undefined }
      done()
    }
    route.preHandler = [start, ...[route.preHandler ?? []].flat()]
  })
  app.addHook('onResponse', (request, _reply, done) => {
    request.deadline?.timer.cancel()
    done()
  })
}

/** Aborts when the handler's time is over or the client has gone. Undefined on a route without a limit. */
export function signalOf({ deadline }: FastifyRequest): AbortSignal | undefined {
  if (deadline === undefined) return undefined
  if (deadline.abort === undefined) {
    const abort = new AbortController()
    deadline.abort = abort
    // Answered, or cut off: in both cases nobody waits any more. Also how an expired request ends.
    if (deadline.response.writableEnded) abort.abort()
    else deadline.response.once('close', () => abort.abort())
  }
  return deadline.abort.signal
}

function expire(
  request: FastifyRequest,
  reply: FastifyReply,
  { ms, log }: { readonly ms: number; readonly log: Log },
): void {
  // Answered, taken over by the handler, or a stream under way, which may be as long as it is: a client that does not
  // read it is cut off by the server's own limit on silence.
  if (reply.sent || reply.raw.headersSent) return
  const route = request.routeOptions.url
  log.warn({ evt: 'http-slow', requestId: request.id, route, ms }, 'a handler took too long')
  // Before the handler hears of it: what it throws then is no answer any more.
  reply.send(new AppError('HANDLER_TIMEOUT'))
  request.deadline?.abort?.abort()
}
