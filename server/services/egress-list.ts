/** The ways out as operators read them: names instead of ids, and never a password. Pure over one snapshot. */
import { asId } from '../core/ids.ts'
import type { PoolId, RouteId } from '../core/ids.ts'
import type { NextHop } from '../core/lane.ts'
import type { Limits } from '../core/provider.ts'
import type { RouteMatch } from '../policy/route.ts'
import type { CatalogSnapshot } from '../store/catalog.ts'

export interface PoolInfo {
  readonly id: PoolId
  readonly name: string
  readonly sources: readonly { readonly source: string; readonly weight: number }[]
}

export interface RouteInfo {
  readonly id: RouteId
  readonly name: string
  /** Lower is asked first. */
  readonly position: number
  /** With the tenant's name in place of its id. */
  readonly match: Readonly<Record<string, string | undefined>>
  readonly pool: string | undefined
  readonly nextHop: Omit<NextHop, 'password'> | undefined
}

export interface LimitInfo {
  readonly scope: 'destination' | 'source'
  /** `provider:google`, `site:mx.example`, `hop:10.0.0.1:25`, `default`; the name of a source. */
  readonly key: string
  readonly limits: Limits
  readonly note: string | undefined
}

export const poolInfos = (snapshot: CatalogSnapshot): readonly PoolInfo[] =>
  [...snapshot.pools.values()].map(({ id, name, sources }) => ({
    id,
    name,
    sources: sources.map(({ source, weight }) => ({
      source: snapshot.sources.get(source)?.name ?? String(source),
      weight,
    })),
  }))

export const routeInfos = (snapshot: CatalogSnapshot): readonly RouteInfo[] =>
  snapshot.routes.map((route) => ({
    id: route.id,
    name: route.name,
    position: route.position,
    match: matchInfo(snapshot, route.match),
    pool:
      route.pool === undefined
        ? undefined
        : (snapshot.pools.get(route.pool)?.name ?? String(route.pool)),
    nextHop: route.nextHop === undefined ? undefined : hopInfo(route.nextHop),
  }))

function matchInfo(snapshot: CatalogSnapshot, json: string): RouteInfo['match'] {
  // Written by Egress.addRoute from a RouteMatch.
  const { tenant, ...match } = JSON.parse(json) as RouteMatch
  const name = tenant === undefined ? undefined : snapshot.tenants.get(tenant)?.name
  return { ...(tenant === undefined ? {} : { tenant: name ?? String(tenant) }), ...match }
}

function hopInfo(json: string): Omit<NextHop, 'password'> {
  // Written by Egress.addRoute from a NextHop.
  const { host, port, tls, user } = JSON.parse(json) as NextHop
  return { host, port, tls, ...(user === undefined ? {} : { user }) }
}

export const limitInfos = (snapshot: CatalogSnapshot): readonly LimitInfo[] =>
  [...snapshot.limits].map(([scopeAndKey, record]) => {
    const key = scopeAndKey.slice(scopeAndKey.indexOf('/') + 1)
    const isSource = scopeAndKey.startsWith('source/')
    return {
      scope: isSource ? 'source' : 'destination',
      key: isSource ? (snapshot.sources.get(asId('source', Number(key)))?.name ?? key) : key,
      // Written by Egress.setLimits from a Limits.
      limits: JSON.parse(record.limits) as Limits,
      note: record.note,
    }
  })
