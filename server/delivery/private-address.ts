/**
 * Whether an address leads into a machine or a network of ours, and must not be dialled because a stranger's DNS
 * record or URL says so. Documentation networks (RFC 5737) are not among them: nothing can be there.
 */
import { BlockList, isIP } from 'node:net'

const V4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8], // this network, unspecified
  ['10.0.0.0', 8], // RFC 1918
  ['100.64.0.0', 10], // RFC 6598: carrier-grade NAT
  ['127.0.0.0', 8], // loopback
  ['169.254.0.0', 16], // RFC 3927: link-local, and the metadata services of clouds
  ['168.63.129.16', 32], // a public address, but inside a cloud of Microsoft its host: metadata and certificates
  ['172.16.0.0', 12], // RFC 1918
  ['192.0.0.0', 24], // RFC 6890: protocol assignments
  ['192.88.99.0', 24], // RFC 3056: whoever is the next 6to4 relay; deprecated
  ['192.168.0.0', 16], // RFC 1918
  ['198.18.0.0', 15], // RFC 2544: benchmarks inside a network
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, broadcast
]

const V6: readonly (readonly [string, number])[] = [
  ['::', 96], // unspecified, loopback, and the deprecated IPv4-compatible addresses
  ['64:ff9b:1::', 48], // RFC 8215: NAT64 of the local network, to whatever it likes
  ['100::', 64], // RFC 6666: discard
  // RFC 6890: protocol assignments. Among them Teredo (RFC 4380), whose IPv4 address is obfuscated, benchmarks, and
  // anycast addresses that the nearest router answers.
  ['2001::', 23],
  ['5f00::', 16], // segment routing inside a network
  ['fc00::', 7], // RFC 4193: unique local
  ['fe80::', 10], // link-local
  ['fec0::', 10], // RFC 3879: site-local, deprecated
  ['ff00::', 8], // multicast
]

/** IPv6 prefixes that carry an IPv4 address in their last 32 bits: it counts. */
const EMBEDDING: readonly string[] = [
  '::ffff:', // RFC 4291 §2.5.5.2: IPv4-mapped
  '::ffff:0:', // RFC 2765: IPv4-translated
  '64:ff9b::', // RFC 6052: NAT64
]

const refused = new BlockList()
for (const [net, bits] of V6) refused.addSubnet(net, bits, 'ipv6')
for (const [net, bits] of V4) {
  refused.addSubnet(net, bits, 'ipv4')
  for (const prefix of EMBEDDING) refused.addSubnet(prefix + net, 96 + bits, 'ipv6')
  // RFC 3056: 6to4 has the IPv4 address behind its first 16 bits.
  refused.addSubnet(`2002:${hextets(net)}::`, 16 + bits, 'ipv6')
}

function hextets(ipv4: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number)
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
}

/**
 * True for loopback, private, link-local, unspecified, multicast, carrier-NAT and reserved addresses, IPv4 or IPv6,
 * also inside mapped, NAT64 and 6to4 ones; and for whatever is no plain IP address, so that a mistake of the caller
 * refuses.
 */
export function isPrivateAddress(ip: string): boolean {
  const family = isIP(ip)
  // An address with a zone (fe80::1%eth0) is local by nature.
  if (family === 0 || ip.includes('%')) return true
  return refused.check(ip, family === 4 ? 'ipv4' : 'ipv6')
}
