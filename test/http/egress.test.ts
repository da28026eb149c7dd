/** The ways out over REST: sources, pools, routes, limits. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { codeOf, openWorld } from './support.ts'
import type { World } from './support.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
  await world.post('/v1/sources', { name: 'one', ehlo: 'one.example', ip: '198.51.100.7' })
  await world.post('/v1/pools', { name: 'main' })
})
afterAll(() => world.close())

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
const ask = (method: Method, url: string, payload?: object) =>
  world.app.inject({
    method,
    url,
    headers: { authorization: `Bearer ${world.key}` },
    ...(payload === undefined ? {} : { payload }),
  })
const itemsOf = async (url: string): Promise<unknown[]> =>
  (await ask('GET', url)).json<{ items: unknown[] }>().items

test('a source is added, taken out of use and put back', async () => {
  const made = await ask('POST', '/v1/sources', {
    name: 'six',
    ehlo: 'six.example',
    ip: '2001:db8::25',
  })
  expect([made.statusCode, made.json()]).toMatchObject([201, { name: 'six', enabled: true }])
  const off = await ask('PATCH', '/v1/sources/six', { enabled: false })
  expect(off.json<object>()).toMatchObject({ enabled: false })
  expect(off.json<object>()).toHaveProperty('disabledAt')
  const on = await ask('PATCH', '/v1/sources/six', { enabled: true })
  expect(on.json<object>()).not.toHaveProperty('disabledAt')
})

test('a pool shares its mail by weight, and 0 takes a source out', async () => {
  const url = '/v1/pools/main/sources/one'
  expect((await ask('PUT', url, { weight: 3 })).json()).toMatchObject({
    name: 'main',
    sources: [{ source: 'one', weight: 3 }],
  })
  expect((await ask('PUT', url, { weight: 0 })).json()).toMatchObject({ sources: [] })
})

test('a route is asked in order of its position, and its password is never shown', async () => {
  const nextHop = {
    host: 'smart.example',
    port: 587,
    tls: 'required',
    user: 'u',
    password: 'hush!',
  }
  const late = { name: 'late', position: 900, match: {}, pool: 'main' }
  const early = { name: 'early', position: 5, match: { tenant: 'acme', stream: 'bulk' }, nextHop }
  expect((await ask('POST', '/v1/routes', late)).statusCode).toBe(201)
  const made = await ask('POST', '/v1/routes', early)
  expect(made.json()).toMatchObject({
    name: 'early',
    match: { tenant: 'acme', stream: 'bulk' },
    nextHop: { host: 'smart.example', user: 'u' },
  })
  const list = await ask('GET', '/v1/routes')
  expect(list.json<{ items: { name: string }[] }>().items.map(({ name }) => name)).toEqual([
    'early',
    'late',
  ])
  expect(made.body + list.body).not.toContain('hush!')
  expect(JSON.stringify(world.all('select * from routes'))).not.toContain('hush!')
  for (const name of ['early', 'late'])
    expect((await ask('DELETE', `/v1/routes/${name}`)).statusCode).toBe(204)
  expect(await itemsOf('/v1/routes')).toEqual([])
})

test('limits are set over the built-in table, and taken back', async () => {
  const url = '/v1/limits/destination/provider:google'
  const limits = { connections: 3, rate: { messages: 60, perMs: 60_000 } }
  const set = await ask('PUT', url, { ...limits, note: 'asked by the postmaster' })
  const entry = {
    scope: 'destination',
    key: 'provider:google',
    limits,
    note: 'asked by the postmaster',
  }
  expect([set.statusCode, set.json()]).toEqual([200, entry])
  await ask('PUT', '/v1/limits/source/one', { connections: 1 })
  expect(await itemsOf('/v1/limits')).toEqual(
    expect.arrayContaining([entry, { scope: 'source', key: 'one', limits: { connections: 1 } }]),
  )
  for (const one of [url, '/v1/limits/source/one'])
    expect((await ask('DELETE', one)).statusCode).toBe(204)
  expect(await itemsOf('/v1/limits')).toEqual([])
})

const ROUTE = { name: 'r', position: 1, match: {}, pool: 'main' }
const HOP = { host: 'h.example', port: 25, tls: 'off' }
describe('refused', () => {
  test.each<[method: Method, url: string, body: object | undefined, code: string, why: string]>([
    ['POST', '/v1/sources', { name: 'one', ehlo: 'a.example' }, 'NAME_TAKEN', 'there is one'],
    ['POST', '/v1/sources', { name: 'x', ehlo: 'a b' }, 'BODY_INVALID', 'no host'],
    ['POST', '/v1/sources', { name: 'x', ehlo: 'a.example', ip: '1.2.3' }, 'BODY_INVALID', 'no ip'],
    ['POST', '/v1/sources', { name: 'X Y', ehlo: 'a.example' }, 'BODY_INVALID', 'no name'],
    ['PATCH', '/v1/sources/none', { enabled: true }, 'NOT_FOUND', 'no source'],
    ['PATCH', '/v1/sources/one', { ehlo: 'b.example' }, 'BODY_INVALID', 'that cannot be changed'],
    ['POST', '/v1/pools', { name: 'main' }, 'NAME_TAKEN', 'there is one'],
    ['PUT', '/v1/pools/none/sources/one', { weight: 1 }, 'NOT_FOUND', 'no pool'],
    ['PUT', '/v1/pools/main/sources/none', { weight: 1 }, 'NOT_FOUND', 'no source'],
    ['PUT', '/v1/pools/main/sources/one', { weight: -1 }, 'BODY_INVALID', 'less than nothing'],
    ['POST', '/v1/routes', { ...ROUTE, pool: 'none' }, 'NOT_FOUND', 'no pool'],
    ['POST', '/v1/routes', { ...ROUTE, nextHop: HOP }, 'BODY_INVALID', 'two ways'],
    ['POST', '/v1/routes', { name: 'r', position: 1, match: {} }, 'BODY_INVALID', 'no way'],
    ['POST', '/v1/routes', { ...ROUTE, match: { tenant: 'none' } }, 'NOT_FOUND', 'no tenant'],
    ['POST', '/v1/routes', { ...ROUTE, match: { provider: 'none' } }, 'BODY_INVALID', 'nobody'],
    ['POST', '/v1/routes', { ...ROUTE, match: { senderDomain: 'a b' } }, 'BODY_INVALID', 'none'],
    ['POST', '/v1/routes', { ...ROUTE, match: { x: 1 } }, 'FIELD_UNKNOWN', 'no such match'],
    ['DELETE', '/v1/routes/none', undefined, 'NOT_FOUND', 'no route'],
    ['PUT', '/v1/limits/destination/gmail', { connections: 1 }, 'BODY_INVALID', 'limits nothing'],
    ['PUT', '/v1/limits/destination/provider:none', { connections: 1 }, 'BODY_INVALID', 'nobody'],
    ['PUT', '/v1/limits/source/none', { connections: 1 }, 'NOT_FOUND', 'no source'],
    ['PUT', '/v1/limits/tenant/acme', { connections: 1 }, 'BODY_INVALID', 'nothing of ours'],
    ['PUT', '/v1/limits/source/one', { connections: 0 }, 'BODY_INVALID', 'stops all mail'],
    ['DELETE', '/v1/limits/destination/default', undefined, 'NOT_FOUND', 'nothing is set'],
  ])('%s %s %o → %s: %s', async (method, url, body, code) => {
    const answer = await ask(method, url, body)
    expect(codeOf(answer)).toBe(code)
  })
})
