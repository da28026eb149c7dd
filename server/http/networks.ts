/** Whether a request comes from the machine itself or a network of the operator's. */
import type { FastifyRequest } from 'fastify'
import { isLoopback, networkTest } from '../core/network.ts'

/**
 * A test for requests from loopback or one of `networks` (`10.0.0.0/8`, single addresses). A request that a proxy
 * passed on counts as the proxy's client; when the proxy is not a trusted one, as a stranger.
 */
export function insiderTest(networks: readonly string[]): (request: FastifyRequest) => boolean {
  const isNamed = networkTest(networks)
  return (request) => {
    const { headers } = request
    const isForwarded =
      headers['x-forwarded-for'] !== undefined ||
      headers['forwarded'] !== undefined ||
      headers['x-real-ip'] !== undefined
    // `ips` is there only when proxies are trusted at all, and its last one is the peer itself.
    if (isForwarded && (request.ips?.length ?? 0) < 2) return false
    return isLoopback(request.ip) || isNamed(request.ip)
  }
}
