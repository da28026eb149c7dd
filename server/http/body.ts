/**
 * Reads JSON bodies. Bytes are hashed only when the request carries an Idempotency-Key; a body that is not UTF-8,
 * not JSON or compressed is refused with a code of its own.
 */
import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AppError } from '../core/errors.ts'
import { fingerprintOfBody } from '../services/fingerprint.ts'
import { idempotencyKeyOf } from './idempotency.ts'

/** Puts our parsers in the place of fastify's. Other content types are refused with 415. */
export function installBodyParsers(app: FastifyInstance): void {
  app.decorateRequest('bodyHash', undefined)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser<Buffer>(
    'application/json',
    { parseAs: 'buffer' },
    (request, body, done) => {
      try {
        refuseEncoded(request)
        if (idempotencyKeyOf(request) !== undefined) request.bodyHash = fingerprintOfBody(body)
        done(null, parseJson(body))
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

/**
 * Throws BODY_NOT_JSON. A key named `__proto__` becomes an own property like any other (JSON.parse defines, it does
 * not assign), and the schemas refuse it as a field that does not exist.
 */
function parseJson(body: Buffer): unknown {
  if (body.length === 0)
    throw new AppError('BODY_NOT_JSON', { public: 'The request body is empty.' })
  if (!isUtf8(body))
    throw new AppError('BODY_NOT_JSON', { public: 'The request body is not valid UTF-8.' })
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw new AppError('BODY_NOT_JSON', { cause: error, public: jsonFault(error) })
  }
}

/** The parser's place of error without the text it quotes: that may hold addresses. */
function jsonFault(error: unknown): string {
  const place =
    error instanceof Error
      ? /at position \d+(?: \(line \d+ column \d+\))?/.exec(error.message)
      : null
  return `The request body is not valid JSON${place === null ? '' : ` ${place[0]}`}.`
}
