/** CORS: off; for named sites only with a key; never with a cookie. */
import { describe, expect, test } from 'vitest'
import { AppError } from '../../server/core/errors.ts'
import { sessionTokenOf } from '../../server/http/cookies.ts'
import { bareApp } from './bare.ts'
import type { BareApp } from './bare.ts'

const APP = 'https://app.example.com'
const COOKIE = `__Host-posthorn=${'a'.repeat(43)}`

const withRoutes = (corsOrigins: string[]): Promise<BareApp> =>
  bareApp(
    (app) => {
      app.addHook('onRequest', (request, _reply, done) => {
        const { public: isPublic } = request.routeOptions.config
        const isKnown = request.headers.authorization !== undefined || sessionTokenOf(request)
        done(isPublic === true || isKnown ? undefined : new AppError('AUTH_REQUIRED'))
      })
      const keyed = { permission: 'messages:read' } as const
      app.get('/v1/messages/:id', { config: keyed }, () => ({ secret: 'mail' }))
      app.delete('/v1/messages/:id', { config: keyed }, () => ({}))
      app.get('/v1/people', { config: { ...keyed, personOnly: true } }, () => ({
        secret: 'people',
      }))
      app.get('/v1/session', { config: { account: 'any' } }, () => ({ csrf: 'secret' }))
      app.get('/healthz', { config: { public: true } }, () => ({ status: 'ok' }))
    },
    { corsOrigins },
  )

/** What a browser asks of the answer before it shows it to the page, or sends the real request at all. */
const crossOriginHeaders = (headers: Record<string, unknown>): string[] =>
  Object.keys(headers).filter((name) => name.startsWith('access-control-'))

const preflight = (url: string, method: string, origin = APP) => ({
  method: 'OPTIONS' as const,
  url,
  headers: {
    origin,
    'access-control-request-method': method,
    'access-control-request-headers': 'authorization',
  },
})

test('is off: no site is told anything', async () => {
  const { app } = await withRoutes([])
  const asked = await app.inject(preflight('/v1/messages/1', 'GET'))
  expect([asked.statusCode, crossOriginHeaders(asked.headers)]).toEqual([405, []])
  const authorization = 'Bearer key'
  const got = await app.inject({ url: '/v1/messages/1', headers: { origin: APP, authorization } })
  expect([got.statusCode, crossOriginHeaders(got.headers)]).toEqual([200, []])
})

describe('a named site', () => {
  test('may ask with a key, and a preflight says so for two hours', async () => {
    const { app } = await withRoutes([APP])
    const asked = await app.inject(preflight('/v1/messages/1?x=1', 'DELETE'))
    expect([asked.statusCode, asked.body]).toEqual([204, ''])
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': APP,
      'access-control-allow-methods': 'GET, HEAD, DELETE',
      'access-control-allow-headers': 'authorization, content-type, idempotency-key',
      'access-control-max-age': '7200',
      vary: 'Origin',
    })
    const authorization = 'Bearer key'
    const got = await app.inject({ url: '/v1/messages/1', headers: { origin: APP, authorization } })
    expect(got.headers).toMatchObject({ 'access-control-allow-origin': APP, vary: 'Origin' })
    expect(got.headers['access-control-allow-credentials']).toBeUndefined()
  })

  test('cannot read what a cookie opens, on any route', async () => {
    const { app } = await withRoutes([APP])
    for (const url of ['/v1/messages/1', '/v1/people', '/v1/session', '/healthz']) {
      const got = await app.inject({ url, headers: { origin: APP, cookie: COOKIE } })
      expect([url, got.statusCode, crossOriginHeaders(got.headers)]).toEqual([url, 200, []])
    }
  })

  test.each([
    ['/v1/people', 'GET', 'is for people only'],
    ['/v1/session', 'GET', 'is about an account'],
    ['/healthz', 'GET', 'needs no key'],
    ['/v1/messages/1', 'PUT', 'has no such method'],
    ['/v1/messages/1/x', 'GET', 'is not there'],
  ])('gets no preflight for %s %s, which %s', async (url, method) => {
    const { app } = await withRoutes([APP])
    const asked = await app.inject(preflight(url, method))
    expect(asked.statusCode).toBeGreaterThanOrEqual(400)
    expect(crossOriginHeaders(asked.headers)).toEqual([])
  })
})

test.each([
  ['https://evil.example', 'another site'],
  ['http://app.example.com', 'the same without TLS'],
  ['https://app.example.com:8443', 'another port'],
  ['https://x.app.example.com', 'a host below'],
  ['https://app.example.com.evil.example', 'a host that begins alike'],
  ['null', 'a sandboxed frame'],
])('%s is not named: %s', async (origin) => {
  const { app } = await withRoutes([APP])
  const asked = await app.inject(preflight('/v1/messages/1', 'GET', origin))
  expect(crossOriginHeaders(asked.headers)).toEqual([])
  const authorization = 'Bearer key'
  const got = await app.inject({ url: '/v1/messages/1', headers: { origin, authorization } })
  expect(crossOriginHeaders(got.headers)).toEqual([])
})
