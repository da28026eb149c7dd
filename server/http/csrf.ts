/**
 * Refuses what another site makes a person's browser send. Three fences, each enough by itself: the request comes from
 * a page of this very origin, it is of a type that a form cannot send, and it carries the session's token, which only
 * such a page can have read. SameSite=Strict of the cookies is a fourth, in the browser.
 */
import { timingSafeEqual } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { AppError } from '../core/errors.ts'
import { isLoopback } from '../core/network.ts'

export const CSRF_HEADER = 'posthorn-csrf'

const SAFE = ['GET', 'HEAD', 'OPTIONS']
/** What routes take and no form can send (Fetch standard, CORS-safelisted Content-Type). */
const NO_FORM = ['application/json', 'message/rfc822']

export interface CrossSiteRules {
  /** `http.publicUrl`, when it is set: then no other name of the server counts, but for loopback. */
  readonly publicUrl: string | undefined
  /** What the session's requests must carry; undefined before there is a session, as at sign-in. */
  readonly csrfToken: string | undefined
}

/**
 * For requests with a cookie, and those that ask for one. Throws ORIGIN_FORBIDDEN for an unsafe request of another
 * site, and CONTENT_TYPE_UNSUPPORTED for a body of another type than routes take.
 */
export function refuseCrossSite(request: FastifyRequest, rules: CrossSiteRules): void {
  if (SAFE.includes(request.method)) return
  if (!isSameOrigin(request, rules.publicUrl)) throw new AppError('ORIGIN_FORBIDDEN')
  if (hasBody(request) && !NO_FORM.includes(request.mediaType ?? ''))
    throw new AppError('CONTENT_TYPE_UNSUPPORTED')
  if (rules.csrfToken !== undefined && !isToken(request.headers[CSRF_HEADER], rules.csrfToken))
    throw new AppError('ORIGIN_FORBIDDEN', {
      public: 'The header Posthorn-Csrf with the token of GET /v1/session is missing or wrong.',
    })
}

function isSameOrigin(request: FastifyRequest, publicUrl: string | undefined): boolean {
  const { origin } = request.headers
  const site = request.headers['sec-fetch-site']
  // What the browser says of where it comes from; a page cannot set it.
  if (site !== undefined && site !== 'same-origin') return false
  if (origin === undefined) return site === 'same-origin'
  const own = ownOrigin(request)
  if (publicUrl === undefined) return origin === own?.origin
  // Through a tunnel to the machine itself the server goes by another name.
  return origin === publicUrl || (own !== undefined && isLocal(own) && origin === own.origin)
}

/** How the client reached us, as far as trusted proxies tell; undefined when the Host header is no host. */
function ownOrigin({ protocol, host }: FastifyRequest): URL | undefined {
  const text = `${protocol}://${host}`
  return URL.canParse(text) ? new URL(text) : undefined
}

const isLocal = ({ hostname }: URL): boolean =>
  hostname === 'localhost' || isLoopback(hostname.replace(/^\[|\]$/g, ''))

const hasBody = ({ headers }: FastifyRequest): boolean =>
  headers['content-type'] !== undefined ||
  headers['transfer-encoding'] !== undefined ||
  Number(headers['content-length'] ?? 0) > 0

function isToken(given: string | string[] | undefined, token: string): boolean {
  if (typeof given !== 'string') return false
  const bytes = Buffer.from(given)
  const expected = Buffer.from(token)
  return bytes.length === expected.length && timingSafeEqual(bytes, expected)
}
