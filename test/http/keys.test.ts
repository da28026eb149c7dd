/** API keys and SMTP logins over REST: what is told once, what is never told, and who may give what to whom. */
import type { LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Permission } from '../../server/core/permission.ts'
import { hashSecret, isApiKey } from '../../server/services/auth/secret.ts'
import { codeOf, openWorld, pathsOf } from './support.ts'
import type { World } from './support.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

type Body = Record<string, unknown>
interface Call {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly url: string
  readonly body?: unknown
  readonly secret?: string
}
const call = ({ method = 'GET', url, body, secret = world.key }: Call) =>
  world.app.inject({
    method,
    url,
    headers: {
      authorization: `Bearer ${secret}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
  })
const post = (url: string, body: unknown, secret?: string) =>
  call({ method: 'POST', url, body, ...(secret === undefined ? {} : { secret }) })
const patch = (url: string, body: unknown) => call({ method: 'PATCH', url, body })
const get = (url: string) => call({ url })
const KEY = { name: 'shop', scopes: ['messages:send'] }
const LOGIN = { username: 'shop' }
let names = 0
const aLogin = (more?: Body): Body => ({ username: `login-${++names}`, ...more })
const made = async (url: string, body: unknown): Promise<Body> => {
  const answer = await post(url, body)
  expect([answer.statusCode, answer.body]).toEqual([201, answer.body])
  return answer.json<Body>()
}
const idOf = (body: Body): string => String(body['id'])

/** Whether a secret, or what is kept of it, stands in a text. */
const betrays = (text: string, secret: string): boolean =>
  text.includes(secret.slice(-30)) || text.includes(hashSecret(secret, Buffer.alloc(32, 7)))

describe.each([
  {
    kind: 'keys',
    url: '/v1/keys',
    input: (more?: Body) => ({ ...KEY, ...more }),
    told: 'secret',
  },
  { kind: 'logins', url: '/v1/credentials', input: aLogin, told: 'password' },
])('$kind', ({ url, input, told }) => {
  test('are told once, are not cached, and never again', async () => {
    const answer = await post(url, input())
    const body = answer.json<Body>()
    const secret = String(body[told])
    expect(answer.statusCode).toBe(201)
    expect(answer.headers).toMatchObject({
      'cache-control': 'no-store',
      location: `${url}/${idOf(body)}`,
    })
    expect(secret.length).toBeGreaterThanOrEqual(32)
    const rotated = await post(`${url}/${idOf(body)}/rotate`, {})
    expect(rotated.headers['cache-control']).toBe('no-store')
    const next = String(rotated.json<Body>()[told])
    expect(next).not.toBe(secret)
    const after = [
      await get(url),
      await get(`${url}/${idOf(body)}`),
      await patch(`${url}/${idOf(body)}`, { networks: ['::1'] }),
    ]
    for (const { statusCode, body: text } of after) {
      expect(statusCode).toBe(200)
      expect([betrays(text, secret), betrays(text, next), text.includes('hash')]).toEqual([
        false,
        false,
        false,
      ])
    }
    expect(betrays(JSON.stringify(world.log.lines), secret)).toBe(false)
  })

  test('are paged, newest first', async () => {
    const ids: string[] = []
    for (let i = 0; i < 3; i++) ids.unshift(idOf(await made(url, input())))
    interface Page {
      items: Body[]
      nextCursor: string | null
    }
    const first = (await get(`${url}?limit=2`)).json<Page>()
    expect(first.items.map(idOf)).toEqual(ids.slice(0, 2))
    const second = (await get(`${url}?limit=2&cursor=${first.nextCursor!}`)).json<Page>()
    expect(idOf(second.items[0]!)).toBe(ids[2])
    const whole = (await get(`${url}?limit=500`)).json<Page>()
    expect(whole.nextCursor).toBeNull()
    const other = url === '/v1/keys' ? '/v1/credentials' : '/v1/keys'
    expect(codeOf(await get(`${other}?cursor=${first.nextCursor!}`))).toBe('CURSOR_INVALID')
  })

  test('are revoked with 204, once or twice', async () => {
    const id = idOf(await made(url, input()))
    for (let i = 0; i < 2; i++)
      expect((await call({ method: 'DELETE', url: `${url}/${id}` })).statusCode).toBe(204)
    expect((await get(`${url}/${id}`)).json<Body>()['state']).toBe('revoked')
    expect(codeOf(await patch(`${url}/${id}`, { networks: [] }))).toBe('STATE_CONFLICT')
    expect(codeOf(await post(`${url}/${id}/rotate`, {}))).toBe('STATE_CONFLICT')
  })

  test('of another tenant are not there', async () => {
    const id = idOf(await made(url, input()))
    const stranger = await world.newTenant(`stranger-${++names}`)
    const { secret } = await world.newKey(stranger, ['keys:read', 'keys:manage', 'messages:send'])
    const answers = [
      await call({ url: `${url}/${id}`, secret }),
      await call({ method: 'PATCH', url: `${url}/${id}`, body: { networks: [] }, secret }),
      await post(`${url}/${id}/rotate`, {}, secret),
      await call({ method: 'DELETE', url: `${url}/${id}`, secret }),
    ]
    expect(answers.map(codeOf)).toEqual(['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND'])
    const list = await call({ url, secret })
    expect(list.body).not.toContain(id)
    expect((await get(`${url}/${id}`)).json<Body>()['state']).toBe('live')
  })

  test('end when they are to, and lose their end when told to', async () => {
    const body = await made(url, input({ expiresAt: '2030-01-01T01:00:00+01:00' }))
    expect(body['expiresAt']).toBe('2030-01-01T00:00:00.000Z')
    const changed = await patch(`${url}/${idOf(body)}`, { expiresAt: null })
    expect(changed.json<Body>()).not.toHaveProperty('expiresAt')
  })

  test('take nothing in their bodies that is not theirs', async () => {
    const id = idOf(await made(url, input()))
    const stranger: readonly (readonly [string, unknown])[] = [
      ['id', 'key_00000000001'],
      ['tenant', 'ten_00000000002'],
      ['tenant_id', 2],
      ['secret', 'x'],
      ['secretHash', 'x'],
      ['createdBy', 'me'],
      ['state', 'live'],
      ['revokedAt', null],
    ]
    for (const [field, value] of stranger) {
      const answers = [
        await post(url, input({ [field]: value })),
        await patch(`${url}/${id}`, { [field]: value }),
        await post(`${url}/${id}/rotate`, { [field]: value }),
      ]
      expect([field, answers.map(codeOf)]).toEqual([field, Array(3).fill('FIELD_UNKNOWN')])
    }
    expect(codeOf(await patch(`${url}/${id}`, { mode: 'live' }))).toBe('FIELD_UNKNOWN')
    expect(codeOf(await patch(`${url}/${id}`, {}))).toBe('BODY_INVALID')
  })

  test.each<[change: Body, path: string]>([
    [{ networks: ['192.0.2.0/99'] }, 'networks/0'],
    [{ networks: 'any' }, 'networks'],
    [{ expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
    [{ expiresAt: '2030-02-31T00:00:00Z' }, 'expiresAt'],
    [{ expiresAt: 5 }, 'expiresAt'],
    [{ mode: 'dry' }, 'mode'],
  ])('%j is refused at %s', async (change, path) => {
    const answer = await post(url, input(change))
    expect([codeOf(answer), pathsOf(answer)]).toEqual(['BODY_INVALID', [path]])
  })

  test('are made, changed and rotated by who may manage keys, and by nobody else', async () => {
    const id = idOf(await made(url, input()))
    const { secret } = await world.newKey(world.tenant, ['keys:read', 'messages:send'])
    const answers = [
      await post(url, input(), secret),
      await call({ method: 'PATCH', url: `${url}/${id}`, body: { networks: [] }, secret }),
      await post(`${url}/${id}/rotate`, {}, secret),
      await call({ method: 'DELETE', url: `${url}/${id}`, secret }),
    ]
    expect(answers.map(codeOf)).toEqual(Array(4).fill('SCOPE_MISSING'))
  })
})

describe('giving', () => {
  const holder = (scopes: readonly Permission[], mode: 'live' | 'test' = 'live') =>
    world.newKey(world.tenant, ['keys:manage', ...scopes], mode)

  test('no more than one has', async () => {
    const { secret } = await holder(['messages:read'])
    expect(codeOf(await post('/v1/keys', KEY, secret))).toBe('GRANT_FORBIDDEN')
    expect(codeOf(await post('/v1/credentials', aLogin(), secret))).toBe('GRANT_FORBIDDEN')
    const strong = await made('/v1/keys', { ...KEY, scopes: ['billing:manage'] })
    const url = `/v1/keys/${idOf(strong)}`
    expect(codeOf(await post(`${url}/rotate`, {}, secret))).toBe('GRANT_FORBIDDEN')
    const change = { scopes: ['billing:manage', 'messages:send'] }
    expect(codeOf(await call({ method: 'PATCH', url, body: change, secret }))).toBe(
      'GRANT_FORBIDDEN',
    )
    const own = { ...KEY, scopes: ['messages:read', 'keys:manage'] }
    expect((await post('/v1/keys', own, secret)).statusCode).toBe(201)
  })

  test('nothing that sends, with a test key', async () => {
    const { secret } = await holder(['messages:send'], 'test')
    for (const [url, input] of [
      ['/v1/keys', KEY],
      ['/v1/credentials', aLogin()],
    ] as const) {
      expect(codeOf(await post(url, input, secret))).toBe('GRANT_FORBIDDEN')
      expect((await post(url, { ...input, mode: 'test' }, secret)).statusCode).toBe(201)
    }
    const live = idOf(await made('/v1/keys', KEY))
    expect(codeOf(await post(`/v1/keys/${live}/rotate`, {}, secret))).toBe('GRANT_FORBIDDEN')
  })
})

test('a key that was made is good at once, its old one for the overlap, and a revoked one no more', async () => {
  const body = await made('/v1/keys', { ...KEY, scopes: ['keys:read'] })
  const secret = String(body['secret'])
  expect(isApiKey(secret)).toBe(true)
  const use = (text: string) => call({ url: '/v1/keys', secret: text })
  expect((await use(secret)).statusCode).toBe(200)
  const rotated = await post(`/v1/keys/${idOf(body)}/rotate`, { overlapSeconds: 0 })
  expect(rotated.statusCode).toBe(201)
  const next = rotated.json<Body & { former: Body }>()
  expect(next.former).toMatchObject({ id: body['id'], state: 'expired', replacedBy: next['id'] })
  expect(codeOf(await use(secret))).toBe('AUTH_EXPIRED')
  expect((await use(String(next['secret']))).statusCode).toBe(200)
  await call({ method: 'DELETE', url: `/v1/keys/${idOf(next)}` })
  expect(codeOf(await use(String(next['secret'])))).toBe('AUTH_REVOKED')
})

test('a key is refused from a network it is not bound to', async () => {
  const input = { ...KEY, scopes: ['keys:read'], networks: ['203.0.113.0/24'] }
  const { secret } = await made('/v1/keys', input)
  const from = (remoteAddress: string) =>
    world.app.inject({
      url: '/v1/keys',
      remoteAddress,
      headers: { authorization: `Bearer ${String(secret)}` },
    })
  expect((await from('203.0.113.9')).statusCode).toBe(200)
  expect((await from('::ffff:203.0.113.9')).statusCode).toBe(200)
  const refused = await from('198.51.100.9')
  expect([refused.statusCode, codeOf(refused)]).toEqual([403, 'NETWORK_FORBIDDEN'])
  // Whoever can write a header must not be able to write where they are.
  const forged = await world.app.inject({
    url: '/v1/keys',
    remoteAddress: '198.51.100.9',
    headers: { authorization: `Bearer ${String(secret)}`, 'x-forwarded-for': '203.0.113.9' },
  })
  expect(codeOf(forged)).toBe('NETWORK_FORBIDDEN')
})

test('a rate of its own is kept, apart from that of other keys', async () => {
  const { secret } = await made('/v1/keys', {
    ...KEY,
    scopes: ['keys:read'],
    requestsPerSecond: 2,
  })
  const answers: LightMyRequestResponse[] = []
  for (let i = 0; i < 3; i++) answers.push(await call({ url: '/v1/keys', secret: String(secret) }))
  expect(answers[0]!.headers['ratelimit-limit']).toBe('2')
  expect(codeOf(answers[2]!)).toBe('RATE_LIMITED')
  expect((await get('/v1/keys')).statusCode).toBe(200)
})

describe('a key in the URL', () => {
  const places: readonly (readonly [why: string, at: (key: string) => string, status: number])[] = [
    ['as api_key', (key) => `/v1/keys?api_key=${key}`, 401],
    ['as access_token (RFC 6750 §2.3)', (key) => `/v1/keys?access_token=${key}`, 401],
    ['as authorization', (key) => `/v1/keys?authorization=Bearer%20${key}`, 401],
    ['as the user of the URL', (key) => `/v1/keys?key=${key}&limit=1`, 401],
    ['as an id', (key) => `/v1/keys/${key}`, 401],
    ['as a path of its own', (key) => `/v1/${key}/keys`, 404],
  ]
  test.each(places)('%s lets nobody in', async (_why, at, status) => {
    const answer = await world.app.inject(at(world.key))
    expect(answer.statusCode).toBe(status)
    expect(answer.body).not.toContain(world.key)
  })

  test.each(places)('%s is refused with a right header too, and not logged', async (_why, at) => {
    world.log.clear()
    const answer = await get(at(world.key))
    expect(answer.statusCode).toBeGreaterThanOrEqual(400)
    expect(answer.statusCode).toBeLessThan(500)
    expect(answer.body).not.toContain(world.key)
    expect(world.log.lines.length).toBeGreaterThan(0)
    expect(JSON.stringify(world.log.lines)).not.toContain(world.key.slice(8))
  })

  test('nor is one taken from a body, a cookie or another header', async () => {
    for (const headers of [
      { cookie: `api_key=${world.key}` },
      { 'x-api-key': world.key },
      { 'proxy-authorization': `Bearer ${world.key}` },
    ])
      expect(codeOf(await world.app.inject({ url: '/v1/keys', headers }))).toBe('AUTH_REQUIRED')
    const form = await world.app.inject({
      method: 'POST',
      url: '/v1/keys',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: `access_token=${world.key}`,
    })
    expect(codeOf(form)).toBe('AUTH_REQUIRED')
  })
})

test('a name is taken for good', async () => {
  await made('/v1/credentials', LOGIN)
  const again = await post('/v1/credentials', LOGIN)
  expect([again.statusCode, codeOf(again)]).toEqual([409, 'NAME_TAKEN'])
})
