/**
 * Takes JSON bodies in: how large they may be, that they are not compressed, and their hash, when the request carries
 * an Idempotency-Key. What is in them is read by json-body.ts.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AppError } from '../core/errors.ts'
import { fingerprintOfBody } from '../services/fingerprint.ts'
import { idempotencyKeyOf } from './idempotency.ts'
import { parseJsonBody } from './json-body.ts'

/** Of any body but mail. A route that takes more says so itself (`bodyLimit`). */
const SMALL_BODY = 1024 * 1024
const MAIL = '/v1/messages'

/** Puts our parsers in the place of fastify's. Other content types are refused with 415. */
export function installBodyParsers(app: FastifyInstance): void {
  const most = app.initialConfig.bodyLimit ?? SMALL_BODY
  app.addHook('onRoute', (route) => {
    if (!route.url.startsWith(MAIL)) route.bodyLimit ??= Math.min(most, SMALL_BODY)
  })
  app.decorateRequest('bodyHash', undefined)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<Buffer>(
    'application/json',
    { parseAs: 'buffer' },
    (request, body, done) => {
      try {
        refuseEncoded(request)
        if (idempotencyKeyOf(request) !== undefined) request.bodyHash = fingerprintOfBody(body)
        done(null, parseJsonBody(body))
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)))
      }
    },
  )
}

/** Throws CONTENT_TYPE_UNSUPPORTED on a compressed body: its real size could not be bounded cheaply. */
export function refuseEncoded(request: FastifyRequest): void {
  const encoding = request.headers['content-encoding']
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return
  throw new AppError('CONTENT_TYPE_UNSUPPORTED', {
    public: 'Compressed request bodies are not accepted.',
  })
}
