/** The gate: what a route must declare, how a key is presented, and what is looked at before the caller is known. */
import fastify from 'fastify'
import type { FastifyContextConfig } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isPlatformPermission } from '../../server/core/permission.ts'
import { installAuth } from '../../server/http/auth.ts'
import { realClock, realRandom } from '../../server/ports.ts'
import { newApiKey } from '../../server/services/auth/secret.ts'
import { aMessage, codeOf, GENEROUS, openWorld, ORIGIN } from './support.ts'
import type { World } from './support.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

const call = (method: 'GET' | 'POST', url: string, headers: Record<string, string> = {}) =>
  world.app.inject({ method, url, headers })

describe('a route', () => {
  const never = (): never => {
    throw new Error('not asked')
  }
  const route =
    (config: FastifyContextConfig): (() => unknown) =>
    () => {
      const bare = fastify()
      installAuth(bare, {
        auth: { key: never, countryOf: never, hasTenant: never },
        control: { sessions: world.control.sessions, publicUrl: ORIGIN },
        limits: GENEROUS,
        clock: realClock,
      })
      return bare.get('/x', { config }, () => 'x')
    }

  test.each<[config: FastifyContextConfig, why: string]>([
    [{}, 'nothing'],
    [{ stepUp: true }, 'a condition and nobody'],
    [{ personOnly: true }, 'people, and which'],
    [{ public: true, permission: 'messages:read' }, 'everybody and somebody'],
    [{ public: true, account: 'any' }, 'everybody and somebody'],
    [{ account: 'open', permission: 'messages:read' }, 'two kinds'],
    [{ account: 'open', permission: 'messages:read', public: true }, 'all kinds'],
  ])('with %o does not build: %s', (config) => {
    expect(route(config)).toThrow('Route GET /x must declare')
  })
  test.each<[config: FastifyContextConfig]>([
    [{ public: true }],
    [{ permission: 'messages:read' }],
    [{ permission: 'keys:manage', stepUp: true, personOnly: true }],
    [{ account: 'enrol', stepUp: true }],
  ])('with %o builds', (config) => {
    expect(route(config)).not.toThrow()
  })
})

describe('a key', () => {
  test.each([
    ['none', undefined, 'AUTH_REQUIRED'],
    ['empty', '', 'AUTH_FAILED'],
    ['basic', 'Basic dXNlcjpwYXNz', 'AUTH_FAILED'],
    ['no token', 'Bearer', 'AUTH_FAILED'],
    ['a space as token', 'Bearer  ', 'AUTH_FAILED'],
    ['two tokens', 'Bearer a b', 'AUTH_FAILED'],
    ['two schemes', 'Basic x, Bearer y', 'AUTH_FAILED'],
    ['endless', `Bearer ${'x'.repeat(5000)}`, 'AUTH_FAILED'],
    ['not of our form', 'Bearer sk_live_123', 'AUTH_FAILED'],
    ['our form, wrong check', `Bearer ph_live_${'a'.repeat(32)}000000`, 'AUTH_FAILED'],
    ['well-formed, of nobody', `Bearer ${newApiKey('live', realRandom)}`, 'AUTH_FAILED'],
  ])('%s is refused alike on every route', async (_what, authorization, code) => {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
    for (const [method, url] of [
      ['GET', '/v1/messages'],
      ['POST', '/v1/messages'],
      ['POST', '/v1/messages/raw'],
      ['POST', '/v1/keys'],
      ['GET', '/v1/session'],
    ] as const) {
      const answer = await call(method, url, headers)
      expect([url, answer.statusCode, codeOf(answer)]).toEqual([url, 401, code])
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="posthorn"/)
    }
  })

  test('may write the scheme in lower case, and says what it was revoked for', async () => {
    const made = await world.newKey(world.tenant, ['messages:read'])
    const list = () => call('GET', '/v1/messages', { authorization: `bearer ${made.secret}` })
    expect((await list()).statusCode).toBe(200)
    await made.revoke()
    expect(codeOf(await list())).toBe('AUTH_REVOKED')
  })

  test('is told which scope it lacks (RFC 6750 §3)', async () => {
    const { secret } = await world.newKey(world.tenant, ['messages:read'])
    const answer = await call('POST', '/v1/messages', { authorization: `Bearer ${secret}` })
    expect([answer.statusCode, codeOf(answer)]).toEqual([403, 'SCOPE_MISSING'])
    expect(answer.headers['www-authenticate']).toBe(
      'Bearer realm="posthorn", error="insufficient_scope", scope="messages:send"',
    )
  })

  test('counts, and not the session beside it: who sends both is the key', async () => {
    const person = await world.people({ role: 'owner' })
    const { secret } = await world.newKey(world.tenant, ['messages:read'])
    const headers = { ...person.headers, authorization: `Bearer ${secret}` }
    expect(codeOf(await call('GET', '/v1/keys', headers))).toBe('SCOPE_MISSING')
    const wrong = { ...person.headers, authorization: 'Bearer wrong' }
    expect(codeOf(await call('GET', '/v1/messages', wrong))).toBe('AUTH_FAILED')
  })

  test('needs no origin and no CSRF token: no browser sends it by itself', async () => {
    const answer = await world.post('/v1/messages', aMessage(), { origin: 'https://shop.example' })
    expect(answer.statusCode).toBe(202)
  })
})

