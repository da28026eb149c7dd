/**
 * Which way a delivery goes: the first route that fits names a pool or a next hop, and the pool's sources are chosen by
 * weighted rendezvous hashing. Must stay stable: the same delivery keeps its source while that is usable, because
 * greylisting servers remember it.
 */
import type { PoolId, RouteId, SourceId, TenantId } from '../core/ids.ts'
import type { NextHop } from '../core/lane.ts'
import type { Stream } from '../core/work.ts'

/** Conditions that must all hold; an absent one holds always. */
export interface RouteMatch {
  readonly tenant?: TenantId | undefined
  readonly stream?: Stream | undefined
  /** The message carries this tag. */
  readonly tag?: string | undefined
  /** `example.com`, or `*.example.com` for every name below it; lower case A-labels. */
  readonly senderDomain?: string | undefined
  readonly recipientDomain?: string | undefined
  readonly provider?: string | undefined
}

export type RouteTarget =
  { readonly kind: 'pool'; readonly pool: PoolId } | ({ readonly kind: 'next-hop' } & NextHop)

export interface Route {
  readonly id: RouteId
  /** Lower is asked first; equal positions by id. */
  readonly position: number
  readonly match: RouteMatch
  readonly target: RouteTarget
}

export interface RouteFacts {
  readonly tenant: TenantId
  readonly stream: Stream
  readonly tags?: readonly string[] | undefined
  /** Of the From header; lower case A-label. */
  readonly senderDomain: string
  readonly recipientDomain: string
  readonly provider?: string | undefined
}

const fits = <T>(wanted: T | undefined, actual: T | undefined): boolean =>
  wanted === undefined || wanted === actual

const domainFits = (wanted: string | undefined, actual: string): boolean =>
  fits(wanted, actual) || (wanted?.startsWith('*.') === true && actual.endsWith(wanted.slice(1)))

const matches = (match: RouteMatch, facts: RouteFacts): boolean =>
  fits(match.tenant, facts.tenant) &&
  fits(match.stream, facts.stream) &&
  fits(match.provider, facts.provider) &&
  (match.tag === undefined || facts.tags?.includes(match.tag) === true) &&
  domainFits(match.senderDomain, facts.senderDomain) &&
  domainFits(match.recipientDomain, facts.recipientDomain)

/** The fitting route with the lowest position, whatever the order of the list; undefined: no way out. */
export function chooseRoute<R extends Route>(
  routes: readonly R[],
  facts: RouteFacts,
): R | undefined {
  let chosen: R | undefined
  for (const route of routes) {
    if (chosen !== undefined && !isBefore(route, chosen)) continue
    if (matches(route.match, facts)) chosen = route
  }
  return chosen
}

const isBefore = (a: Route, b: Route): boolean =>
  a.position < b.position || (a.position === b.position && a.id < b.id)

/** `unhealthy` by what the lanes report, `suspended` by a person or an incident; neither gets mail. */
export type SourceState = 'active' | 'unhealthy' | 'suspended'

export interface PoolSource {
  readonly source: SourceId
  /** Share of the pool relative to the others; 0 takes it out. */
  readonly weight: number
  readonly state: SourceState
}

/**
 * The source for a delivery. The same key finds the same source; a source that leaves moves only its own deliveries,
 * one that comes or grows only takes. Undefined: no source is usable now.
 */
export function chooseSource(
  sources: readonly PoolSource[],
  { stickyKey }: { readonly stickyKey: number | string },
): SourceId | undefined {
  const key = keyHash(stickyKey)
  let best: SourceId | undefined
  let lowest = Infinity
  for (const { source, weight, state } of sources) {
    if (state !== 'active' || !(weight > 0)) continue
    // An exponential variate with rate `weight`: the smallest of them is each source's with probability ∝ weight.
    const draw = -Math.log(uniform(key, source)) / weight
    if (draw < lowest) {
      lowest = draw
      best = source
    }
  }
  return best
}

/** Finaliser of MurmurHash3: every bit of the input moves half of the output's. */
function mix(value: number): number {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Ids go beyond 32 bits, so both halves take part. */
const numberHash = (value: number): number => mix(mix(value) ^ Math.floor(value / 2 ** 32))

function keyHash(key: number | string): number {
  if (typeof key === 'number') return numberHash(key)
  let hash = 0
  for (let i = 0; i < key.length; i++) hash = mix(hash ^ key.charCodeAt(i))
  return hash
}

/** In (0, 1), from the pair. */
const uniform = (key: number, source: SourceId): number =>
  (mix(key ^ numberHash(source)) + 0.5) / 2 ** 32
