/** The ways out of the installation: sources, pools and routes, for platform operators. */
import { parseDomain } from '../../core/address.ts'
import { AppError } from '../../core/errors.ts'
import { encodeId } from '../../core/ids.ts'
import type { Egress, NewRoute } from '../../services/egress.ts'
import type { Tenants } from '../../services/tenants.ts'
import type { Static } from 'typebox'
import { actorOf } from '../auth.ts'
import type { HttpApp } from '../http-app.ts'
import { formatInstant } from '../instant.ts'
import * as schemas from '../schemas/egress.ts'
import { Done } from '../schemas/parts.ts'

export interface EgressDeps {
  readonly egress: Egress
  readonly tenants: Pick<Tenants, 'resolve'>
}

type SourceRow = ReturnType<Egress['sources']>[number]
const sourceView = (row: SourceRow) => ({
  id: encodeId('source', row.id),
  name: row.name,
  ...(row.ip === undefined ? {} : { ip: row.ip }),
  ehlo: row.ehlo,
  enabled: row.disabledAt === undefined,
  ...(row.disabledAt === undefined ? {} : { disabledAt: formatInstant(row.disabledAt) }),
})

type PoolRow = ReturnType<Egress['poolInfos']>[number]
const poolView = (row: PoolRow) => ({
  id: encodeId('pool', row.id),
  name: row.name,
  sources: [...row.sources],
})

type RouteRow = ReturnType<Egress['routeInfos']>[number]
const routeView = (row: RouteRow): Static<typeof schemas.Route> => ({
  id: encodeId('route', row.id),
  name: row.name,
  position: row.position,
  match: row.match,
  ...(row.pool === undefined ? {} : { pool: row.pool }),
  ...(row.nextHop === undefined ? {} : { nextHop: row.nextHop }),
})

/** By name, since names are what operators write. Throws NOT_FOUND. */
function named<T extends { readonly name: string }>(rows: readonly T[], name: string): T {
  const row = rows.find((one) => one.name === name)
  if (row === undefined) throw new AppError('NOT_FOUND')
  return row
}

const tags = ['Egress']

export function sourceRoutes(app: HttpApp, { egress }: EgressDeps): void {
  app.get(
    '/v1/sources',
    {
      config: { permission: 'egress:read' },
      schema: {
        operationId: 'listSources',
        tags,
        summary: 'List sources',
        description: 'Our addresses, in use or not.',
        response: { 200: schemas.SourceList },
      },
    },
    async () => ({ items: egress.sources().map(sourceView) }),
  )
  app.post(
    '/v1/sources',
    {
      config: { permission: 'egress:manage', refuses: ['NAME_TAKEN'] },
      schema: {
        operationId: 'addSource',
        tags,
        summary: 'Add a source',
        description: 'It sends nothing until a pool has it.',
        body: schemas.SourceInput,
        response: { 201: schemas.Source },
      },
    },
    async (request, reply) => {
      const { name, ip, ehlo } = request.body
      await egress.addSource(actorOf(request), { name, ip, ehlo })
      return reply.code(201).send(sourceView(named(egress.sources(), name)))
    },
  )
  app.patch(
    '/v1/sources/:name',
    {
      config: { permission: 'egress:manage' },
      schema: {
        operationId: 'changeSource',
        tags,
        summary: 'Enable or disable a source',
        description: 'A disabled one takes no new mail; what waits on it stays until it is back.',
        params: schemas.NameParams,
        body: schemas.SourceChange,
        response: { 200: schemas.Source },
      },
    },
    async (request) => {
      const { name } = request.params
      await egress.setSourceDisabled(actorOf(request), name, !request.body.enabled)
      return sourceView(named(egress.sources(), name))
    },
  )
}

