import fastify from 'fastify'
import type { FastifyContextConfig } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installAuth } from '../../server/http/auth.ts'
import { realClock, realRandom } from '../../server/ports.ts'
import { newApiKey } from '../../server/services/auth/secret.ts'
import { SCOPES } from '../../server/services/auth/principal.ts'
import { aMessage, codeOf, GENEROUS, openWorld } from './support.ts'
import type { World } from './support.ts'

let world: World
const routes: { method: string; url: string; scope: string | undefined }[] = []
beforeAll(async () => {
  world = await openWorld()
  // The description is made from the routes, so it names every one that is not a page.
  const { paths } = (await world.get('/openapi.json')).json<{
    paths: Record<string, Record<string, { description: string; security?: unknown }>>
  }>()
  for (const [url, item] of Object.entries(paths))
    for (const [method, { description, security }] of Object.entries(item))
      routes.push({
        method: method.toUpperCase(),
        url: url.replace(
          '{id}',
          url.includes('deliveries') ? 'dlv_00000000001' : 'msg_00000000001',
        ),
        scope: security === undefined ? undefined : /scope `([a-z:]+)`/.exec(description)?.[1],
      })
})
afterAll(() => world.close())

const call = (route: { method: string; url: string }, authorization?: string) =>
  world.app.inject({
    method: route.method as 'GET',
    url: route.url,
    headers: { ...(authorization === undefined ? {} : { authorization }) },
  })

test('every route under /v1 asks for a scope, and no other does', () => {
  expect(routes.length).toBeGreaterThan(10)
  for (const { url, scope } of routes)
    expect([url, (SCOPES as readonly (string | undefined)[]).includes(scope)]).toEqual([
      url,
      url.startsWith('/v1/'),
    ])
})

test('every route × every scope: only the declared one opens it', async () => {
  for (const scope of SCOPES) {
    const { secret } = await world.newKey(world.tenant, [scope])
    for (const route of routes.filter((one) => one.scope !== undefined)) {
      const answer = await call(route, `Bearer ${secret}`)
      const refused = answer.statusCode === 403
      expect([scope, route.method, route.url, refused]).toEqual([
        scope,
        route.method,
        route.url,
        route.scope !== scope,
      ])
      if (!refused) continue
      expect(codeOf(answer)).toBe('SCOPE_MISSING')
      expect(answer.headers['www-authenticate']).toContain(`scope="${String(route.scope)}"`)
    }
  }
})

test('a route that declares neither a scope nor that it is public, or both, does not build', () => {
  const bare = fastify()
  installAuth(bare, {
    auth: {
      key: () => {
        throw new Error('not asked')
      },
    },
    limits: GENEROUS,
    clock: realClock,
  })
  const route =
    (config: FastifyContextConfig): (() => unknown) =>
    () =>
      bare.get('/x', { config }, () => 'x')
  expect(route({})).toThrow('GET /x must declare a scope')
  expect(route({ public: true, scope: 'messages:read' })).toThrow('GET /x must declare a scope')
  expect(route({ public: true })).not.toThrow()
})

describe('credentials', () => {
  test.each([
    ['none', undefined, 'AUTH_REQUIRED'],
    ['empty', '', 'AUTH_FAILED'],
    ['basic', 'Basic dXNlcjpwYXNz', 'AUTH_FAILED'],
    ['no token', 'Bearer', 'AUTH_FAILED'],
    ['a space as token', 'Bearer  ', 'AUTH_FAILED'],
    ['two tokens', 'Bearer a b', 'AUTH_FAILED'],
    ['endless', `Bearer ${'x'.repeat(5000)}`, 'AUTH_FAILED'],
    ['not of our form', 'Bearer sk_live_123', 'AUTH_FAILED'],
    ['our form, wrong check', `Bearer ph_live_${'a'.repeat(32)}000000`, 'AUTH_FAILED'],
  ])('%s', async (_what, authorization, code) => {
    for (const url of ['/v1/messages', '/v1/messages/batch', '/v1/messages/raw']) {
      const answer = await call({ method: 'POST', url }, authorization)
      expect([answer.statusCode, codeOf(answer)]).toEqual([401, code])
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="posthorn"/)
    }
  })

  test('a well-formed key that nobody has is refused like any other', async () => {
    const unknown = newApiKey('live', realRandom)
    const answer = await call({ method: 'GET', url: '/v1/messages' }, `Bearer ${unknown}`)
    expect(codeOf(answer)).toBe('AUTH_FAILED')
  })

  test('a revoked key says so, and a lower-case scheme is fine', async () => {
    const made = await world.newKey(world.tenant, ['messages:read'])
    const list = () => call({ method: 'GET', url: '/v1/messages' }, `bearer ${made.secret}`)
    expect((await list()).statusCode).toBe(200)
    await made.revoke()
    expect(codeOf(await list())).toBe('AUTH_REVOKED')
  })

  test('a stranger is refused before the body is looked at', async () => {
    const answer = await world.post('/v1/messages', 'x'.repeat(2 * GENEROUS.bodyLimit), {
      authorization: 'Bearer wrong',
    })
    expect(codeOf(answer)).toBe('AUTH_FAILED')
  })
})

describe('rate', () => {
  test('headers count down, the limit answers 429, and other keys are not touched', async () => {
    const slow = await openWorld({
      limits: { ...GENEROUS, requestsPerSecond: 0.01, requestBurst: 3 },
    })
    const answers = []
    for (let i = 0; i < 4; i++) answers.push(await slow.post('/v1/messages', aMessage()))
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([202, 202, 202, 429])
    expect(answers.map(({ headers }) => headers['ratelimit-remaining'])).toEqual([
      '2',
      '1',
      '0',
      '0',
    ])
    expect(answers[0]!.headers).toMatchObject({ 'ratelimit-limit': '3', 'ratelimit-reset': '100' })
    expect(codeOf(answers[3]!)).toBe('RATE_LIMITED')
    expect(Number(answers[3]!.headers['retry-after'])).toBeGreaterThan(90)

    const { secret } = await slow.newKey(slow.tenant, ['messages:read'])
    const other = await slow.get('/v1/messages', { authorization: `Bearer ${secret}` })
    expect(other.statusCode).toBe(200)
    await slow.close()
  })
})
