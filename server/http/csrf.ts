/** Refuses requests that another site makes with a person's cookie. */
import type { FastifyRequest } from 'fastify'
import { AppError } from '../core/errors.ts'

const SAFE = ['GET', 'HEAD', 'OPTIONS']

/** Throws ORIGIN_FORBIDDEN for an unsafe request that does not carry the session's token. */
export function refuseCrossSite(
  request: FastifyRequest,
  { csrfToken }: { readonly publicUrl: string; readonly csrfToken: string },
): void {
  if (SAFE.includes(request.method)) return
  if (request.headers['posthorn-csrf'] !== csrfToken) throw new AppError('ORIGIN_FORBIDDEN')
}
