/**
 * Every registered route × everybody who might call it. Behind the gate a hook ends each request, so that what is
 * asked is only whether the gate opens; a new route is in the matrix by being registered.
 */
import type { HTTPMethods } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import {
  ALL_PERMISSIONS,
  BUILT_IN_ROLES,
  isPlatformPermission,
  PLATFORM_ROLES,
} from '../../server/core/permission.ts'
import type { BuiltInRole, Permission, PlatformRole } from '../../server/core/permission.ts'
import type { RegisteredRoute } from '../../server/http/auth.ts'
import { OPERATOR_GRANT } from '../../server/services/access-terms.ts'
import type { Person } from './people-of.ts'
import { openWorld } from './support.ts'
import type { World } from './support.ts'

type Route = RegisteredRoute

const OPEN = 299
const ROLES = Object.keys(BUILT_IN_ROLES) as BuiltInRole[]
const PLATFORM = Object.keys(PLATFORM_ROLES) as PlatformRole[]

let world: World
const routes: Route[] = []

beforeAll(async () => {
  world = await openWorld()
  world.app.addHook('preParsing', (_request, reply, _payload, done) => {
    reply.code(OPEN).send('the gate is open')
    done()
  })
  await world.app.ready()
  routes.push(...world.app.routeAccess)
})
afterAll(() => world.close())

const asked = () => routes.filter((route) => route.public !== true)
const ofPermission = () =>
  routes.filter((route): route is Route & { permission: Permission } => 'permission' in route)

/** `open`, or the status and code of the refusal. */
async function answerOf(route: Route, headers: Readonly<Record<string, string>>): Promise<string> {
  const url = route.url.replaceAll(/:\w+/g, 'x')
  const answer = await world.app.inject({
    method: route.method as HTTPMethods & 'GET',
    url,
    headers,
  })
  if (answer.statusCode === OPEN) return 'open'
  return `${answer.statusCode} ${answer.json<{ code: string }>().code}`
}

/** Asks all of them and compares with what each must answer. */
async function expectAll(
  which: readonly Route[],
  headers: Readonly<Record<string, string>>,
  expected: (route: Route) => string,
): Promise<void> {
  expect(which.length).toBeGreaterThan(0)
  const wrong: string[] = []
  for (const route of which) {
    const answer = await answerOf(route, headers)
    const wanted = expected(route)
    if (answer !== wanted) wrong.push(`${route.method} ${route.url}: ${answer}, not ${wanted}`)
  }
  expect(wrong).toEqual([])
}

const isSafe = ({ method }: Route): boolean => method === 'GET'
const without = (headers: Readonly<Record<string, string>>, name: string) =>
  Object.fromEntries(Object.entries(headers).filter(([header]) => header !== name))
const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })

async function keyWith(
  spec: Partial<Parameters<World['access']['keys']['create']>[2]>,
): Promise<string> {
  const made = await world.access.keys.create(SYSTEM_ACTOR, world.tenant, {
    name: 'matrix',
    scopes: ALL_PERMISSIONS,
    mode: 'live',
    grant: OPERATOR_GRANT,
    ...spec,
  })
  return made.secret
}

test('there are routes of every kind, and each is of exactly one', () => {
  expect(routes.length).toBeGreaterThan(80)
  for (const route of routes) {
    const kinds = [route.permission, route.account, route.public].filter((one) => one !== undefined)
    expect([route.method, route.url, kinds.length]).toEqual([route.method, route.url, 1])
  }
  expect(asked().every(({ url }) => url.startsWith('/v1/'))).toBe(true)
})

describe('nobody', () => {
  test('passes through public routes only', async () => {
    await expectAll(routes, {}, ({ public: isPublic }) =>
      isPublic === true ? 'open' : '401 AUTH_REQUIRED',
    )
  })
  test.each([
    ['an unknown session', { cookie: `__Host-posthorn=${'a'.repeat(43)}` }, '401 SESSION_ENDED'],
    ['a key in the query only', {}, '401 AUTH_REQUIRED'],
    ['a wrong key', bearer('ph_live_wrong'), '401 AUTH_FAILED'],
  ])('with %s', async (_what, headers, code) => {
    await expectAll(asked(), headers, () => code)
  })
})

describe('keys', () => {
  test.each(ALL_PERMISSIONS.map((scope) => [scope] as const))(
    'with the scope %s open what it says and nothing else',
    async (scope) => {
      const headers = bearer(await keyWith({ scopes: [scope] }))
      await expectAll(asked(), headers, ({ permission, personOnly }) => {
        if (permission === undefined || personOnly === true) return '403 SESSION_REQUIRED'
        return permission === scope ? 'open' : '403 SCOPE_MISSING'
      })
    },
  )
  test('that were revoked open nothing', async () => {
    const made = await world.newKey(world.tenant, ALL_PERMISSIONS)
    await made.revoke()
    await expectAll(asked(), bearer(made.secret), () => '401 AUTH_REVOKED')
  })
  test('that have expired open nothing', async () => {
    const soon = await keyWith({ expiresAt: Date.now() + 1_000 })
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    await expectAll(asked(), bearer(soon), () => '401 AUTH_EXPIRED')
  })
  test('from a network they are not bound to open nothing', async () => {
    const elsewhere = await keyWith({ networks: ['192.0.2.0/24'] })
    await expectAll(asked(), bearer(elsewhere), () => '403 NETWORK_FORBIDDEN')
  })
  test('of a disabled tenant open nothing', async () => {
    const tenant = await world.newTenant('gone')
    const { secret } = await world.newKey(tenant, ALL_PERMISSIONS)
    await world.control.tenants.change(SYSTEM_ACTOR, tenant, { disabled: true })
    await expectAll(asked(), bearer(secret), () => '401 AUTH_REVOKED')
  })
})

