/** The ways out, as operators see them: sources, pools, routes, limits. Names in, ids stay inside. */
import { isIP } from 'node:net'
import { AppError } from '../core/errors.ts'
import type { PoolId, RouteId, SourceId } from '../core/ids.ts'
import type { NextHop } from '../core/lane.ts'
import type { Clock } from '../core/ports.ts'
import type { Limits } from '../core/provider.ts'
import type { RouteMatch } from '../policy/route.ts'
import { BUILT_IN_PROVIDERS } from '../policy/shape.ts'
import {
  deleteRoute,
  insertPool,
  insertRoute,
  insertSource,
  setLimits,
  setPoolWeight,
  setSourceDisabled,
} from '../store/egress.ts'
import type { PoolRecord, RouteRecord, SourceRecord } from '../store/catalog.ts'
import type { Store } from '../store/open.ts'
import type { Seal } from './auth/seal.ts'
import type { Catalog } from './catalog.ts'
import { limitInfos, poolInfos, routeInfos } from './egress-list.ts'
import type { LimitInfo, PoolInfo, RouteInfo } from './egress-list.ts'

export interface NewRoute {
  readonly name: string
  readonly position: number
  readonly match: RouteMatch
  /** Name of a pool, or a next hop with its password in clear (it is sealed here). */
  readonly to: { readonly pool: string } | { readonly nextHop: NextHop }
}

export interface Egress {
  addSource(source: { name: string; ip: string | undefined; ehlo: string }): Promise<SourceId>
  setSourceDisabled(name: string, disabled: boolean): Promise<void>
  addPool(name: string): Promise<PoolId>
  /** Weight 0 takes the source out. */
  setWeight(pool: string, source: string, weight: number): Promise<void>
  addRoute(route: NewRoute): Promise<RouteId>
  removeRoute(name: string): Promise<void>
  /** `limits` undefined removes what was set. */
  setLimits(entry: {
    scope: 'destination' | 'source'
    key: string
    limits: Limits | undefined
    note: string | undefined
  }): Promise<void>
  sources(): readonly SourceRecord[]
  pools(): readonly PoolRecord[]
  routes(): readonly RouteRecord[]
  /** The same for people: names instead of ids, without passwords. */
  poolInfos(): readonly PoolInfo[]
  routeInfos(): readonly RouteInfo[]
  /** What operators set; the table of providers is not in it. */
  limits(): readonly LimitInfo[]
  /** Names that `provider:<name>` and a route's match may use. */
  providers(): readonly string[]
}

export function makeEgress(deps: {
  store: Store
  catalog: Catalog
  clock: Clock
  seal: Seal
}): Egress {
  const { store, catalog, clock } = deps

  function find<T extends { readonly name: string }>(items: Iterable<T>, name: string): T {
    for (const item of items) if (item.name === name) return item
    throw new AppError('NOT_FOUND', { public: `There is nothing called ${name}.` })
  }
  const sourceNamed = (name: string): SourceRecord => find(catalog.current.sources.values(), name)
  const poolNamed = (name: string): PoolRecord => find(catalog.current.pools.values(), name)

  return {
    async addSource(source) {
      if (source.ip !== undefined && isIP(source.ip) === 0)
        throw new AppError('BODY_INVALID', { public: `${source.ip} is not an IP address.` })
      const id = await insertSource(store, source, clock.now())
      await catalog.refresh()
      return id
    },
    async setSourceDisabled(name, disabled) {
      await setSourceDisabled(store, sourceNamed(name).id, disabled ? clock.now() : undefined)
      await catalog.refresh()
    },
    async addPool(name) {
      const id = await insertPool(store, name, clock.now())
      await catalog.refresh()
      return id
    },
    async setWeight(pool, source, weight) {
      const member = { pool: poolNamed(pool).id, source: sourceNamed(source).id, weight }
      await setPoolWeight(store, member)
      await catalog.refresh()
    },
    async addRoute(route) {
      const hop = 'nextHop' in route.to ? sealHop(route.to.nextHop, deps.seal) : undefined
      const pool = 'pool' in route.to ? poolNamed(route.to.pool).id : undefined
      const row = {
        name: route.name,
        position: route.position,
        match: JSON.stringify(route.match),
        pool,
        nextHop: hop === undefined ? undefined : JSON.stringify(hop),
      }
      const id = await insertRoute(store, row, clock.now())
      await catalog.refresh()
      return id
    },
    async removeRoute(name) {
      await deleteRoute(store, find(catalog.current.routes, name).id)
      await catalog.refresh()
    },
    async setLimits({ scope, key, limits, note }) {
      const stored = scope === 'source' ? String(sourceNamed(key).id) : key
      const json = limits === undefined ? undefined : JSON.stringify(limits)
      await setLimits(store, { scope, key: stored, limits: json, note }, clock.now())
      await catalog.refresh()
    },
    sources: () => [...catalog.current.sources.values()],
    pools: () => [...catalog.current.pools.values()],
    routes: () => catalog.current.routes,
    poolInfos: () => poolInfos(catalog.current),
    routeInfos: () => routeInfos(catalog.current),
    limits: () => limitInfos(catalog.current),
    providers: () => BUILT_IN_PROVIDERS.map((provider) => provider.name),
  }
}

const sealHop = (hop: NextHop, seal: Seal): NextHop =>
  hop.password === undefined ? hop : { ...hop, password: seal.seal(hop.password, 'next-hop') }
