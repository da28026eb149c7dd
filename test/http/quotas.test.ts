/** The routes of quotas: who may look at them, who may set which, and whose they are. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { encodeId } from '../../server/core/ids.ts'
import type { TenantId } from '../../server/core/ids.ts'
import type { Permission } from '../../server/core/permission.ts'
import { windowEnd } from '../../server/core/quota.ts'
import { OPERATOR_GRANT } from '../../server/services/access-terms.ts'
import { makeQuotas } from '../../server/services/quotas.ts'
import { insertDomain } from '../../server/store/domains.ts'
import { openPeopleWorld } from './people-support.ts'
import { aMessage, codeOf, openWorld } from './support.ts'
import type { World } from './support.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

const BY = { now: 1, record: { unaudited: 'test' } } as const
let count = 0

interface Place {
  readonly tenant: TenantId
  readonly name: string
  readonly domain: string
  readonly login: string
  readonly call: (method: 'GET' | 'PUT' | 'DELETE' | 'POST', url: string, payload?: object) => Call
}
type Call = ReturnType<World['get']>

/** A tenant of its own with a domain, a login and a key that may do this. */
async function newPlace(
  scopes: readonly Permission[] = ['quotas:read', 'quotas:manage', 'messages:send'],
): Promise<Place> {
  const name = `routes-${++count}`
  const tenant = await world.newTenant(name)
  const domain = `${name}.example`
  await insertDomain(world.store, { tenant, name: domain, verifiedAt: 1, dkim: [] }, BY)
  const login = `login-${count}`
  await world.access.credentials.create(SYSTEM_ACTOR, tenant, {
    username: login,
    grant: OPERATOR_GRANT,
  })
  await world.catalog.refresh()
  const { secret } = await world.newKey(tenant, scopes)
  const headers = { authorization: `Bearer ${secret}` }
  return {
    tenant,
    name,
    domain,
    login,
    call: (method, url, payload) =>
      world.app.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) }),
  }
}
const itemsOf = async (place: Place): Promise<unknown[]> =>
  (await place.call('GET', '/v1/quotas')).json<{ items: unknown[] }>().items

test('a quota is set, shown with what is used, changed, and removed', async () => {
  const { call, domain, tenant } = await newPlace()
  const set = await call('PUT', `/v1/quotas/domain/${domain}`, { day: 100, over: 'delay' })
  expect(set.statusCode).toBe(200)
  const quota = {
    scope: 'domain',
    id: expect.stringMatching(/^dom_/) as string,
    name: domain,
    over: 'delay',
    windows: [
      {
        unit: 'day',
        limit: 100,
        used: 0,
        planned: 0,
        resetsAt: new Date(windowEnd('day', Date.now())).toISOString(),
      },
    ],
  }
  expect(set.json()).toEqual(quota)
  const to = ['a@dest.example', 'b@dest.example']
  await call('POST', '/v1/messages', aMessage({ from: `x@${domain}`, to }))
  const used = { ...quota, windows: [{ ...quota.windows[0], used: 2 }] }
  expect((await call('GET', '/v1/quotas')).json()).toEqual({ items: [used] })

  // What is not named has no limit any more.
  const changed = await call('PUT', `/v1/quotas/domain/${domain}`, { hour: 7, over: 'refuse' })
  expect(changed.json()).toMatchObject({ over: 'refuse', windows: [{ unit: 'hour', limit: 7 }] })
  const removed = await call('DELETE', `/v1/quotas/domain/${domain}`)
  expect([removed.statusCode, removed.body]).toEqual([204, ''])
  expect((await call('GET', '/v1/quotas')).json()).toEqual({ items: [] })
  expect(codeOf(await call('DELETE', `/v1/quotas/domain/${domain}`))).toBe('NOT_FOUND')

  const audit = await world.store
    .of(tenant)
    .selectFrom('audit')
    .select(['action', 'means', 'target_name', 'before', 'after'])
    .where('action', 'like', 'quota.%')
    .orderBy('id')
    .execute()
  const first = '{"hour":null,"day":100,"month":null,"over":"delay"}'
  const second = '{"hour":7,"day":null,"month":null,"over":"refuse"}'
  const facts = { means: 'api-key', target_name: domain }
  expect(audit).toEqual([
    { action: 'quota.changed', ...facts, before: null, after: first },
    { action: 'quota.changed', ...facts, before: first, after: second },
    { action: 'quota.removed', ...facts, before: second, after: null },
  ])
})

