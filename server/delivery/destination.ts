/**
 * Domain → destination: whose hosts take its mail, so which lane it belongs to. Cached as long as the MX answer lives;
 * a known domain costs one Map lookup. Addresses are not asked for here: they are needed only before a dial.
 */
import { makeTtlCache } from '../../dns/cache.ts'
import type { Destination } from '../core/lane.ts'
import type { Clock } from '../core/ports.ts'
import type { Provider } from '../core/provider.ts'
import type { HostFailure } from './host-failure.ts'
import { findMx } from './mx.ts'
import type { FoundMx, MxOptions } from './mx.ts'
import { providerOf, siteOf } from './site.ts'

export interface FoundDestination {
  readonly kind: 'found'
  readonly destination: Extract<Destination, { kind: 'mx' }>
  /** Undefined: known only by its site. */
  readonly provider: Provider | undefined
  /** For `findHostsOf`, before the dial. */
  readonly found: FoundMx
}

export interface DestinationOptions extends MxOptions {
  readonly clock: Clock
  readonly providers: readonly Provider[]
  /** Domains kept. Default 50,000. */
  readonly maxEntries?: number
}

export interface Destinations {
  /** `domain` in lower case, A-label. */
  find(domain: string): Promise<FoundDestination | HostFailure>
  /** After an operator's change, or a refusal that says the MX has moved. */
  forget(domain: string): void
}

/** Bounds for what the answers say. A failure to answer is believed as briefly as the resolver's cache believes it. */
const MIN_TTL_MS = 30_000
const MAX_TTL_MS = 24 * 3_600_000
const MAX_FAILURE_TTL_MS = 15 * 60_000
const UNANSWERED_TTL_MS = 5_000

/** Makes the shared lookup; one for all lanes. */
export function makeDestinations(options: DestinationOptions): Destinations {
  const { clock, providers, maxEntries = 50_000 } = options

  async function load(domain: string): Promise<FoundDestination | HostFailure> {
    const found = await findMx(domain, options)
    if (found.kind === 'failed') return found
    const names = found.mx.map(({ name }) => name)
    const provider = providerOf(names, domain, providers)
    const destination = { kind: 'mx', provider: provider?.name, site: siteOf(names) } as const
    return { kind: 'found', destination, provider, found }
  }

  const cache = makeTtlCache({ clock, maxEntries, load, ttlOf })
  return { find: (domain) => cache.get(domain), forget: (domain) => cache.forget(domain) }
}

function ttlOf(result: FoundDestination | HostFailure): number {
  if (result.kind === 'found') return clamp(result.found.ttlMs, MAX_TTL_MS)
  if (result.fault === 'dns-temporary') return UNANSWERED_TTL_MS
  return clamp(result.ttlMs, MAX_FAILURE_TTL_MS)
}

const clamp = (ttlMs: number, most: number): number => Math.min(Math.max(ttlMs, MIN_TTL_MS), most)
