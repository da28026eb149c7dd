/**
 * How hard a lane may push: what is known of the provider, tightened by whoever has a reason to (an operator, the
 * adaptive controller, a warm-up plan). Pure; keeps no state and never looks at the clock: whoever made an override
 * leaves it out once it has expired.
 */
import type { LaneLimits } from '../core/lane.ts'
import type { Limits, Provider } from '../core/provider.ts'
import table from './shape.providers.json' with { type: 'json' }

export interface LimitOverride {
  /** `default` stands in for the built-in default; the others tighten. */
  readonly scope: 'default' | 'provider' | 'source' | 'lane'
  readonly limits: Limits
  /** Who set it and why, for people: `operator anna`, `451 4.7.650 at 10:42`. */
  readonly from: string
}

export interface LimitFacts {
  /** With an operator's own numbers already in it: to allow a provider more than the table says, hand in an edited one. */
  readonly provider: Provider | undefined
  readonly overrides: readonly LimitOverride[]
}

export interface Explained<T> {
  readonly value: T
  readonly from: string
}

export interface ExplainedLimits {
  readonly connections: Explained<number>
  readonly messagesPerConnection: Explained<number>
  /** Undefined: nobody limits it. */
  readonly rate: Explained<Rate> | undefined
  readonly tls: Explained<LaneLimits['tls']>
}

type Rate = NonNullable<LaneLimits['rate']>

const TLS_MODES = ['required', 'opportunistic', 'off'] as const

/** Providers that are known without anybody's doing, in the order in which they are matched. */
export const BUILT_IN_PROVIDERS: readonly Provider[] = table.providers.map((provider) => ({
  ...provider,
  limits: limitsOf(provider.limits),
}))

/** What is done with a host of which nothing is known. */
export const DEFAULT_LIMITS = {
  connections: table.default.limits.connections,
  messagesPerConnection: table.default.limits.messagesPerConnection,
  tls: 'opportunistic',
} as const satisfies Limits

/**
 * The limits in force. Every number is the tightest of those that apply; the default applies only where nothing is
 * known of the provider.
 */
export function laneLimits(facts: LimitFacts): LaneLimits {
  const { connections, messagesPerConnection, rate, tls } = explainLimits(facts)
  return {
    connections: connections.value,
    messagesPerConnection: messagesPerConnection.value,
    rate: rate?.value,
    tls: tls.value,
  }
}

/** The same, each with where it comes from. */
export function explainLimits(facts: LimitFacts): ExplainedLimits {
  const connections = candidates(facts, (limits) => limits.connections)
  const perConnection = candidates(facts, (limits) => limits.messagesPerConnection)
  const rates = candidates(facts, (limits) => limits.rate)
  const builtIn = 'built-in default'
  return {
    connections: atLeastOne(
      tightest(connections, (value) => value) ?? {
        value: DEFAULT_LIMITS.connections,
        from: builtIn,
      },
    ),
    messagesPerConnection: atLeastOne(
      tightest(perConnection, (value) => value) ?? {
        value: DEFAULT_LIMITS.messagesPerConnection,
        from: builtIn,
      },
    ),
    rate: tightest(rates, ({ messages, perMs }) => messages / perMs),
    tls: strictest(candidates(facts, (limits) => limits.tls)) ?? {
      value: DEFAULT_LIMITS.tls,
      from: builtIn,
    },
  }
}

/** Whoever has a word on a field, from the general to the narrow. */
function candidates<T>(
  { provider, overrides }: LimitFacts,
  field: (limits: Limits) => T | undefined,
): readonly Explained<T>[] {
  const of = (scope: LimitOverride['scope']): Explained<T>[] =>
    overrides.flatMap((override) => {
      const value = override.scope === scope ? field(override.limits) : undefined
      return value === undefined ? [] : [{ value, from: override.from }]
    })
  const known = provider && field(provider.limits)
  const base =
    provider === undefined || known === undefined
      ? of('default')
      : [{ value: known, from: `provider ${provider.name} (${provider.source})` }]
  return [...base, ...of('provider'), ...of('source'), ...of('lane')]
}

/** The smallest; of equal ones the most general, which is the one that would still be there without the others. */
function tightest<T>(
  all: readonly Explained<T>[],
  measure: (value: T) => number,
): Explained<T> | undefined {
  let least: Explained<T> | undefined
  for (const each of all) {
    if (least === undefined || measure(each.value) < measure(least.value)) least = each
  }
  return least
}

/** `required` cannot be talked down; between `opportunistic` and `off` the narrowest word counts. */
const strictest = (
  all: readonly Explained<LaneLimits['tls']>[],
): Explained<LaneLimits['tls']> | undefined =>
  all.find(({ value }) => value === 'required') ?? all.at(-1)

/** A limit slows a lane down; stopping one is a suspension, which has an end and a reason. */
const atLeastOne = ({ value, from }: Explained<number>): Explained<number> => ({
  value: Math.max(1, Math.floor(value)),
  from,
})

/** The table's limits, in which the compiler sees `tls` as any text. */
function limitsOf(limits: Omit<Limits, 'tls'> & { readonly tls?: string | undefined }): Limits {
  return { ...limits, tls: TLS_MODES.find((mode) => mode === limits.tls) }
}
