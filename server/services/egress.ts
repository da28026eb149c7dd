/** The ways out, as operators see them: sources, pools, routes, limits. Names in, ids stay inside. */
import { isIP } from 'node:net'
import type { Actor, AuditDraft, AuditValue } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
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
  addSource(
    actor: Actor,
    source: { name: string; ip: string | undefined; ehlo: string },
  ): Promise<SourceId>
  setSourceDisabled(actor: Actor, name: string, disabled: boolean): Promise<void>
  addPool(actor: Actor, name: string): Promise<PoolId>
  /** Weight 0 takes the source out. */
  setWeight(actor: Actor, pool: string, source: string, weight: number): Promise<void>
  addRoute(actor: Actor, route: NewRoute): Promise<RouteId>
  removeRoute(actor: Actor, name: string): Promise<void>
  /** `limits` undefined removes what was set. */
  setLimits(
    actor: Actor,
    entry: {
      scope: 'destination' | 'source'
      key: string
      limits: Limits | undefined
      note: string | undefined
    },
  ): Promise<void>
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
    async addSource(actor, source) {
      if (source.ip !== undefined && isIP(source.ip) === 0)
        throw new AppError('BODY_INVALID', { public: `${source.ip} is not an IP address.` })
      const record = {
        ...changed(actor, 'source.added', { kind: 'source', id: undefined, name: source.name }),
        after: { ip: source.ip ?? null, ehlo: source.ehlo },
      }
      const id = await insertSource(store, source, { now: clock.now(), record })
      await catalog.refresh()
      return id
    },
    async setSourceDisabled(actor, name, disabled) {
      const { id } = sourceNamed(name)
      const action = disabled ? 'source.disabled' : 'source.enabled'
      const target = { kind: 'source', id: encodeId('source', id), name }
      const at = disabled ? clock.now() : undefined
      await setSourceDisabled(store, id, at, changed(actor, action, target))
      await catalog.refresh()
    },
    async addPool(actor, name) {
      const record = changed(actor, 'pool.added', { kind: 'pool', id: undefined, name })
      const id = await insertPool(store, name, { now: clock.now(), record })
      await catalog.refresh()
      return id
    },
    async setWeight(actor, poolName, sourceName, weight) {
      const pool = poolNamed(poolName)
      const source = sourceNamed(sourceName)
      const target = { kind: 'pool', id: encodeId('pool', pool.id), name: poolName }
      const former = pool.sources.find((member) => member.source === source.id)?.weight ?? 0
      await setPoolWeight(
        store,
        { pool: pool.id, source: source.id, weight },
        {
          ...changed(actor, 'pool.changed', target),
          before: { [sourceName]: former },
          after: { [sourceName]: weight },
        },
      )
      await catalog.refresh()
    },
    async addRoute(actor, route) {
      const hop = 'nextHop' in route.to ? sealHop(route.to.nextHop, deps.seal) : undefined
      const pool = 'pool' in route.to ? poolNamed(route.to.pool) : undefined
      const row = {
        name: route.name,
        position: route.position,
        match: JSON.stringify(route.match),
        pool: pool?.id,
        nextHop: hop === undefined ? undefined : JSON.stringify(hop),
      }
      const record = {
        ...changed(actor, 'route.added', { kind: 'route', id: undefined, name: route.name }),
        after: {
          position: route.position,
          match: row.match,
          to: pool?.name ?? `${hop?.host ?? ''}:${hop?.port ?? ''}`,
        },
      }
      const id = await insertRoute(store, row, { now: clock.now(), record })
      await catalog.refresh()
      return id
    },
    async removeRoute(actor, name) {
      const route = find(catalog.current.routes, name)
      const target = { kind: 'route', id: encodeId('route', route.id), name }
      await deleteRoute(store, route.id, {
        ...changed(actor, 'route.removed', target),
        before: { position: route.position, match: route.match },
      })
      await catalog.refresh()
    },
    async setLimits(actor, { scope, key, limits, note }) {
      const stored = scope === 'source' ? String(sourceNamed(key).id) : key
      const json = limits === undefined ? undefined : JSON.stringify(limits)
      const former = limitInfos(catalog.current).find(
        (info) => info.scope === scope && info.key === key,
      )
      const record = {
        ...changed(actor, 'limits.changed', { kind: 'limits', id: `${scope}/${key}`, name: key }),
        before: limitsValue(former?.limits, former?.note),
        after: limitsValue(limits, note),
      }
      const entry = { scope, key: stored, limits: json, note }
      await setLimits(store, entry, { now: clock.now(), record })
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

/** Every number, so that two records compare field by field. */
const limitsValue = (limits: Limits | undefined, note: string | undefined): AuditValue =>
  limits === undefined
    ? null
    : {
        connections: limits.connections ?? null,
        messagesPerConnection: limits.messagesPerConnection ?? null,
        rate: limits.rate === undefined ? null : { ...limits.rate },
        tls: limits.tls ?? null,
        note: note ?? null,
      }

const changed = (actor: Actor, action: string, target: AuditDraft['target']): AuditDraft => ({
  actor,
  tenant: undefined,
  action,
  target,
})
