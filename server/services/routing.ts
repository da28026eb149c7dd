/**
 * Finds the lane of a delivery: domain → MX → site and provider; route → pool → source. What is known answers at
 * once (`peek`, on the accept path, no DNS); the rest is found by the router's job after the acknowledgement.
 */
import type { LaneId, SourceId, TenantId } from '../core/ids.ts'
import { asId } from '../core/ids.ts'
import { destinationKey } from '../core/lane.ts'
import type { Destination, NextHop } from '../core/lane.ts'
import type { Clock } from '../core/ports.ts'
import type { Stream } from '../core/work.ts'
import type { FoundMx, MxFailure } from '../delivery/mx.ts'
import { providerOf, siteOf } from '../delivery/site.ts'
import { chooseRoute, chooseSource } from '../policy/route.ts'
import type { PoolSource, Route, RouteMatch } from '../policy/route.ts'
import { BUILT_IN_PROVIDERS } from '../policy/shape.ts'
import type { CatalogSnapshot, LaneRecord, PoolRecord } from '../store/catalog.ts'
import { ensureLane, loadLanes } from '../store/lanes.ts'
import type { Store } from '../store/open.ts'
import type { Catalog } from './catalog.ts'

export interface RoutingFacts {
  readonly tenant: TenantId
  readonly stream: Stream
  readonly tags: readonly string[]
  readonly senderDomain: string
  readonly recipient: string
  readonly recipientDomain: string
}

export interface NamedRoute extends Route {
  readonly name: string
}

export type Routed =
  | { readonly kind: 'lane'; readonly lane: LaneId }
  | { readonly kind: 'failed'; readonly failure: MxFailure }
  /** No route matches, or its pool has no source in service. */
  | { readonly kind: 'no-route'; readonly detail: string }

export interface Routing {
  /** The lane when everything about it is known already; no I/O. */
  peek(facts: RoutingFacts): LaneId | undefined
  /** Asks DNS and makes the lane's row when needed. */
  find(facts: RoutingFacts): Promise<Routed>
  /** Where the domain's mail goes today. */
  destinationOf(domain: string): Promise<Destination | MxFailure>
  lane(id: LaneId): Promise<LaneRecord | undefined>
  /** The route that would match, for `explain`. */
  routeOf(facts: RoutingFacts, provider: string | undefined): NamedRoute | undefined
}

/** A site is believed this long at most, whatever the TTL, so that `peek` follows a moved domain. */
const MAX_BELIEF_MS = 15 * 60_000
const MAX_DOMAINS = 200_000

interface Known {
  readonly destination: Extract<Destination, { kind: 'mx' }>
  readonly until: number
}

export function makeRouting(deps: {
  store: Store
  catalog: Catalog
  clock: Clock
  findMx: (domain: string) => Promise<FoundMx | MxFailure>
}): Promise<Routing> {
  return loadLanes(deps.store).then((lanes) => routingOver(lanes, deps))
}

