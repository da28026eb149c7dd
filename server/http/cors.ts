/**
 * Which other sites' pages may call the API from a browser: none, unless the operator names them (`http.corsOrigins`).
 * Those may use routes that take an API key, with a key, and read the answers. Cookies are never part of it: no answer
 * allows credentials, and one that was not asked for with a key cannot be read by another site at all.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Chromium keeps a preflight no longer than this, s. */
const MAX_AGE_S = 7200
const ALLOWED_HEADERS = 'authorization, content-type, idempotency-key'
const EXPOSED_HEADERS =
  'idempotency-replayed, location, ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after, x-request-id'

interface KeyedRoute {
  readonly pattern: RegExp
  readonly methods: readonly string[]
}

/** Call before routes are registered, and before the hooks that refuse unknown paths and strangers. */
export function installCors(
  app: FastifyInstance,
  { corsOrigins }: { readonly corsOrigins: readonly string[] },
): void {
  if (corsOrigins.length === 0) return
  const origins = new Set(corsOrigins)
  const routes: KeyedRoute[] = []
  app.addHook('onRoute', ({ url, method, config }) => {
    if (!takesKeys(config)) return
    const pattern = new RegExp(`^${url.replaceAll('.', '\\.').replace(/:\w+/g, '[^/]+')}$`)
    routes.push({ pattern, methods: [method].flat() })
  })
  app.addHook('onRequest', (request, reply, done) => {
    const { origin } = request.headers
    if (origin === undefined || !origins.has(origin)) done()
    else if (request.method === 'OPTIONS') answerPreflight(request, reply, { origin, routes, done })
    else {
      if (takesKeys(request.routeOptions.config) && request.headers.authorization !== undefined)
        allow(reply, origin).header('access-control-expose-headers', EXPOSED_HEADERS)
      done()
    }
  })
}

const takesKeys = (config: { permission?: string; personOnly?: true } | undefined): boolean =>
  config?.permission !== undefined && config.personOnly !== true

const allow = (reply: FastifyReply, origin: string): FastifyReply =>
  reply.header('access-control-allow-origin', origin).header('vary', 'Origin')

interface Preflight {
  readonly origin: string
  readonly routes: readonly KeyedRoute[]
  readonly done: () => void
}

/** Fetch standard, CORS-preflight. A method that no key can use there goes the way of any unknown request. */
function answerPreflight(
  request: FastifyRequest,
  reply: FastifyReply,
  { origin, routes, done }: Preflight,
): void {
  const wanted = request.headers['access-control-request-method']
  const path = request.url.split('?', 1)[0] ?? ''
  const methods = routes.flatMap((route) => (route.pattern.test(path) ? route.methods : []))
  if (wanted === undefined || !methods.includes(wanted)) {
    done()
    return
  }
  allow(reply, origin)
    .code(204)
    .header('access-control-allow-methods', [...new Set(methods)].join(', '))
    .header('access-control-allow-headers', ALLOWED_HEADERS)
    .header('access-control-max-age', String(MAX_AGE_S))
    .send()
}
