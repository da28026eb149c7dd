/** Which addresses count as one network when failures are counted and habits are learnt. Pure. */
import { SocketAddress, isIP } from 'node:net'
import { clientKey, plainAddress } from '../core/network.ts'

/**
 * One way to write each address: `::FFFF:C000:0201` and `::ffff:192.0.2.1` are `192.0.2.1`, IPv6 is lower case and
 * short, without a zone. Undefined for what is no address.
 */
export function canonicalAddress(ip: string): string | undefined {
  const plain = plainAddress(ip)
  const family = isIP(plain)
  if (family === 0) return undefined
  if (family === 4) return plain
  return plainAddress(new SocketAddress({ address: plain, family: 'ipv6' }).address)
}

/**
 * `192.0.2.7` → `192.0.2.0/24`, `2001:db8:1:2::3` → `2001:db8:1::/48`: what one provider gives to one site. A text that
 * is no address is a network of its own.
 */
export function networkOf(ip: string): string {
  const address = canonicalAddress(ip)
  if (address === undefined) return ip
  if (!address.includes(':')) return `${address.slice(0, address.lastIndexOf('.'))}.0/24`
  return `${clientKey(address).split(':').slice(0, 3).join(':')}::/48`
}
