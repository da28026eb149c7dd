/** Whether a request comes from the machine itself or a network of the operator's. */
import { BlockList, isIPv4, isIPv6 } from 'node:net'
import type { FastifyRequest } from 'fastify'

const LOOPBACK = ['127.0.0.0/8', '::1/128']

/**
 * A test for requests from loopback or one of `networks` (`10.0.0.0/8`, single addresses). A request that a proxy
 * passed on counts as the proxy's client; when the proxy is not a trusted one, as a stranger.
 */
export function insiderTest(networks: readonly string[]): (request: FastifyRequest) => boolean {
  const list = new BlockList()
  for (const network of [...LOOPBACK, ...networks]) {
    const [address = '', bits] = network.split('/')
    const family = isIPv4(address) ? 'ipv4' : 'ipv6'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return (request) => {
    const { headers } = request
    const isForwarded =
      headers['x-forwarded-for'] !== undefined ||
      headers['forwarded'] !== undefined ||
      headers['x-real-ip'] !== undefined
    // `ips` is there only when proxies are trusted at all, and its last one is the peer itself.
    if (isForwarded && (request.ips?.length ?? 0) < 2) return false
    const ip = request.ip.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '')
    if (isIPv4(ip)) return list.check(ip, 'ipv4')
    return isIPv6(ip) && list.check(ip, 'ipv6')
  }
}
