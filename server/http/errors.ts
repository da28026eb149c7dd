/**
 * From an error to an answer: problem+json (RFC 9457) with a stable code. A client sees the public text of our own
 * errors and nothing of any other: those are logged with their stack and answered with INTERNAL.
 */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../core/errors.ts'
import type { ErrorCode, ErrorKind } from '../core/errors.ts'
import type { Log } from '../core/ports.ts'
import { challenge } from './auth.ts'

const STATUS_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  limited: 429,
  'too-big': 413,
  unavailable: 503,
  internal: 500,
}
const STATUS_OF_CODE: Readonly<Partial<Record<ErrorCode, number>>> = {
  CONTENT_TYPE_UNSUPPORTED: 415,
  METHOD_NOT_ALLOWED: 405,
  REQUEST_TIMEOUT: 408,
  STORE_FULL: 507,
}
/** What a client should wait when nothing better is known. */
const RETRY_AFTER_S = 5

export const statusOf = (error: Pick<AppError, 'code' | 'kind'>): number =>
  STATUS_OF_CODE[error.code] ?? STATUS_OF_KIND[error.kind]

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string
  readonly requestId: string
  readonly fields?: readonly { readonly path: string; readonly message: string }[]
}

export const PROBLEM_TYPE = 'application/problem+json'

export function problemOf(error: AppError, requestId: string): Problem {
  const status = statusOf(error)
  return {
    // RFC 9457 §3.1.1: a relative reference is resolved against the request, so it leads to our own reference.
    type: `/docs#${error.code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code: error.code,
    detail: error.public,
    requestId,
    ...(error.fields.length === 0 ? {} : { fields: error.fields }),
  }
}

/** Fastify's own refusals, by its code. What is not here and below 500 is a malformed request. */
const OF_FASTIFY: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'MESSAGE_TOO_BIG',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'CONTENT_TYPE_UNSUPPORTED',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'REQUEST_MALFORMED',
  FST_ERR_BAD_URL: 'REQUEST_MALFORMED',
  FST_ERR_MAX_PARAM_LENGTH: 'ID_INVALID',
}

/** Our error behind whatever was thrown. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const { code, statusCode } = fastifyFacts(error)
  const own = OF_FASTIFY[code]
  if (own === 'MESSAGE_TOO_BIG')
    return new AppError(own, { public: 'The request body is larger than allowed.' })
  if (own !== undefined) return new AppError(own)
  if (statusCode >= 400 && statusCode < 500) return new AppError('REQUEST_MALFORMED')
  return new AppError('INTERNAL', { cause: error })
}

function fastifyFacts(error: unknown): { code: string; statusCode: number } {
  const value = typeof error === 'object' && error !== null ? error : {}
  const code: unknown = Reflect.get(value, 'code')
  const statusCode: unknown = Reflect.get(value, 'statusCode')
  return {
    code: typeof code === 'string' ? code : '',
    statusCode: typeof statusCode === 'number' ? statusCode : 500,
  }
}

export function sendProblem(error: AppError, request: FastifyRequest, reply: FastifyReply): void {
  const status = statusOf(error)
  if (status === 401 || error.code === 'SCOPE_MISSING')
    reply.header('www-authenticate', challenge(error, request.routeOptions.config.permission))
  if (error.kind === 'limited' || error.kind === 'unavailable') {
    const seconds = Math.ceil((error.retryAfterMs ?? RETRY_AFTER_S * 1000) / 1000)
    reply.header('retry-after', String(Math.max(1, seconds)))
  }
  reply
    .code(status)
    .header('x-request-id', request.id)
    .header('cache-control', 'no-store')
    .type(PROBLEM_TYPE)
    // A string: the response schemas of the route are for its successes.
    .send(JSON.stringify(problemOf(error, request.id)))
}

export function installErrors(app: FastifyInstance, log: Log): void {
  app.setErrorHandler<FastifyError | AppError>((thrown, request, reply) => {
    const error = toAppError(thrown)
    if (error.kind === 'internal' || error.kind === 'unavailable')
      log.error(
        { evt: 'http-error', err: error.cause ?? error, code: error.code, ...whereIs(request) },
        'request failed',
      )
    else
      log.debug({ evt: 'http-refused', code: error.code, ...whereIs(request) }, 'request refused')
    sendProblem(error, request, reply)
  })
  const methods = collectMethods(app)
  // Before the body is read: what is wrong with it does not matter where there is nothing.
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) {
      done()
      return
    }
    const allowed = methods(request.url)
    if (allowed.length > 0) reply.header('allow', allowed.join(', '))
    done(new AppError(allowed.length > 0 ? 'METHOD_NOT_ALLOWED' : 'ROUTE_NOT_FOUND'))
  })
}

/** The route's pattern, never the URL: a query may hold addresses. */
const whereIs = (request: FastifyRequest): { requestId: string; route: string | undefined } => ({
  requestId: request.id,
  route: request.routeOptions.url,
})

/** Which methods a path has, for 405 and Allow (RFC 9110 §15.5.6). */
function collectMethods(app: FastifyInstance): (url: string) => string[] {
  const routes: { readonly pattern: RegExp; readonly method: string }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = new RegExp(
      `^${url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:\w+/g, '[^/]+')}$`,
    )
    for (const name of [method].flat()) routes.push({ pattern, method: name })
  })
  return (url) => {
    const path = url.split('?', 1)[0] ?? url
    return [...new Set(routes.filter((r) => r.pattern.test(path)).map((r) => r.method))]
  }
}

/** Answers what never became a request: broken HTTP, headers too long, a client that is too slow. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const code: ErrorCode =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'REQUEST_TIMEOUT' : 'REQUEST_MALFORMED'
  const isLong = error.code === 'HPE_HEADER_OVERFLOW'
  const own = new AppError(code, isLong ? { public: 'The header of the request is too long.' } : {})
  const status = isLong ? 431 : statusOf(own)
  const body = JSON.stringify({ ...problemOf(own, ''), status, title: STATUS_CODES[status] })
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  )
}