describe('a stranger is refused before the body is looked at', () => {
  test.each([
    ['too long', 'x'.repeat(2 * GENEROUS.bodyLimit), 'application/json'],
    ['no JSON', '{"from":', 'application/json'],
    ['of a type that nobody reads', '<xml/>', 'application/xml'],
  ])('%s', async (_what, payload, type) => {
    for (const authorization of ['Bearer wrong', undefined]) {
      const answer = await world.app.inject({
        method: 'POST',
        url: '/v1/messages',
        headers: { 'content-type': type, ...(authorization ? { authorization } : {}) },
        payload,
      })
      expect(answer.statusCode).toBe(401)
    }
  })

  test('while who is known hears what is wrong with it', async () => {
    const answer = await world.post('/v1/messages', 'x'.repeat(2 * GENEROUS.bodyLimit))
    expect(codeOf(answer)).toBe('MESSAGE_TOO_BIG')
  })

  test('and before it is told whether there is such a thing', async () => {
    const there = await world.post('/v1/messages', aMessage())
    const { id } = there.json<{ id: string }>()
    const answers = await Promise.all(
      [id, 'msg_00000000001', 'nonsense'].map((one) => call('GET', `/v1/messages/${one}`)),
    )
    expect(answers.map(codeOf)).toEqual(['AUTH_REQUIRED', 'AUTH_REQUIRED', 'AUTH_REQUIRED'])
  })
})

describe('the tenant of a request', () => {
  const unnamed = (headers: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'posthorn-tenant'))

  test.each([
    ['x', 'no id'],
    ['usr_00000000001', 'of another kind'],
    ['', 'empty'],
    ['ten_00000000001, ten_00000000002', 'two'],
  ])('%j is refused: %s', async (named) => {
    const person = await world.people({ role: 'owner' })
    const headers = { ...person.headers, 'posthorn-tenant': named }
    const answer = await call('GET', '/v1/keys', headers)
    expect([answer.statusCode, codeOf(answer)]).toEqual([400, 'ID_INVALID'])
  })

  test('is asked of an operator where a route is about one, and not for the installation', async () => {
    const operator = await world.people({ platformRole: 'admin' })
    const headers = unnamed(operator.headers)
    for (const [url, expected] of [
      ['/v1/keys', 'TENANT_REQUIRED'],
      ['/v1/messages', 'TENANT_REQUIRED'],
      ['/v1/audit', 'TENANT_REQUIRED'],
      ['/v1/audit?all=true', 200],
      ['/v1/security-events?all=true', 200],
      ['/v1/tenants', 200],
    ] as const) {
      const answer = await call('GET', url, headers)
      const outcome = answer.statusCode === 200 ? 200 : codeOf(answer)
      expect([url, outcome]).toEqual([url, expected])
    }
  })

  test('every route about one asks an operator for it', async () => {
    const operator = await world.people({ platformRole: 'admin' })
    const headers = unnamed(operator.headers)
    await world.app.ready()
    const reading = world.app.routeAccess.filter(
      ({ method, permission }) =>
        method === 'GET' && permission !== undefined && !isPlatformPermission(permission),
    )
    expect(reading.length).toBeGreaterThan(15)
    for (const { url } of reading) {
      const answer = await call('GET', url.replaceAll(/:\w+/g, 'x'), headers)
      // An id that is none may be found first.
      expect([url, ['TENANT_REQUIRED', 'ID_INVALID'].includes(codeOf(answer))]).toEqual([url, true])
    }
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

  test('counts requests that are refused, too: a key without a scope does not knock for free', async () => {
    const slow = await openWorld({
      limits: { ...GENEROUS, requestsPerSecond: 0.01, requestBurst: 2 },
    })
    const { secret } = await slow.newKey(slow.tenant, ['messages:read'])
    const headers = { authorization: `Bearer ${secret}` }
    const codes: string[] = []
    for (let i = 0; i < 3; i++) codes.push(codeOf(await slow.get('/v1/keys', headers)))
    expect(codes).toEqual(['SCOPE_MISSING', 'SCOPE_MISSING', 'RATE_LIMITED'])
    await slow.close()
  })
})
