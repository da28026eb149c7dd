/**
 * Idempotency-Key: a request that is sent again with the same key is done once. The key and what the request said go
 * into the same commit as the message, so two at the same moment cannot both win; nothing is kept here.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../core/errors.ts'
import { fingerprintOfBody } from '../services/fingerprint.ts'
import { principalOf } from './auth.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** SHA-256 of the body's bytes, when the request carries an Idempotency-Key. */
    bodyHash: string | undefined
  }
}

const KEY = /^[!-~]{1,255}$/

/** Throws IDEMPOTENCY_KEY_INVALID. */
export function idempotencyKeyOf(request: FastifyRequest): string | undefined {
  const key = request.headers['idempotency-key']
  if (key === undefined) return undefined
  if (typeof key !== 'string' || !KEY.test(key)) throw new AppError('IDEMPOTENCY_KEY_INVALID')
  return key
}

/**
 * Key and fingerprint for `submit.built`. The same body to another path or query, or with a key of the other mode
 * (test, live), is a different request.
 */
export function idempotencyOf(
  request: FastifyRequest,
): { readonly key: string; readonly fingerprint: string } | undefined {
  const key = idempotencyKeyOf(request)
  if (key === undefined) return undefined
  const { mode } = principalOf(request)
  const said = `${mode} ${request.method} ${request.url}\n${request.bodyHash ?? ''}`
  return { key, fingerprint: fingerprintOfBody(said) }
}

export function markReplayed(reply: FastifyReply, replayed: boolean): void {
  if (replayed) reply.header('idempotency-replayed', 'true')
}
