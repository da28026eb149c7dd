/**
 * Who may call which route. Each route declares a permission, that it is about the caller's own account, or that it is
 * public; one that declares none or several does not build. Callers are checked before the body is read, so a stranger
 * cannot make us parse anything.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../core/errors.ts'
import type { Actor } from '../core/audit.ts'
import { decodeId } from '../core/ids.ts'
import type { TenantId } from '../core/ids.ts'
import { isPlatformPermission } from '../core/permission.ts'
import type { Permission } from '../core/permission.ts'
import type { Caller, SessionFacts, Whence } from '../services/auth/caller.ts'
import type { Principal } from '../services/auth/principal.ts'
import { sessionTokenOf } from './cookies.ts'
import { refuseCrossSite } from './csrf.ts'
import type { HttpDeps } from './deps.ts'
import { makeRateLimit, makeStrangerLimit } from './rate-limit.ts'

/** What somebody must be to call a route: exactly one of the first three. */
export interface RouteAccess {
  /** What the key or the person must be allowed to do. */
  permission?: Permission
  /**
   * About the person's own account: a session is needed, no permission. `open` asks for a complete sign-in, `enrol`
   * takes one that must still set up its second factor, `any` also one whose second factor is still asked for.
   */
  account?: 'open' | 'enrol' | 'any'
  /** Nobody is asked for anything. */
  public?: true
  /** A person must have proved who they are within the last minutes. */
  stepUp?: true
  /** Not for API keys. */
  personOnly?: true
}

export interface RegisteredRoute extends RouteAccess {
  readonly method: string
  readonly url: string
}

declare module 'fastify' {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- merging is how fastify is told
  interface FastifyContextConfig extends RouteAccess {}
  interface FastifyRequest {
    caller: Caller | undefined
  }
  interface FastifyInstance {
    /** Every route with what it asks for; HEAD and OPTIONS, which fastify adds, are left out. */
    routeAccess: RegisteredRoute[]
  }
}

// RFC 6750 §2.1: b64token. Longer than any key of ours is not looked at.
const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]{1,256})$/i

/** The caller of a route that is not public. */
export function callerOf(request: FastifyRequest): Caller {
  if (request.caller === undefined)
    throw new AppError('INTERNAL', { detail: 'A public route asked who is calling.' })
  return request.caller
}
/** For the audit log. */
export const actorOf = (request: FastifyRequest): Actor => callerOf(request).actor()

/** The tenant that the request is about. Throws TENANT_REQUIRED. */
export function tenantOf(request: FastifyRequest): TenantId {
  const { tenant } = callerOf(request)
  if (tenant === undefined) throw new AppError('TENANT_REQUIRED')
  return tenant
}

/** The person's session. Throws SESSION_REQUIRED for an API key. */
export function sessionOf(request: FastifyRequest): SessionFacts {
  const caller = callerOf(request)
  if (caller.kind === 'key') throw new AppError('SESSION_REQUIRED')
  return caller.session
}

/** As whom mail is handed in: the key, or the person in the tenant of the request. */
export function principalOf(request: FastifyRequest): Principal {
  const caller = callerOf(request)
  if (caller.kind === 'key') return caller.principal
  return {
    tenant: tenantOf(request),
    credential: undefined,
    key: undefined,
    name: caller.session.email,
    scopes: [],
    mode: 'live',
    limits: {},
  }
}

/** Whether the caller may do something beyond what the route asks for. */
export function mayCaller(request: FastifyRequest, permission: Permission): boolean {
  const caller = callerOf(request)
  return caller.kind === 'key'
    ? caller.principal.scopes.includes(permission)
    : caller.session.abilities.can(permission, caller.tenant)
}

export const whenceOf = (request: FastifyRequest): Whence => ({
  ip: request.ip,
  userAgent: (request.headers['user-agent'] ?? '').slice(0, 256),
  requestId: request.id,
})