test('what it is for is named in any way that means it', async () => {
  const place = await newPlace()
  const { call, domain, login } = place
  const byName = await call('PUT', `/v1/quotas/credential/${login}`, { day: 1, over: 'delay' })
  const { id } = byName.json<{ id: string }>()
  expect(
    (await call('PUT', `/v1/quotas/credential/${id}`, { day: 2, over: 'delay' })).json(),
  ).toMatchObject({ name: login, windows: [{ limit: 2 }] })
  const upper = domain.toUpperCase()
  expect(
    (await call('PUT', `/v1/quotas/domain/${upper}`, { day: 3, over: 'delay' })).json(),
  ).toMatchObject({ name: domain })
  expect(await itemsOf(place)).toHaveLength(2)
})

describe('whose it is', () => {
  test('nothing of another tenant is found, by name or by id, and nothing of it changes', async () => {
    const [place, other] = [await newPlace(), await newPlace()]
    await other.call('PUT', `/v1/quotas/domain/${other.domain}`, { day: 5, over: 'refuse' })
    await other.call('PUT', `/v1/quotas/credential/${other.login}`, { day: 5, over: 'refuse' })
    const before = await itemsOf(other)
    const ids = before.map((item) => (item as { id: string }).id)
    const targets = [
      `credential/${other.login}`,
      `domain/${other.domain}`,
      ...ids.map((id) => `${id.startsWith('dom_') ? 'domain' : 'credential'}/${id}`),
      'credential/nobody',
      'domain/nowhere.example',
      'domain/..%2f',
    ]
    for (const target of targets) {
      const set = await place.call('PUT', `/v1/quotas/${target}`, { day: 1, over: 'refuse' })
      expect([target, set.statusCode, codeOf(set)]).toEqual([target, 404, 'NOT_FOUND'])
      const removed = await place.call('DELETE', `/v1/quotas/${target}`)
      expect([target, removed.statusCode]).toEqual([target, 404])
    }
    expect(await itemsOf(place)).toEqual([])
    expect(await itemsOf(other)).toEqual(before)
  })

  test("the name of another tenant does not stand for one's own", async () => {
    const other = await newPlace()
    const place = await newPlace(['quotas:read', 'quotas:manage', 'tenants:manage'])
    for (const name of [other.name, encodeId('tenant', other.tenant)]) {
      const set = await place.call('PUT', `/v1/quotas/tenant/${name}`, { day: 1, over: 'refuse' })
      expect(codeOf(set)).toBe('NOT_FOUND')
    }
    for (const name of [place.name, encodeId('tenant', place.tenant)]) {
      const set = await place.call('PUT', `/v1/quotas/tenant/${name}`, { day: 1, over: 'refuse' })
      expect(set.json()).toMatchObject({ scope: 'tenant', name: place.name })
    }
    expect(await itemsOf(other)).toEqual([])
  })
})

describe('who may', () => {
  test("the tenant's own quota is not the tenant's to set or to lift", async () => {
    const place = await newPlace()
    const { call, name, tenant } = place
    await world.control.quotas.set(SYSTEM_ACTOR, {
      tenant,
      scope: 'tenant',
      day: 3,
      over: 'refuse',
    })
    const set = await call('PUT', `/v1/quotas/tenant/${name}`, { day: 1_000_000, over: 'delay' })
    expect([set.statusCode, codeOf(set)]).toEqual([403, 'PERMISSION_MISSING'])
    const removed = await call('DELETE', `/v1/quotas/tenant/${name}`)
    expect([removed.statusCode, codeOf(removed)]).toEqual([403, 'PERMISSION_MISSING'])
    expect(await itemsOf(place)).toMatchObject([{ over: 'refuse', windows: [{ limit: 3 }] }])
  })

  test.each<[string, 'PUT' | 'DELETE', string]>([
    ['owner', 'PUT', 'the owner of the tenant'],
    ['owner', 'DELETE', 'the owner of the tenant'],
    ['admin', 'PUT', 'an admin of the tenant'],
  ])('a person with the role %s: %s of the tenant is refused (%s)', async (role, method) => {
    const person = await world.people({ role })
    const url = `/v1/quotas/tenant/${world.catalog.current.tenants.get(world.tenant)!.name}`
    const payload = method === 'PUT' ? { payload: { day: 1, over: 'refuse' } } : {}
    expect(codeOf(await person.call({ method, url, ...payload }))).toBe('PERMISSION_MISSING')
  })

  test('who runs the installation sets it', async () => {
    const person = await world.people({ role: 'owner', platformRole: 'admin' })
    const url = `/v1/quotas/tenant/${world.catalog.current.tenants.get(world.tenant)!.name}`
    const call = (method: 'PUT' | 'DELETE', payload?: object) =>
      person.call({ method, url, ...(payload === undefined ? {} : { payload }) })
    expect((await call('PUT', { month: 1_000_000_000, over: 'delay' })).statusCode).toBe(200)
    expect((await call('DELETE')).statusCode).toBe(204)
  })

  test('a key that only reads changes nothing, and one that only sends sees nothing', async () => {
    const reader = await newPlace(['quotas:read'])
    const target = `/v1/quotas/domain/${reader.domain}`
    expect(codeOf(await reader.call('PUT', target, { day: 1, over: 'delay' }))).toBe(
      'SCOPE_MISSING',
    )
    expect(codeOf(await reader.call('DELETE', target))).toBe('SCOPE_MISSING')
    const sender = await newPlace(['messages:send'])
    expect(codeOf(await sender.call('GET', '/v1/quotas'))).toBe('SCOPE_MISSING')
  })
})

