/**
 * Which hosts take mail for a domain, in two steps: the names (cheap, decides the site) and their addresses (only
 * before a dial). A domain that cannot be served is a value with an enhanced code, never an exception.
 * Must never fall back to the domain's own address when the MX question failed: that mail would go astray.
 */
import { isIP } from 'node:net'
import type { Resolver } from '../core/dns.ts'
import type { Random } from '../core/ports.ts'
import { findAddresses } from './addresses.ts'
import type { Ipv6Mode } from './addresses.ts'
import { mxFailure } from './mx-failure.ts'
import type { MxFailure } from './mx-failure.ts'
import { isPrivateAddress } from './private-address.ts'

export type { MxFailure } from './mx-failure.ts'

export interface MxOptions {
  readonly resolver: Resolver
  /** Names under which we take mail ourselves, lower case: never deliver to them or to worse hosts. */
  readonly ownNames: ReadonlySet<string>
  readonly allowPrivateNetworks: boolean
}

export interface HostOptions extends MxOptions {
  readonly random: Random
  readonly ipv6: Ipv6Mode
}

export interface Mx {
  readonly name: string
  readonly preference: number
}

export interface FoundMx {
  readonly kind: 'found'
  /** By preference, then name. Never empty. */
  readonly mx: readonly Mx[]
  /** The domain has no MX and stands for itself, RFC 5321 §5.1. */
  readonly implicit: boolean
  /** DNSSEC vouches for the answer: DANE may be used (RFC 7672 §2.2.1). */
  readonly authentic: boolean
  readonly ttlMs: number
}

export interface Host extends Mx {
  readonly addresses: readonly string[]
  /** DNSSEC vouches for the addresses, RFC 7672 §2.2.2. */
  readonly authentic: boolean
}

export interface FoundHosts {
  readonly kind: 'hosts'
  /** In the order in which they are to be tried; each has an address. Never empty. */
  readonly hosts: readonly Host[]
  readonly implicit: boolean
  /** Of the MX answer. */
  readonly authentic: boolean
}

/** Addresses of one attempt, over all hosts. */
const MAX_ADDRESSES = 5
/** Hosts whose addresses are asked for at the same time, and in all. */
const HOSTS_AT_A_TIME = 5
const MAX_HOSTS = 20

/**
 * The MX names of a domain (lower case A-label, or an address literal as `[192.0.2.1]` and `[IPv6:2001:db8::1]`).
 * RFC 5321 §5.1, RFC 7505. No address is asked for.
 */
export async function findMx(domain: string, options: MxOptions): Promise<FoundMx | MxFailure> {
  const literal = addressLiteral(domain)
  if (literal !== undefined) return standsForItself(literal, Infinity, false, options)
  const answer = await options.resolver.resolve(domain, 'MX')
  switch (answer.kind) {
    case 'failed':
      return mxFailure('dns-temporary', '4.4.3', `MX of ${domain}: ${answer.detail}`, 0)
    case 'nxdomain':
      return mxFailure('dns-permanent', '5.1.2', `${domain} does not exist`, answer.ttlMs)
    case 'nodata':
      return standsForItself(domain, answer.ttlMs, answer.authentic, options)
    case 'found':
      return chooseMx(domain, answer.records, answer, options)
  }
}

/** The hosts of already known MX names, in order, with their addresses. Equal preferences are shuffled each time. */
export async function findHostsOf(
  found: FoundMx,
  options: HostOptions,
): Promise<FoundHosts | MxFailure> {
  const order = byPreference(found.mx, options.random).slice(0, MAX_HOSTS)
  const hosts: Host[] = []
  const failures: MxFailure[] = []
  let room = MAX_ADDRESSES
  for (let at = 0; at < order.length && room > 0; at += HOSTS_AT_A_TIME) {
    const some = order.slice(at, at + HOSTS_AT_A_TIME)
    const answers = await Promise.all(some.map(({ name }) => findAddresses(name, options)))
    for (const [i, answer] of answers.entries()) {
      if (answer.kind === 'failed') failures.push(answer)
      else if (room > 0) {
        const addresses = answer.addresses.slice(0, room)
        hosts.push({ ...some[i]!, addresses, authentic: answer.authentic })
        room -= addresses.length
      }
    }
  }
  if (hosts.length > 0) {
    return { kind: 'hosts', hosts, implicit: found.implicit, authentic: found.authentic }
  }
  return worthTrying(failures, found.implicit)
}

/** Both steps. */
export async function findHosts(
  domain: string,
  options: HostOptions,
): Promise<FoundHosts | MxFailure> {
  const found = await findMx(domain, options)
  return found.kind === 'failed' ? found : findHostsOf(found, options)
}

