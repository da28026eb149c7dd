/** The limits in force on a lane: the provider table, replaced or tightened by what operators set. */
import type { SourceId } from '../core/ids.ts'
import { destinationKey } from '../core/lane.ts'
import type { Destination, LaneLimits } from '../core/lane.ts'
import type { Limits, Provider } from '../core/provider.ts'
import { BUILT_IN_PROVIDERS, explainLimits, laneLimits } from '../policy/shape.ts'
import type { ExplainedLimits, LimitFacts, LimitOverride } from '../policy/shape.ts'
import type { CatalogSnapshot } from '../store/catalog.ts'

export interface LaneFacts {
  readonly source: SourceId
  readonly destination: Destination
}

export const effectiveLimits = (snapshot: CatalogSnapshot, lane: LaneFacts): LaneLimits =>
  laneLimits(factsOf(snapshot, lane))

/** Each number with who set it. */
export const explainedLimits = (snapshot: CatalogSnapshot, lane: LaneFacts): ExplainedLimits =>
  explainLimits(factsOf(snapshot, lane))

function factsOf(snapshot: CatalogSnapshot, lane: LaneFacts): LimitFacts {
  const { destination } = lane
  const key = destinationKey(destination)
  const own = limitsAt(snapshot, 'destination', key)
  const builtIn =
    destination.kind === 'mx'
      ? BUILT_IN_PROVIDERS.find((provider) => provider.name === destination.provider)
      : undefined
  const overrides: LimitOverride[] = []
  const general = limitsAt(snapshot, 'destination', 'default')
  if (general !== undefined)
    overrides.push({ scope: 'default', limits: general, from: 'operator: default' })
  const source = limitsAt(snapshot, 'source', String(lane.source))
  if (source !== undefined)
    overrides.push({ scope: 'source', limits: source, from: `operator: source ${lane.source}` })
  return { provider: merged(builtIn, own, key), overrides }
}

/** An operator's own numbers take the place of the table's, so that they can allow more as well as less. */
function merged(
  builtIn: Provider | undefined,
  own: Limits | undefined,
  key: string,
): Provider | undefined {
  if (own === undefined) return builtIn
  return {
    name: builtIn?.name ?? key,
    title: builtIn?.title ?? key,
    mxSuffixes: [],
    mxHosts: [],
    domains: [],
    limits: { ...builtIn?.limits, ...own },
    source: 'operator',
    since: '',
  }
}

function limitsAt(
  snapshot: CatalogSnapshot,
  scope: 'destination' | 'source',
  key: string,
): Limits | undefined {
  const record = snapshot.limits.get(`${scope}/${key}`)
  // Written by the limits command from a checked Limits.
  return record === undefined ? undefined : (JSON.parse(record.limits) as Limits)
}
