/** The cookie of a session: its name, and how it is read. A name that is there twice is no cookie at all. */
import type { FastifyRequest } from 'fastify'

export const SESSION_COOKIE = '__Host-posthorn'

/** The token in the session cookie, when there is exactly one. */
export function sessionTokenOf(request: FastifyRequest): string | undefined {
  const values = (request.headers.cookie ?? '')
    .split(/; */)
    .filter((pair) => pair.startsWith(`${SESSION_COOKIE}=`))
    .map((pair) => pair.slice(SESSION_COOKIE.length + 1))
  return values.length === 1 ? values[0] : undefined
}