function chooseMx(
  domain: string,
  records: readonly { readonly preference: number; readonly exchange: string }[],
  { ttlMs, authentic }: { readonly ttlMs: number; readonly authentic: boolean },
  options: MxOptions,
): FoundMx | MxFailure {
  // RFC 7505 §3: a single record with the root as exchange says "no mail here".
  if (records.length === 1 && isRoot(records[0]!.exchange)) {
    return mxFailure('dns-permanent', '5.1.10', `${domain} takes no mail (null MX)`, ttlMs)
  }
  const usable = new Map<string, number>()
  let refused: Refusal | undefined
  for (const { preference, exchange } of records) {
    const refusal = refusalOf(exchange, options)
    if (refusal === undefined) {
      usable.set(exchange, Math.min(preference, usable.get(exchange) ?? preference))
    } else if (refused?.fault !== 'private-target') refused = refusal
  }
  if (usable.size === 0 && refused) {
    const detail = `no usable MX for ${domain}: ${refused.detail}`
    return mxFailure(refused.fault, '5.4.4', detail, ttlMs)
  }
  const all = [...usable].map(([name, preference]) => ({ name, preference }))
  // RFC 5321 §5.1: hosts as good as we are, or worse, would only send the mail back to us.
  const own = Math.min(
    ...all.filter(({ name }) => options.ownNames.has(name)).map(({ preference }) => preference),
  )
  const mx = all
    .filter(({ preference }) => preference < own)
    .sort((a, b) => a.preference - b.preference || (a.name < b.name ? -1 : 1))
  if (mx.length === 0) return loop(domain, ttlMs)
  return { kind: 'found', mx, implicit: false, authentic, ttlMs }
}

function standsForItself(
  name: string,
  ttlMs: number,
  authentic: boolean,
  { ownNames }: MxOptions,
): FoundMx | MxFailure {
  if (ownNames.has(name)) return loop(name, ttlMs)
  return { kind: 'found', mx: [{ name, preference: 0 }], implicit: true, authentic, ttlMs }
}

type Refusal = Pick<MxFailure, 'fault' | 'detail'>

/** Why an exchange cannot be a host for strangers; a closed network may name addresses and `localhost`. */
function refusalOf(exchange: string, { allowPrivateNetworks }: MxOptions): Refusal | undefined {
  if (isRoot(exchange)) return { fault: 'dns-permanent', detail: 'a null MX beside others' }
  const address = isIP(exchange) !== 0
  const local = exchange === 'localhost' || exchange.endsWith('.localhost')
  if (local || (address && isPrivateAddress(exchange))) {
    if (allowPrivateNetworks) return undefined
    return { fault: 'private-target', detail: `${exchange} is inside a private network` }
  }
  // RFC 5321 §5.1: the exchange is a name. What looks like an address is a mistake nobody's resolver mends.
  if (address && !allowPrivateNetworks) {
    return { fault: 'dns-permanent', detail: `${exchange} is an address, not a name` }
  }
  // DNS carries any octets; what reaches lane keys, logs and screens is letters, digits, hyphens and underscores.
  if (!address && !HOST_NAME.test(exchange)) {
    return { fault: 'dns-permanent', detail: 'an exchange that is no host name' }
  }
  return undefined
}

const HOST_NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/

const isRoot = (exchange: string): boolean => exchange === '.' || exchange === ''

/** RFC 5321 §4.1.3: `[192.0.2.1]` or `[IPv6:2001:db8::1]` → the address. */
function addressLiteral(domain: string): string | undefined {
  if (!domain.startsWith('[') || !domain.endsWith(']')) return undefined
  const text = domain.slice(1, -1).replace(/^ipv6:/i, '')
  return isIP(text) === 0 ? undefined : text
}

/** Lower preference first; among equals the order is drawn anew, which spreads the load (RFC 5321 §5.1). */
function byPreference(mx: readonly Mx[], random: Random): readonly Mx[] {
  return mx
    .map((host) => ({ host, draw: random.next() }))
    .sort((a, b) => a.host.preference - b.host.preference || a.draw - b.draw)
    .map(({ host }) => host)
}

/** Of several failures the one that leaves most hope: a later try may find that host. */
function worthTrying(failures: readonly MxFailure[], implicit: boolean): MxFailure {
  const one = (fault: MxFailure['fault']): MxFailure | undefined =>
    failures.find((each) => each.fault === fault)
  const hope = one('dns-temporary') ?? one('unreachable') ?? one('private-target')
  if (hope !== undefined) return hope
  const detail = failures.map((each) => each.detail).join('; ')
  const ttlMs = Math.min(...failures.map((each) => each.ttlMs))
  // No MX and no address: there is no such mail domain. MX without addresses: there is, but no way to it.
  return mxFailure('dns-permanent', implicit ? '5.1.2' : '5.4.4', detail, ttlMs)
}

const loop = (domain: string, ttlMs: number): MxFailure =>
  mxFailure('mx-loop', '5.4.6', `we are the best mail host of ${domain} ourselves`, ttlMs)
