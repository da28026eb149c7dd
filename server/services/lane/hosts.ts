/** The hosts of a recipient domain as a lane needs them: remembered while DNS says so, with what failed of late. */
import type { Clock } from '../../core/ports.ts'
import { destinationKey } from '../../core/lane.ts'
import type { Destination } from '../../core/lane.ts'
import type { Outcome } from '../../core/outcome.ts'
import { siteOf } from '../../delivery/site.ts'
import type { PolicedHosts } from '../../delivery/mta-sts.ts'
import type { FoundHosts, MxFailure } from '../../delivery/mx.ts'
import type { SessionHost } from '../../delivery/smtp/open-session.ts'

export interface DomainHosts {
  readonly kind: 'hosts'
  /** The same for domains with the same hosts. */
  readonly site: string
  readonly hosts: readonly SessionHost[]
  /** Names a connection may have to serve this domain. */
  readonly names: ReadonlySet<string>
  /** Only over verified TLS: the domain's MTA-STS policy asks for it. */
  readonly mustVerify: boolean
  /** The same for domains with the same hosts and demands: what fails one of them fails all, and no others. */
  readonly fate: string
}

/** The domain's mail belongs to another lane by now. */
export interface Moved {
  readonly kind: 'moved'
}

export interface Hosts {
  /** Known without asking anybody. */
  peek(domain: string): DomainHosts | undefined
  find(domain: string): Promise<DomainHosts | MxFailure | Moved>
}

/** The answers below have TTLs of their own in the resolver's cache; this one saves building lists per delivery. */
const KEEP_MS = 30_000
const MAX_DOMAINS = 10_000

export function makeHosts(deps: {
  destination: Destination
  /** Where the domain's mail goes today. */
  destinationOf: (domain: string) => Promise<Destination | MxFailure>
  findHosts: (domain: string) => Promise<PolicedHosts | MxFailure>
  findAddressesOf: (host: string) => Promise<FoundHosts | MxFailure>
  clock: Clock
}): Hosts {
  const known = new Map<string, { value: DomainHosts; until: number }>()
  const { destination } = deps
  const keyOf = (domain: string): string =>
    destination.kind === 'next-hop' ? destination.host : domain

  function peek(domain: string): DomainHosts | undefined {
    const entry = known.get(keyOf(domain))
    return entry !== undefined && entry.until > deps.clock.now() ? entry.value : undefined
  }
  return {
    peek,
    async find(domain) {
      const have = peek(domain)
      if (have !== undefined) return have
      if (destination.kind === 'mx') {
        const today = await deps.destinationOf(domain)
        if (today.kind === 'failed') return today
        // Over the old lane it would go past the limits of the provider it belongs to now.
        if (destinationKey(today) !== destinationKey(destination)) return { kind: 'moved' }
      }
      const found =
        destination.kind === 'next-hop'
          ? await deps.findAddressesOf(destination.host)
          : await deps.findHosts(domain)
      if (found.kind === 'failed') return found
      const names = found.hosts.map((host) => host.name)
      const site = siteOf(names)
      const mustVerify = 'mustVerify' in found && found.mustVerify
      const value: DomainHosts = {
        kind: 'hosts',
        site,
        hosts: found.hosts,
        names: new Set(names),
        mustVerify,
        fate: mustVerify ? `${site} verified` : site,
      }
      if (known.size >= MAX_DOMAINS) known.clear()
      known.set(keyOf(domain), { value, until: deps.clock.now() + KEEP_MS })
      return value
    },
  }
}

/** A DNS failure as the outcome of an attempt that never dialled. */
export const dnsOutcome = (failure: MxFailure, now: number): Outcome => ({
  kind: 'failed',
  stage: 'dns',
  reply: undefined,
  fault: failure.fault,
  detail: `${failure.status} ${failure.detail}`,
  host: undefined,
  ip: undefined,
  sourceIp: undefined,
  tls: undefined,
  startedAt: now,
  endedAt: now,
  transcript: `! ${failure.status} ${failure.detail}\n`,
})
