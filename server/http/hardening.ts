/**
 * The security headers of every answer, as helmet sets them, strict by default: an answer of the API may load nothing
 * and be framed by nobody; a page names what it needs with `pagePolicy`. helmet is asked once and its answer is reused:
 * asking it for every request would cost a third of a small answer.
 */
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { fastifyHelmet as helmet } from '@fastify/helmet'
import fastify from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Name → value. */
export type SecurityHeaders = Readonly<Record<string, string>>

type Directives = Readonly<Record<string, readonly string[]>>

/** What no page needs either: no document of ours has a base, posts a form, or is framed. */
const STRICT: Directives = {
  defaultSrc: ["'none'"],
  baseUri: ["'none'"],
  formAction: ["'none'"],
  frameAncestors: ["'none'"],
}
/** Of this host alone: what else runs below its domain is not ours to force. A year, as preload lists ask for. */
const HSTS = 'max-age=31536000'
/** Not among helmet's. Passkeys need publickey-credentials-*, which are allowed to the page itself by default. */
const PERMISSIONS =
  'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), serial=(), usb=()'
/** What says something about the one answer it was read from. */
const OF_ANSWER = ['connection', 'content-length', 'content-type', 'date']

/** Made once, before the app. */
export async function securityHeaders(): Promise<SecurityHeaders> {
  const scratch = fastify({ logger: false })
  await scratch.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: listed(STRICT) },
    crossOriginEmbedderPolicy: { policy: 'require-corp' },
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
    // Depends on the request, see below.
    strictTransportSecurity: false,
    // For browsers that are gone, or nothing that ours would do otherwise.
    originAgentCluster: false,
    xDnsPrefetchControl: false,
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  })
  scratch.get('/', (_request, reply) => reply.send(''))
  const { headers } = await scratch.inject('/')
  await scratch.close()
  const own = Object.entries(headers).flatMap(([name, value]) =>
    typeof value === 'string' && !OF_ANSWER.includes(name) ? [[name, value] as const] : [],
  )
  return {
    ...Object.fromEntries(own),
    'permissions-policy': PERMISSIONS,
    // What is asked with a key or a session belongs into no cache; pages and files say otherwise.
    'cache-control': 'no-store',
  }
}

/** Call first of all, so that an answer of any later hook has the headers, too. */
export function installHardening(app: FastifyInstance, headers: SecurityHeaders): void {
  app.addHook('onRequest', (request, reply, done) => {
    harden(request, reply, headers)
    done()
  })
}

/** For answers that no hook sees: fastify's refusals of a URL it cannot read. */
export function harden(
  request: FastifyRequest,
  reply: FastifyReply,
  headers: SecurityHeaders,
): void {
  reply.headers(headers)
  // RFC 6797 §7.2: not over plain HTTP. Behind a proxy only a trusted one can say that it was TLS.
  if (request.protocol === 'https') reply.header('strict-transport-security', HSTS)
}

/** Sources as CSP writes them: `'self'`, `'sha256-…'`, `data:`, an origin. Missing: none. */
export interface PageSources {
  readonly scripts?: readonly string[]
  readonly styles?: readonly string[]
  readonly connect?: readonly string[]
  readonly img?: readonly string[]
  readonly fonts?: readonly string[]
}

/**
 * The content-security-policy of one page; set it as a header of its answer. Throws for a source that would end its
 * directive.
 */
export function pagePolicy({ scripts, styles, connect, img, fonts }: PageSources): string {
  const sources = { scriptSrc: scripts, styleSrc: styles, connectSrc: connect, imgSrc: img }
  const directives = Object.entries({ ...sources, fontSrc: fonts }).flatMap(([name, list]) =>
    list === undefined || list.length === 0 ? [] : [[name, list] as const],
  )
  const { defaultSrc, ...rest } = STRICT
  return policyText({ defaultSrc: defaultSrc ?? [], ...Object.fromEntries(directives), ...rest })
}

/** helmet's wording, which it writes to a response that goes nowhere. */
function policyText(directives: Directives): string {
  const request = new IncomingMessage(new Socket())
  const response = new ServerResponse(request)
  const write = helmet.contentSecurityPolicy({ useDefaults: false, directives: listed(directives) })
  write(request, response, (fault?: Error) => {
    if (fault !== undefined) throw fault
  })
  return String(response.getHeader('content-security-policy'))
}

const listed = (directives: Directives): Record<string, string[]> =>
  Object.fromEntries(Object.entries(directives).map(([name, sources]) => [name, [...sources]]))