test.each<[object, string, string]>([
  [{ over: 'delay' }, 'BODY_INVALID', 'no limit at all'],
  [{ day: 0, over: 'delay' }, 'BODY_INVALID', 'a quota of nothing'],
  [{ day: -5, over: 'delay' }, 'BODY_INVALID', 'less than nothing'],
  [{ day: 1.5, over: 'delay' }, 'BODY_INVALID', 'half a recipient'],
  [{ day: 1_000_000_001, over: 'delay' }, 'BODY_INVALID', 'more than can be counted'],
  [{ day: '5', over: 'delay' }, 'BODY_INVALID', 'a number in a text'],
  [{ day: 5, over: 'park' }, 'BODY_INVALID', 'nothing is ever parked'],
  [{ day: 5 }, 'BODY_INVALID', 'nothing said of what is beyond'],
  [{ day: 5, week: 9, over: 'delay' }, 'FIELD_UNKNOWN', 'a unit that there is not'],
  [{ day: 5, over: 'delay', tenant: 2 }, 'FIELD_UNKNOWN', 'a tenant of choice'],
])('%j is %s (%s)', async (payload, code) => {
  const place = await newPlace()
  const set = await place.call('PUT', `/v1/quotas/domain/${place.domain}`, payload)
  expect([set.statusCode, codeOf(set)]).toEqual([400, code])
  expect(await itemsOf(place)).toEqual([])
})

test('mail that would not fit an empty window either is told so, without a time to wait', async () => {
  const place = await newPlace()
  const { call, domain } = place
  await call('PUT', `/v1/quotas/domain/${domain}`, { day: 2, over: 'refuse' })
  const to = ['a@dest.example', 'b@dest.example', 'c@dest.example']
  const refused = await call('POST', '/v1/messages', aMessage({ from: `x@${domain}`, to }))
  expect([refused.statusCode, codeOf(refused)]).toEqual([400, 'RECIPIENTS_TOO_MANY'])
  expect(refused.headers).not.toHaveProperty('retry-after')
  expect(refused.json<{ detail: string }>().detail).toBe(
    `The daily quota of domain ${domain} is 2; a message to 3 recipients never fits.`,
  )
  expect(await itemsOf(place)).toMatchObject([{ windows: [{ used: 0 }] }])
})

test('a client cannot ask not to be counted', async () => {
  const place = await newPlace()
  const { call, domain } = place
  await call('PUT', `/v1/quotas/domain/${domain}`, { day: 5, over: 'refuse' })
  const message = { from: `x@${domain}`, uncounted: true }
  expect(codeOf(await call('POST', '/v1/messages', aMessage(message)))).toBe('FIELD_UNKNOWN')
})

test('mail of the installation itself goes out when its tenant has used up its quota', async () => {
  const people = await openPeopleWorld()
  const { tenant } = people
  const quotas = makeQuotas(people)
  await quotas.set(SYSTEM_ACTOR, { tenant, scope: 'tenant', month: 1, over: 'delay' })
  for (let i = 0; i < 3; i++)
    expect(await people.mail.send({ to: 'b@x.test', subject: 'Link', text: '.', kind: 'x' })).toBe(
      'mailed',
    )
  expect(people.all('select distinct reason from deliveries')).toEqual([{ reason: 'accepted' }])
  expect((await quotas.list(tenant))[0]!.units).toMatchObject([{ used: 0, planned: 0 }])
})
