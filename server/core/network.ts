/** Addresses of clients: in which networks they lie, and what counts as one client. Pure; asks no DNS. */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import { AppError } from './errors.ts'

/** The dual-stack form `::ffff:192.0.2.1` becomes `192.0.2.1`; zone ids are dropped. */
export function plainAddress(address: string): string {
  const lower = address.toLowerCase()
  const plain = lower.startsWith('::ffff:') ? lower.slice(7) : lower
  if (isIPv4(plain)) return plain
  const zone = lower.indexOf('%')
  return zone < 0 ? lower : lower.slice(0, zone)
}

export type NetworkTest = (address: string) => boolean

/**
 * A test for membership in any of the networks (`192.0.2.0/24`, `2001:db8::/32`, single addresses).
 * Throws CONFIG_INVALID on a network that is none.
 */
export function networkTest(networks: readonly string[]): NetworkTest {
  if (networks.length === 0) return () => false
  const list = new BlockList()
  for (const network of networks) addNetwork(list, network)
  return (address) => {
    const plain = plainAddress(address)
    if (isIPv4(plain)) return list.check(plain, 'ipv4')
    return isIPv6(plain) && list.check(plain, 'ipv6')
  }
}

function addNetwork(list: BlockList, network: string): void {
  const slash = network.indexOf('/')
  const address = plainAddress(slash < 0 ? network : network.slice(0, slash))
  const family = isIP(address)
  const most = family === 4 ? 32 : 128
  const bits = slash < 0 ? String(most) : network.slice(slash + 1)
  if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > most)
    throw new AppError('CONFIG_INVALID', { public: `${network} is not an address or a network.` })
  list.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6')
}

/** Asked several times per connection, hence not a BlockList. */
export const isLoopback: NetworkTest = (address) => {
  const plain = plainAddress(address)
  return plain === '::1' || (plain.startsWith('127.') && isIPv4(plain))
}

/**
 * What limits per client count by: the address, and for IPv6 the /64, since whoever has one address there has all.
 * `2001:db8::1` → `2001:db8:0:0`.
 */
export function clientKey(address: string): string {
  const plain = plainAddress(address)
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::')
  const front = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const back = tail === '' ? [] : tail.split(':')
    // An embedded IPv4 address at the end stands for two groups.
    const groups = front.length + back.length + (plain.includes('.') ? 1 : 0)
    for (let i = groups; i < 8; i++) front.push('0')
    front.push(...back)
  }
  return front
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')
}
