/**
 * The addresses of one mail host that may be dialled. Must never hand out an address inside a private network unless
 * the configuration allows it.
 */
import { isIP } from 'node:net'
import type { DnsAnswer, Resolver } from '../core/dns.ts'
import type { Random } from '../core/ports.ts'
import { mxFailure } from './mx-failure.ts'
import type { MxFailure } from './mx-failure.ts'
import { isPrivateAddress } from './private-address.ts'

/**
 * `off` IPv4 only (default) · `prefer` IPv6 first, then IPv4 · `fallback` IPv4 first, then IPv6. Off by default,
 * because large providers ask more of IPv6 senders (PTR, SPF or DKIM on every mail) and a source may have no IPv6.
 */
export type Ipv6Mode = 'off' | 'prefer' | 'fallback'

export interface AddressOptions {
  readonly resolver: Resolver
  readonly random: Random
  readonly allowPrivateNetworks: boolean
  readonly ipv6: Ipv6Mode
}

export interface FoundAddresses {
  readonly kind: 'found'
  /** At most 5, never empty. */
  readonly addresses: readonly string[]
  /** DNSSEC vouches for all of them. */
  readonly authentic: boolean
  readonly ttlMs: number
}

const MAX_ADDRESSES = 5
/** Of these, kept for the second family when there is one, so that a host is not given up for a broken network. */
const SECOND_FAMILY = 2

/**
 * Looks up a mail host's name (aliases are followed, although RFC 5321 §5.1 forbids them) or takes an address as it is.
 * A host that has only IPv6 while it is off is `unreachable` with 4.4.4, temporary: an operator can mend that. When one
 * family cannot be looked up and the other is there, the other is used.
 */
export async function findAddresses(
  host: string,
  options: AddressOptions,
): Promise<FoundAddresses | MxFailure> {
  if (isIP(host) !== 0) return dialable(host, [host], { authentic: false, ttlMs: 0 }, options)
  // RFC 6761 §6.3: localhost is this machine, whatever a name server says.
  if (host === 'localhost') return findAddresses('127.0.0.1', options)
  const { resolver, ipv6 } = options
  if (ipv6 === 'off') {
    const v4 = await resolver.resolve(host, 'A')
    if (v4.kind !== 'nodata') return judge(host, [v4], options)
    const v6 = await resolver.resolve(host, 'AAAA')
    if (v6.kind !== 'found') return judge(host, [v4, v6], options)
    const detail = `${host} has only IPv6 addresses, and sending over IPv6 is off`
    return mxFailure('unreachable', '4.4.4', detail, v4.ttlMs)
  }
  const [v4, v6] = await Promise.all([resolver.resolve(host, 'A'), resolver.resolve(host, 'AAAA')])
  return judge(host, ipv6 === 'prefer' ? [v6, v4] : [v4, v6], options)
}

/** The answers in the order in which their addresses are to be tried. */
function judge(
  host: string,
  answers: readonly DnsAnswer<string>[],
  options: AddressOptions,
): FoundAddresses | MxFailure {
  const found = answers.filter((answer) => answer.kind === 'found')
  if (found.length > 0) {
    const [first = [], second = []] = found.map(({ records }) => shuffled(records, options.random))
    const reserved = Math.min(second.length, SECOND_FAMILY)
    const addresses = [...first.slice(0, MAX_ADDRESSES - reserved), ...second]
    const facts = {
      authentic: found.every(({ authentic }) => authentic),
      ttlMs: Math.min(...found.map(({ ttlMs }) => ttlMs)),
    }
    return dialable(host, addresses, facts, options)
  }
  const failed = answers.find((answer) => answer.kind === 'failed')
  if (failed) {
    const detail = `address of ${host}: ${failed.detail}`
    return mxFailure('dns-temporary', '4.4.3', detail, 0)
  }
  const ttlMs = Math.min(...answers.map((answer) => (answer.kind === 'failed' ? 0 : answer.ttlMs)))
  const missing = answers.some((answer) => answer.kind === 'nxdomain')
  const detail = missing ? `${host} does not exist` : `${host} has no address`
  return mxFailure('dns-permanent', '5.4.4', detail, ttlMs)
}

function dialable(
  host: string,
  candidates: readonly string[],
  facts: { readonly authentic: boolean; readonly ttlMs: number },
  { allowPrivateNetworks }: AddressOptions,
): FoundAddresses | MxFailure {
  const allowed = allowPrivateNetworks
    ? candidates
    : candidates.filter((address) => !isPrivateAddress(address))
  if (allowed.length > 0) {
    return { kind: 'found', addresses: allowed.slice(0, MAX_ADDRESSES), ...facts }
  }
  const detail = `${host} is ${candidates.join(', ')}, inside a private network`
  return mxFailure('private-target', '5.4.4', detail, facts.ttlMs)
}

/** The cache freezes the order in which a name server would have rotated the addresses; this stands in for it. */
function shuffled(addresses: readonly string[], random: Random): readonly string[] {
  if (addresses.length < 2) return addresses
  return addresses
    .map((address) => ({ address, draw: random.next() }))
    .sort((a, b) => a.draw - b.draw)
    .map(({ address }) => address)
}