function routingOver(
  known: readonly LaneRecord[],
  { store, catalog, clock, findMx }: Parameters<typeof makeRouting>[0],
): Routing {
  const domains = new Map<string, Known>()
  const byKey = new Map<string, LaneId>()
  const byId = new Map<LaneId, LaneRecord>()
  let routes = routesOf(catalog.current)
  catalog.onChange((snapshot) => {
    routes = routesOf(snapshot)
  })

  function remember(lane: LaneRecord): void {
    byKey.set(`${lane.source}/${lane.destination}`, lane.id)
    byId.set(lane.id, lane)
  }
  known.forEach(remember)

  async function laneFor(source: SourceId, destination: Destination): Promise<LaneId> {
    const key = destinationKey(destination)
    const have = byKey.get(`${source}/${key}`)
    if (have !== undefined) return have
    const id = await ensureLane(store, { source, destination }, clock.now())
    remember({ id, source, destination: key, target: destination })
    return id
  }

  async function destinationOf(domain: string): Promise<Known['destination'] | MxFailure> {
    const have = domains.get(domain)
    if (have !== undefined && have.until > clock.now()) return have.destination
    const found = await findMx(domain)
    if (found.kind === 'failed') return found
    const names = found.mx.map((host) => host.name)
    const destination = {
      kind: 'mx' as const,
      provider: providerOf(names, domain, BUILT_IN_PROVIDERS)?.name,
      site: siteOf(names),
    }
    if (domains.size >= MAX_DOMAINS) domains.clear()
    domains.set(domain, { destination, until: clock.now() + Math.min(found.ttlMs, MAX_BELIEF_MS) })
    return destination
  }

  /** Route and source; needs the provider only when a route asks for it. */
  function choose(facts: RoutingFacts, provider: string | undefined): Choice {
    const route = chooseRoute(routes, { ...facts, provider })
    if (route === undefined) return { kind: 'none', detail: 'No route matches.' }
    const { target } = route
    const pool = target.kind === 'pool' ? catalog.current.pools.get(target.pool) : undefined
    if (target.kind === 'next-hop')
      return { kind: 'next-hop', source: anySource(catalog.current), hop: target }
    const source = chooseSource(membersOf(catalog.current, pool), { stickyKey: facts.recipient })
    if (source === undefined)
      return { kind: 'none', detail: `The pool of route ${route.name} has no source in service.` }
    return { kind: 'pool', source }
  }

  return {
    destinationOf,
    peek(facts) {
      const site = domains.get(facts.recipientDomain)
      const fresh = site !== undefined && site.until > clock.now() ? site.destination : undefined
      const choice = choose(facts, fresh?.provider)
      if (choice.kind === 'none') return undefined
      const destination = choice.kind === 'next-hop' ? toDestination(choice.hop) : fresh
      if (destination === undefined) return undefined
      return byKey.get(`${choice.source}/${destinationKey(destination)}`)
    },
    async find(facts) {
      // A next hop that matches whatever the provider is needs no DNS at all.
      const early = choose(facts, undefined)
      if (early.kind === 'next-hop')
        return { kind: 'lane', lane: await laneFor(early.source, toDestination(early.hop)) }
      const destination = await destinationOf(facts.recipientDomain)
      if (destination.kind === 'failed') return { kind: 'failed', failure: destination }
      const choice = choose(facts, destination.provider)
      if (choice.kind === 'none') return { kind: 'no-route', detail: choice.detail }
      const target = choice.kind === 'next-hop' ? toDestination(choice.hop) : destination
      return { kind: 'lane', lane: await laneFor(choice.source, target) }
    },
    async lane(id) {
      if (!byId.has(id)) (await loadLanes(store)).forEach(remember)
      return byId.get(id)
    },
    routeOf: (facts, provider) => chooseRoute(routes, { ...facts, provider }),
  }
}

type Choice =
  | { readonly kind: 'none'; readonly detail: string }
  | { readonly kind: 'pool'; readonly source: SourceId }
  | { readonly kind: 'next-hop'; readonly source: SourceId; readonly hop: NextHop }

const toDestination = (hop: NextHop): Destination => ({ ...hop, kind: 'next-hop' })

/** A next hop is not chosen by address, so its lane hangs on the first source. */
function anySource(snapshot: CatalogSnapshot): SourceId {
  for (const id of snapshot.sources.keys()) return id
  return asId('source', 0)
}

function membersOf(snapshot: CatalogSnapshot, pool: PoolRecord | undefined): PoolSource[] {
  return (pool?.sources ?? []).map(({ source, weight }) => ({
    source,
    weight,
    state: snapshot.sources.get(source)?.disabledAt === undefined ? 'active' : 'suspended',
  }))
}

const routesOf = (snapshot: CatalogSnapshot): NamedRoute[] =>
  snapshot.routes.map((record) => ({
    id: record.id,
    name: record.name,
    position: record.position,
    // Both were checked by the route service when they were written.
    match: JSON.parse(record.match) as RouteMatch,
    target:
      record.pool !== undefined
        ? { kind: 'pool', pool: record.pool }
        : { ...(JSON.parse(record.nextHop ?? '{}') as NextHop), kind: 'next-hop' },
  }))