export function poolRoutes(app: HttpApp, { egress }: EgressDeps): void {
  app.get(
    '/v1/pools',
    {
      config: { permission: 'egress:read' },
      schema: {
        operationId: 'listPools',
        tags,
        summary: 'List pools',
        description: 'Every pool with its sources and their shares.',
        response: { 200: schemas.PoolList },
      },
    },
    async () => ({ items: egress.poolInfos().map(poolView) }),
  )
  app.post(
    '/v1/pools',
    {
      config: { permission: 'egress:manage', refuses: ['NAME_TAKEN'] },
      schema: {
        operationId: 'addPool',
        tags,
        summary: 'Add a pool',
        description: 'An empty pool sends nothing.',
        body: schemas.PoolInput,
        response: { 201: schemas.Pool },
      },
    },
    async (request, reply) => {
      const { name } = request.body
      await egress.addPool(actorOf(request), name)
      return reply.code(201).send(poolView(named(egress.poolInfos(), name)))
    },
  )
  app.put(
    '/v1/pools/:name/sources/:source',
    {
      config: { permission: 'egress:manage' },
      schema: {
        operationId: 'setPoolWeight',
        tags,
        summary: "Set a source's share in a pool",
        description: 'Adds the source, changes its share, or with 0 takes it out.',
        params: schemas.PoolSourceParams,
        body: schemas.Weight,
        response: { 200: schemas.Pool },
      },
    },
    async (request) => {
      const { name, source } = request.params
      await egress.setWeight(actorOf(request), name, source, request.body.weight)
      return poolView(named(egress.poolInfos(), name))
    },
  )
}

export function routeRoutes(app: HttpApp, deps: EgressDeps): void {
  const { egress } = deps
  app.get(
    '/v1/routes',
    {
      config: { permission: 'egress:read' },
      schema: {
        operationId: 'listRoutes',
        tags,
        summary: 'List routes',
        description: 'In the order in which they are asked.',
        response: { 200: schemas.RouteList },
      },
    },
    async () => ({ items: egress.routeInfos().map(routeView) }),
  )
  app.post(
    '/v1/routes',
    {
      config: { permission: 'egress:manage', refuses: ['NAME_TAKEN', 'NOT_FOUND'] },
      schema: {
        operationId: 'addRoute',
        tags,
        summary: 'Add a route',
        description: 'Mail that has a lane already keeps it.',
        body: schemas.RouteInput,
        response: { 201: schemas.Route },
      },
    },
    async (request, reply) => {
      const route = newRoute(request.body, deps)
      await egress.addRoute(actorOf(request), route)
      return reply.code(201).send(routeView(named(egress.routeInfos(), route.name)))
    },
  )
  app.delete(
    '/v1/routes/:name',
    {
      config: { permission: 'egress:manage' },
      schema: {
        operationId: 'removeRoute',
        tags,
        summary: 'Remove a route',
        description: 'Mail that has a lane already keeps it.',
        params: schemas.NameParams,
        response: { 204: Done },
      },
    },
    async (request, reply) => {
      await egress.removeRoute(actorOf(request), request.params.name)
      return reply.code(204).send(null)
    },
  )
}

function newRoute(body: Static<typeof schemas.RouteInput>, deps: EgressDeps): NewRoute {
  const { name, position, pool, nextHop } = body
  if ((pool === undefined) === (nextHop === undefined))
    throw new AppError('BODY_INVALID', {
      fields: [{ path: 'pool', message: 'a route leads to a pool or to a next hop' }],
    })
  const { tenant, senderDomain, recipientDomain, provider, ...match } = body.match
  if (provider !== undefined && !deps.egress.providers().includes(provider))
    throw new AppError('BODY_INVALID', {
      fields: [{ path: 'match/provider', message: 'is not a provider that is known' }],
    })
  return {
    name,
    position,
    match: {
      ...match,
      ...(tenant === undefined ? {} : { tenant: deps.tenants.resolve(tenant).id }),
      ...(senderDomain === undefined ? {} : { senderDomain: domainOf(senderDomain, 'sender') }),
      ...(recipientDomain === undefined
        ? {}
        : { recipientDomain: domainOf(recipientDomain, 'recipient') }),
      ...(provider === undefined ? {} : { provider }),
    },
    to: nextHop === undefined ? { pool: pool ?? '' } : { nextHop },
  }
}

/** `shop.example` or `*.shop.example`, as A-labels. */
function domainOf(pattern: string, whose: 'sender' | 'recipient'): string {
  const prefix = pattern.startsWith('*.') ? '*.' : ''
  const parsed = parseDomain(pattern.slice(prefix.length))
  if (parsed.ok) return prefix + parsed.domain
  throw new AppError('BODY_INVALID', {
    fields: [{ path: `match/${whose}Domain`, message: parsed.reason }],
  })
}
