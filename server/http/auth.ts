/**
 * Who may call which route. Each route declares a scope or that it is public; one that declares neither does not
 * build. The key is checked before the body is read, so a stranger cannot make us parse anything.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { AppError } from '../core/errors.ts'
import type { KeyScope, Principal } from '../services/auth/principal.ts'
import type { HttpDeps } from './deps.ts'
import { makeRateLimit } from './rate-limit.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The scope a key needs here. */
    scope?: KeyScope
    /** No key is asked for. */
    public?: true
  }
  interface FastifyRequest {
    principal: Principal | undefined
  }
}

// RFC 6750 §2.1: b64token. Longer than any key of ours is not looked at.
const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]{1,256})$/i

/** The caller of a route that declares a scope. */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal === undefined)
    throw new AppError('INTERNAL', { detail: 'A public route asked who is calling.' })
  return request.principal
}

export function installAuth(
  app: FastifyInstance,
  { auth, limits, clock }: Pick<HttpDeps, 'auth' | 'limits' | 'clock'>,
): void {
  const rate = makeRateLimit(
    { perSecond: limits.requestsPerSecond, burst: limits.requestBurst },
    clock,
  )
  app.decorateRequest('principal', undefined)
  app.addHook('onRoute', ({ config, method, url }) => {
    if ((config?.scope === undefined) === (config?.public === undefined))
      throw new Error(`Route ${String(method)} ${url} must declare a scope or that it is public.`)
  })
  app.addHook('onRequest', (request, reply, done) => {
    const { scope } = request.routeOptions.config
    if (scope === undefined) {
      done()
      return
    }
    try {
      const principal = auth.key(tokenOf(request.headers.authorization))
      request.principal = principal
      if (principal.key !== undefined) rate.take(principal.key, reply)
      if (!principal.scopes.includes(scope))
        throw new AppError('SCOPE_MISSING', {
          public: `This key does not have the scope ${scope}.`,
        })
      done()
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)))
    }
  })
}

function tokenOf(header: string | undefined): string {
  if (header === undefined) throw new AppError('AUTH_REQUIRED')
  const token = BEARER.exec(header)?.[1]
  if (token === undefined)
    throw new AppError('AUTH_FAILED', {
      public: 'The Authorization header must be "Bearer" and an API key.',
    })
  return token
}

/** RFC 6750 §3: what the client should do about a refusal. */
export function challenge(error: AppError, scope: KeyScope | undefined): string {
  const realm = 'Bearer realm="posthorn"'
  if (error.code === 'AUTH_REQUIRED') return realm
  if (error.kind === 'unauthenticated') return `${realm}, error="invalid_token"`
  return `${realm}, error="insufficient_scope", scope="${scope ?? ''}"`
}