/** What somebody signed in and confirmed must get, given what they may do. */
const forPermissions =
  (permissions: readonly Permission[]) =>
  ({ permission }: Route): string =>
    permission === undefined || permissions.includes(permission) ? 'open' : '403 PERMISSION_MISSING'

describe('people', () => {
  test.each(ROLES.map((role) => [role] as const))(
    'with the role %s pass where it allows',
    async (role) => {
      const person = await world.people({ role })
      await expectAll(asked(), person.headers, forPermissions(BUILT_IN_ROLES[role].permissions))
    },
  )
  test.each(PLATFORM.map((role) => [role] as const))(
    'with the platform role %s pass where it allows, in any tenant',
    async (platformRole) => {
      const spec = PLATFORM_ROLES[platformRole]
      const person = await world.people({ platformRole })
      const allowed = [...spec.permissions, ...BUILT_IN_ROLES[spec.inTenants].permissions]
      await expectAll(asked(), person.headers, forPermissions(allowed))
    },
  )
  test('with a role of the tenant’s own pass where it allows', async () => {
    const permissions = ['domains:read', 'audit:read'] as const
    await world.control.roles.add(SYSTEM_ACTOR, world.tenant, {
      name: 'auditor',
      title: 'Auditor',
      permissions,
      secondFactor: false,
    })
    const person = await world.people({ role: 'auditor' })
    await expectAll(asked(), person.headers, forPermissions(permissions))
  })
  test('of another tenant pass nowhere in this one', async () => {
    const tenant = await world.newTenant('neighbour')
    const stranger = await world.people({ role: 'owner', tenant })
    const headers = {
      ...stranger.headers,
      'posthorn-tenant': (await world.people({ role: 'owner' })).headers['posthorn-tenant'] ?? '',
    }
    await expectAll(ofPermission(), headers, () => '403 PERMISSION_MISSING')
  })
  test('who belong nowhere reach their account and nothing else', async () => {
    const person = await world.people({})
    await expectAll(asked(), person.headers, forPermissions([]))
  })
  test('of several tenants must name one', async () => {
    const person = await world.people({ role: 'owner' })
    const unnamed = without((await inTwoTenants()).headers, 'posthorn-tenant')
    await expectAll(ofPermission(), unnamed, ({ permission = 'messages:read' }) =>
      isPlatformPermission(permission) ? '403 PERMISSION_MISSING' : '400 TENANT_REQUIRED',
    )
    const single = without(person.headers, 'posthorn-tenant')
    await expectAll(ofPermission(), single, forPermissions(BUILT_IN_ROLES.owner.permissions))
  })

  async function inTwoTenants(): Promise<Person> {
    const person = await world.people({ role: 'owner' })
    const second = await world.newTenant('second')
    const row = { tenant_id: second, user_id: person.id, role: 'owner', created_at: 0 }
    const query = world.store.build.insertInto('memberships').values(row).compile()
    await world.store.writer.write([{ query }], { unaudited: 'test' })
    return person
  }
})

describe('sessions', () => {
  const everything = () => world.people({ role: 'owner', platformRole: 'admin' })

  test('that were ended open nothing', async () => {
    const person = await everything()
    await world.control.sessions.end(SYSTEM_ACTOR, person, person.session)
    await expectAll(asked(), person.headers, () => '401 SESSION_ENDED')
  })
  test('of somebody who was deactivated open nothing', async () => {
    const person = await everything()
    await world.control.people.deactivate(SYSTEM_ACTOR, person.id)
    await expectAll(asked(), person.headers, () => '401 SESSION_ENDED')
  })
  test('that still owe the second factor open only what gives it', async () => {
    const person = await world.people({ role: 'owner', stage: 'second-factor' })
    await expectAll(asked(), person.headers, ({ account, stepUp }) => {
      if (account !== 'any') return '403 SECOND_FACTOR_REQUIRED'
      return stepUp === true ? '403 STEP_UP_REQUIRED' : 'open'
    })
  })
  test('that must set a second factor up open only what sets it up', async () => {
    const person = await world.people({ role: 'owner', stage: 'enrol' })
    await expectAll(asked(), person.headers, ({ account }) =>
      account === 'any' || account === 'enrol' ? 'open' : '403 SECOND_FACTOR_MISSING',
    )
  })
  test('that were confirmed long ago do not open dangerous acts', async () => {
    const person = await everything()
    await person.growStale()
    await expectAll(asked(), person.headers, ({ stepUp }) =>
      stepUp === true ? '403 STEP_UP_REQUIRED' : 'open',
    )
    expect(asked().filter(({ stepUp }) => stepUp === true).length).toBeGreaterThan(10)
  })
  test('change nothing for a page of another site', async () => {
    const person = await everything()
    const headers = { ...person.headers, origin: 'https://evil.example' }
    await expectAll(asked(), headers, (route) => (isSafe(route) ? 'open' : '403 ORIGIN_FORBIDDEN'))
  })
  test('change nothing without the token of their page', async () => {
    const headers = without((await everything()).headers, 'posthorn-csrf')
    await expectAll(asked(), headers, (route) => (isSafe(route) ? 'open' : '403 ORIGIN_FORBIDDEN'))
  })
  test('change nothing with the token of another session', async () => {
    const person = await everything()
    const other = await everything()
    const headers = { ...person.headers, 'posthorn-csrf': other.headers['posthorn-csrf'] ?? '' }
    await expectAll(asked(), headers, (route) => (isSafe(route) ? 'open' : '403 ORIGIN_FORBIDDEN'))
  })
})
