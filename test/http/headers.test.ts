/** Security headers of every answer, and of pages, which may relax their policy and nothing else. */
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { homePage } from '../../server/http/docs/home.ts'
import { STYLE } from '../../server/http/docs/style.ts'
import { pagePolicy } from '../../server/http/hardening.ts'
import { bareApp, outcomeOf } from './bare.ts'
import type { BareApp, BareOptions } from './bare.ts'
import { aMessage, openWorld } from './support.ts'
import type { World } from './support.ts'

const STRICT = {
  'content-security-policy':
    "default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'permissions-policy': expect.stringContaining('camera=()') as string,
  'cache-control': 'no-store',
}

const withRoutes = (options: BareOptions = {}): Promise<BareApp> =>
  bareApp((app) => {
    app.get('/v1/ok', () => ({ ok: true }))
    app.get('/v1/things/:id', () => ({ ok: true }))
    app.post('/v1/body', () => ({ ok: true }))
    app.get('/v1/broken', () => Promise.reject(new Error('on fire')))
    app.get('/page', (_request, reply) =>
      reply.headers({ 'content-security-policy': pagePolicy({ styles: ["'self'"] }) }).send('x'),
    )
  }, options)

describe('every answer has them', () => {
  const rows: [method: 'GET' | 'POST', url: string, status: number, code: string, why: string][] = [
    ['GET', '/v1/ok', 200, '', 'a success'],
    ['GET', '/v1/broken', 500, 'INTERNAL', 'a failure of ours'],
    ['GET', '/v1/none', 404, 'ROUTE_NOT_FOUND', 'no such path'],
    ['POST', '/v1/ok', 405, 'METHOD_NOT_ALLOWED', 'no such method'],
    ['POST', '/v1/body', 400, 'BODY_NOT_JSON', 'a body that cannot be read'],
    ['GET', '/v1/%zz', 400, 'REQUEST_MALFORMED', 'a URL that no hook sees'],
    ['GET', `/v1/things/${'x'.repeat(500)}`, 400, 'ID_INVALID', 'a parameter that no hook sees'],
  ]
  test.each(rows)('%s %s → %i %s: %s', async (method, url, status, code) => {
    const { app } = await withRoutes()
    const payload = method === 'POST' ? { payload: '{', headers: JSON_TYPE } : {}
    const answer = await app.inject({ method, url, ...payload })
    expect(outcomeOf(answer)).toEqual([status, code])
    expect(answer.headers).toMatchObject(STRICT)
    expect(answer.headers['x-powered-by']).toBeUndefined()
    expect(answer.headers['server']).toBeUndefined()
  })
  const JSON_TYPE = { 'content-type': 'application/json' }

  test('also when a hook refuses before anything else is looked at', async () => {
    const { app } = await bareApp((scope) => {
      scope.addHook('onRequest', (_request, _reply, done) => done(new Error('closed')))
      scope.get('/v1/ok', () => 'x')
    })
    const answer = await app.inject('/v1/ok')
    expect(answer.statusCode).toBe(500)
    expect(answer.headers).toMatchObject(STRICT)
  })
})

describe('the whole program', () => {
  let world: World
  beforeAll(async () => {
    world = await openWorld()
  })
  afterAll(() => world.close())

  test('has them on every route it documents, before it knows who asks', async () => {
    const { paths } = (await world.app.inject('/openapi.json')).json<{
      paths: Record<string, Record<string, unknown>>
    }>()
    const routes = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => [method.toUpperCase(), path.replace(/\{\w+\}/g, 'x')]),
    )
    expect(routes.length).toBeGreaterThan(50)
    for (const [method = '', url = ''] of routes) {
      const { headers } = await world.app.inject({ method: method as 'GET', url })
      // The description of the API is the same for everybody and may be kept.
      const cache = { 'cache-control': url === '/openapi.json' ? 'no-cache' : 'no-store' }
      expect([method, url, headers]).toMatchObject([method, url, { ...STRICT, ...cache }])
    }
  })

  test.each(['/', '/docs'])('%s relaxes its styles only', async (url) => {
    const { headers } = await world.app.inject(url)
    const { 'content-security-policy': policy, ...rest } = headers
    expect(policy).toMatch(/^default-src 'none';style-src 'sha256-[^' ]+';base-uri 'none';/)
    expect(rest).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'cross-origin-opener-policy': 'same-origin',
      'cache-control': 'no-cache',
    })
  })

  test('keeps a download in a sandbox', async () => {
    const sent = await world.post('/v1/messages', aMessage())
    const { id } = sent.json<{ id: string }>()
    const { headers } = await world.get(`/v1/messages/${id}/content`)
    expect(headers['content-security-policy']).toBe("default-src 'none'; sandbox")
    expect(headers['content-disposition']).toMatch(/^attachment/)
  })
})