export function installAuth(
  app: FastifyInstance,
  {
    auth,
    control: { sessions, publicUrl },
    limits,
    clock,
  }: Pick<HttpDeps, 'auth' | 'limits' | 'clock'> & {
    readonly control: Pick<HttpDeps['control'], 'sessions' | 'publicUrl'>
  },
): void {
  const rate = makeRateLimit(
    { perSecond: limits.requestsPerSecond, burst: limits.requestBurst },
    clock,
  )
  const strangers = makeStrangerLimit(clock)
  app.decorateRequest('caller', undefined)
  app.decorate('routeAccess', [])
  app.addHook('onRoute', ({ config, method, url }) => {
    const ways = [config?.permission, config?.account, config?.public]
    if (ways.filter((way) => way !== undefined).length !== 1)
      throw new Error(
        `Route ${String(method)} ${url} must declare a permission, an account or that it is public.`,
      )
    for (const name of [method].flat())
      if (name !== 'HEAD' && name !== 'OPTIONS')
        app.routeAccess.push({ ...config, method: name, url })
  })

  function asKey(request: FastifyRequest, reply: FastifyReply, header: string): Caller {
    const { permission, personOnly } = request.routeOptions.config
    const principal = auth.key(tokenOf(header), request.ip)
    if (principal.key !== undefined) rate.take(principal.key, reply, principal.requestsPerSecond)
    if (permission === undefined || personOnly === true) throw new AppError('SESSION_REQUIRED')
    if (!principal.scopes.includes(permission))
      throw new AppError('SCOPE_MISSING', {
        public: `This key does not have the scope ${permission}.`,
      })
    const actor = (): Actor => ({
      kind: 'key',
      id: principal.key,
      name: principal.name,
      means: 'api-key',
      ip: request.ip,
      country: auth.countryOf(request.ip),
      requestId: request.id,
    })
    return { kind: 'key', actor, tenant: principal.tenant, principal }
  }

  async function asPerson(
    request: FastifyRequest,
    reply: FastifyReply,
    token: string,
  ): Promise<Caller> {
    const access = request.routeOptions.config
    const session = await sessions.authenticate(token, whenceOf(request))
    // Beside the keys, whose numbers are above 0.
    rate.take(-Number(session.user), reply)
    refuseCrossSite(request, { publicUrl, csrfToken: sessions.csrfToken(session.id) })
    refuseStage(session, access)
    const tenant = access.permission === undefined ? undefined : tenantFor(request, session)
    const { permission } = access
    if (permission !== undefined) {
      // Platform roles hold in every tenant: their holders name one where the route is about one.
      const may = session.abilities.can(permission, tenant)
      if (!may && tenant === undefined && !isPlatformPermission(permission))
        throw new AppError('TENANT_REQUIRED')
      if (!may)
        throw new AppError('PERMISSION_MISSING', {
          public: `You may not do that here: it needs the permission ${permission}.`,
        })
      // Told only to those who may look into any tenant; what is made in none is a mistake.
      if (tenant !== undefined && !auth.hasTenant(tenant)) throw noTenant()
    }
    if (access.stepUp === true && !sessions.isConfirmed(session))
      throw new AppError('STEP_UP_REQUIRED')
    const actor = (): Actor => ({
      kind: 'user',
      id: session.user,
      name: session.email,
      means: 'session',
      ip: request.ip,
      country: auth.countryOf(request.ip),
      requestId: request.id,
    })
    return { kind: 'session', actor, tenant, session }
  }

  app.addHook('onRequest', (request, reply, done) => {
    if (request.is404) {
      done()
      return
    }
    if (request.routeOptions.config.public === true) {
      try {
        if (request.method !== 'GET') strangers(request.ip)
        done()
      } catch (error) {
        done(asError(error))
      }
      return
    }
    const header = request.headers.authorization
    // The hot path: a key is looked up in memory and nothing is awaited.
    try {
      if (header !== undefined) {
        request.caller = asKey(request, reply, header)
        done()
        return
      }
      const token = sessionTokenOf(request)
      if (token === undefined) throw new AppError('AUTH_REQUIRED')
      asPerson(request, reply, token).then(
        (caller) => {
          request.caller = caller
          done()
        },
        (error: unknown) => done(asError(error)),
      )
    } catch (error) {
      done(asError(error))
    }
  })
}

const asError = (error: unknown): Error =>
  error instanceof Error ? error : new Error(String(error))

function refuseStage({ stage }: SessionFacts, { account }: RouteAccess): void {
  if (stage === 'open' || account === 'any') return
  if (stage === 'second-factor') throw new AppError('SECOND_FACTOR_REQUIRED')
  if (account !== 'enrol') throw new AppError('SECOND_FACTOR_MISSING')
}

/** The tenant a person names, or the only one they belong to. Being allowed there is asked afterwards. */
function tenantFor(request: FastifyRequest, session: SessionFacts): TenantId | undefined {
  const named = request.headers['posthorn-tenant']
  if (named === undefined)
    return session.memberships.length === 1 ? session.memberships[0]?.tenant : undefined
  const id = typeof named === 'string' ? decodeId('tenant', named) : undefined
  if (id === undefined) throw noTenant()
  return id
}

const noTenant = (): AppError =>
  new AppError('ID_INVALID', {
    fields: [{ path: 'Posthorn-Tenant', message: 'is not the id of a tenant' }],
  })

function tokenOf(header: string): string {
  const token = BEARER.exec(header)?.[1]
  if (token === undefined)
    throw new AppError('AUTH_FAILED', {
      public: 'The Authorization header must be "Bearer" and an API key.',
    })
  return token
}

/** RFC 6750 §3: what the client should do about a refusal. */
export function challenge(error: AppError, permission: Permission | undefined): string {
  const realm = 'Bearer realm="posthorn"'
  if (error.code === 'AUTH_REQUIRED') return realm
  if (error.kind === 'unauthenticated') return `${realm}, error="invalid_token"`
  return `${realm}, error="insufficient_scope", scope="${permission ?? ''}"`
}