describe('a page', () => {
  test('relaxes its policy and keeps everything else', async () => {
    const { app } = await withRoutes()
    const { headers } = await app.inject('/page')
    expect(headers).toMatchObject({
      ...STRICT,
      'content-security-policy':
        "default-src 'none';style-src 'self';base-uri 'none';form-action 'none';frame-ancestors 'none'",
    })
  })

  test('of an application names what it loads, and nothing is evaluated or inlined', () => {
    const self = ["'self'"]
    const policy = pagePolicy({
      scripts: self,
      styles: self,
      connect: self,
      img: ["'self'", 'data:'],
    })
    expect(policy).toBe(
      "default-src 'none';script-src 'self';style-src 'self';connect-src 'self';img-src 'self' data:;base-uri 'none';form-action 'none';frame-ancestors 'none'",
    )
  })

  test('cannot smuggle in a directive', () => {
    expect(() => pagePolicy({ scripts: ["'self'; script-src *"] })).toThrow()
  })

  test('of the documentation carries the very style that its policy names', () => {
    const inlined = /<style>([^]*)<\/style>/.exec(homePage('1'))?.[1]
    expect(inlined).toBe(STYLE)
    const hash = createHash('sha256').update(inlined!).digest('base64')
    expect(pagePolicy({ styles: [`'sha256-${hash}'`] })).toContain(`style-src 'sha256-${hash}'`)
  })
})

test.each<[why: string, proxies: string[], headers: Record<string, string>, isSent: boolean]>([
  ['plain HTTP', [], {}, false],
  ['a client that says it is TLS', [], { 'x-forwarded-proto': 'https' }, false],
  ['a proxy that is not trusted', ['192.0.2.1'], { 'x-forwarded-proto': 'https' }, false],
  ['a trusted proxy over TLS', ['127.0.0.1'], { 'x-forwarded-proto': 'https' }, true],
  ['a trusted proxy over plain HTTP', ['127.0.0.1'], { 'x-forwarded-proto': 'http' }, false],
  [
    'a client of a trusted proxy that lies',
    ['127.0.0.1'],
    { 'x-forwarded-proto': 'https, http' },
    false,
  ],
])('HSTS for %s', async (_why, trustedProxies, headers, isSent) => {
  const { app } = await withRoutes({ trustedProxies })
  const answer = await app.inject({ url: '/v1/ok', headers })
  expect(answer.headers['strict-transport-security']).toBe(isSent ? 'max-age=31536000' : undefined)
})

describe('what proxies say', () => {
  const whoAmI = (trustedProxies: string[]): Promise<BareApp> =>
    bareApp((app) => app.get('/who', ({ ip, host, protocol }) => ({ ip, host, protocol })), {
      trustedProxies,
    })
  const FORGED = {
    host: 'mail.example.com',
    'x-forwarded-for': '203.0.113.9',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    forwarded: 'for=203.0.113.9;host=evil.example;proto=https',
  }
  const TRUTH = { ip: '127.0.0.1', host: 'mail.example.com', protocol: 'http' }

  test.each<[why: string, proxies: string[], headers: Record<string, string>, seen: object]>([
    ['no proxy is trusted', [], FORGED, TRUTH],
    ['another proxy is trusted', ['192.0.2.0/24'], FORGED, TRUTH],
    [
      'a client puts an address in front of its own',
      ['127.0.0.1'],
      { host: 'mail.example.com', 'x-forwarded-for': '10.0.0.1, 203.0.113.9' },
      { ...TRUTH, ip: '203.0.113.9' },
    ],
    [
      'a client puts a host in front',
      ['127.0.0.1'],
      { host: 'x', 'x-forwarded-host': 'evil.example, mail.example.com' },
      { ...TRUTH, host: 'mail.example.com' },
    ],
  ])('%s', async (_why, trustedProxies, headers, seen) => {
    const { app } = await whoAmI(trustedProxies)
    expect((await app.inject({ url: '/who', headers })).json()).toEqual(seen)
  })

  test('a request id of the client is not taken over', async () => {
    const { app } = await bareApp((scope) => scope.get('/id', ({ id }) => ({ id })))
    const answer = await app.inject({ url: '/id', headers: { 'x-request-id': 'theirs' } })
    expect(answer.body).not.toContain('theirs')
  })
})
