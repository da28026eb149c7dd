/** Requests that another site makes a signed-in person's browser send. Each must get through where nothing guards. */
import type { FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import { sessionTokenOf } from '../../server/http/cookies.ts'
import { refuseCrossSite } from '../../server/http/csrf.ts'
import { bareApp, outcomeOf } from './bare.ts'
import type { BareOptions } from './bare.ts'

const PUBLIC = 'https://mail.example.com'
const TOKEN = 'the-token-of-this-session'
const COOKIE = `__Host-posthorn=${'a'.repeat(43)}`

interface Site extends BareOptions {
  readonly publicUrl?: string | undefined
  readonly csrfToken?: string | undefined
}

/** `/guarded` and `/open` do the same; anything a form can send is read, so that only the guard refuses it. */
async function site({ publicUrl, csrfToken, ...options }: Site): Promise<FastifyInstance> {
  const { app } = await bareApp((scope) => {
    scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) =>
      done(null, body),
    )
    for (const path of ['/guarded', '/open'])
      scope.route({
        method: ['GET', 'POST', 'PUT', 'DELETE'],
        url: path,
        onRequest: (request, _reply, done) => {
          if (path === '/guarded') refuseCrossSite(request, { publicUrl, csrfToken })
          done()
        },
        handler: (request) => ({ done: sessionTokenOf(request) !== undefined }),
      })
  }, options)
  return app
}

interface Forged {
  readonly method?: 'POST' | 'PUT' | 'DELETE'
  readonly headers: Readonly<Record<string, string>>
  readonly payload?: string
}

async function send(app: FastifyInstance, path: string, { method, headers, payload }: Forged) {
  const answer = await app.inject({
    method: method ?? 'POST',
    url: path,
    headers: { host: 'mail.example.com', cookie: COOKIE, ...headers },
    ...(payload === undefined ? {} : { payload }),
  })
  return outcomeOf(answer)
}

const JSON_TYPE = { 'content-type': 'application/json' }
const OURS = { origin: PUBLIC, 'sec-fetch-site': 'same-origin', 'posthorn-csrf': TOKEN }

describe('an attack', () => {
  // With everything a page of another site cannot have, but for what the row is about.
  const rows: [why: string, forged: Forged][] = [
    [
      'a form on another site',
      {
        headers: {
          origin: 'https://evil.example',
          'content-type': 'application/x-www-form-urlencoded',
        },
        payload: 'role=owner',
      },
    ],
    [
      'JSON as text/plain, from another site',
      {
        headers: { origin: 'https://evil.example', 'content-type': 'text/plain' },
        payload: '{"role":"owner"}',
      },
    ],
    ['no origin', { headers: { ...JSON_TYPE, 'posthorn-csrf': TOKEN }, payload: '{}' }],
    [
      'no origin, and the browser says cross-site',
      {
        headers: { ...JSON_TYPE, 'posthorn-csrf': TOKEN, 'sec-fetch-site': 'cross-site' },
        payload: '{}',
      },
    ],
    [
      'no origin, and the browser says same-site: another host of the domain',
      {
        headers: { ...JSON_TYPE, 'posthorn-csrf': TOKEN, 'sec-fetch-site': 'same-site' },
        payload: '{}',
      },
    ],
    [
      'no origin, and no page at all',
      {
        headers: { ...JSON_TYPE, 'posthorn-csrf': TOKEN, 'sec-fetch-site': 'none' },
        payload: '{}',
      },
    ],
    ...[
      ['null', 'a sandboxed frame, or a redirect'],
      ['https://x.mail.example.com', 'a host below ours'],
      ['https://example.com', 'the domain above'],
      ['https://mail.example.com.evil.example', 'a host that begins alike'],
      ['https://mail.example.com:8443', 'another port'],
      ['http://mail.example.com', 'the same host without TLS'],
      ['https://MAIL.example.com', 'not how a browser writes it'],
      ['https://mail.example.com/', 'no origin in form'],
      ['https://mail.example.com, https://evil.example', 'two'],
      ['', 'empty'],
    ].map(([origin = '', why = '']): [string, Forged] => [
      `from ${origin}: ${why}`,
      { headers: { ...JSON_TYPE, origin, 'posthorn-csrf': TOKEN }, payload: '{}' },
    ]),
    [
      'the right origin, though the browser says cross-site',
      { headers: { ...JSON_TYPE, ...OURS, 'sec-fetch-site': 'cross-site' }, payload: '{}' },
    ],
    [
      'a page of ours that was made to post a form',
      { headers: { ...OURS, 'content-type': 'text/plain' }, payload: '{}' },
    ],
    [
      'a body that says nothing of its type',
      { headers: { ...OURS, 'content-length': '2' }, payload: '{}' },
    ],
    [
      'JSON only in a parameter of the type',
      { headers: { ...OURS, 'content-type': 'text/plain; application/json' }, payload: '{}' },
    ],
    ['without the token', { headers: { ...JSON_TYPE, origin: PUBLIC }, payload: '{}' }],
    [
      'with a token of another session',
      { headers: { ...JSON_TYPE, ...OURS, 'posthorn-csrf': `${TOKEN}x` }, payload: '{}' },
    ],
    [
      'with a token of the same length',
      { headers: { ...JSON_TYPE, ...OURS, 'posthorn-csrf': TOKEN.toUpperCase() }, payload: '{}' },
    ],
    ['a DELETE without a body', { method: 'DELETE', headers: { origin: 'https://evil.example' } }],
  ]

  test.each(rows)('%s', async (_why, forged) => {
    const app = await site({ publicUrl: PUBLIC, csrfToken: TOKEN })
    const [status, code] = await send(app, '/guarded', forged)
    expect([403, 415]).toContain(status)
    expect(['ORIGIN_FORBIDDEN', 'CONTENT_TYPE_UNSUPPORTED']).toContain(code)
    // The control: it is the guard that refused, nothing before it.
    expect(await send(app, '/open', forged)).toEqual([200, ''])
  })
})

describe('our own page', () => {
  test.each<[why: string, forged: Forged]>([
    ['with JSON', { headers: { ...JSON_TYPE, ...OURS }, payload: '{}' }],
    [
      'with a charset',
      { headers: { ...OURS, 'content-type': 'application/json; charset=utf-8' }, payload: '{}' },
    ],
    ['a DELETE without a body', { method: 'DELETE', headers: OURS }],
    [
      'in a browser that sends no origin for its own',
      {
        headers: { ...JSON_TYPE, 'sec-fetch-site': 'same-origin', 'posthorn-csrf': TOKEN },
        payload: '{}',
      },
    ],
    [
      'in a browser that tells only the origin',
      {
        headers: { ...JSON_TYPE, origin: PUBLIC, 'posthorn-csrf': TOKEN },
        payload: '{}',
      },
    ],
  ])('%s', async (_why, forged) => {
    const app = await site({ publicUrl: PUBLIC, csrfToken: TOKEN })
    expect(await send(app, '/guarded', forged)).toEqual([200, ''])
  })

  test('is not asked for a token at sign-in, yet must be ours', async () => {
    const app = await site({ publicUrl: PUBLIC })
    const signIn = (origin: string): Promise<[number, string]> =>
      send(app, '/guarded', { headers: { ...JSON_TYPE, origin }, payload: '{}' })
    expect(await signIn(PUBLIC)).toEqual([200, ''])
    expect(await signIn('https://evil.example')).toEqual([403, 'ORIGIN_FORBIDDEN'])
  })
})

test('reading is not guarded: another site cannot see the answer', async () => {
  const app = await site({ publicUrl: PUBLIC, csrfToken: TOKEN })
  const answer = await app.inject({ url: '/guarded', headers: { origin: 'https://evil.example' } })
  expect(answer.statusCode).toBe(200)
})

/** Which origin is ours when the request tells: its host, as far as proxies are trusted. */
describe('the public origin', () => {
  const cases: [
    why: string,
    publicUrl: string | undefined,
    proxies: string[],
    headers: Record<string, string>,
    isOurs: boolean,
  ][] = [
    [
      'not configured: the host that was asked',
      undefined,
      [],
      { host: 'mail.test:8080', origin: 'http://mail.test:8080' },
      true,
    ],
    [
      'not configured: another host',
      undefined,
      [],
      { host: 'mail.test:8080', origin: 'http://evil.test:8080' },
      false,
    ],
    [
      'not configured: the default port is not written',
      undefined,
      [],
      { host: 'mail.test:80', origin: 'http://mail.test' },
      true,
    ],
    [
      'a trusted proxy tells scheme and host',
      undefined,
      ['127.0.0.1'],
      {
        host: '127.0.0.1:8080',
        'x-forwarded-host': 'mail.test',
        'x-forwarded-proto': 'https',
        origin: 'https://mail.test',
      },
      true,
    ],
    [
      'a proxy that is not trusted tells nothing',
      undefined,
      [],
      {
        host: 'mail.test',
        'x-forwarded-host': 'evil.test',
        'x-forwarded-proto': 'https',
        origin: 'https://evil.test',
      },
      false,
    ],
    [
      'configured: a tunnel to the machine itself',
      PUBLIC,
      [],
      { host: 'localhost:8080', origin: 'http://localhost:8080' },
      true,
    ],
    [
      'configured: the same in IPv6',
      PUBLIC,
      [],
      { host: '[::1]:8080', origin: 'http://[::1]:8080' },
      true,
    ],
    [
      'configured: another program on that machine',
      PUBLIC,
      [],
      { host: 'localhost:8080', origin: 'http://localhost:3000' },
      false,
    ],
    [
      'configured: a name that was made to point here',
      PUBLIC,
      [],
      { host: 'rebind.evil.example', origin: 'http://rebind.evil.example' },
      false,
    ],
    ['a host that is none', undefined, [], { host: ':::', origin: 'null' }, false],
  ]
  test.each(cases)('%s', async (_why, publicUrl, trustedProxies, headers, isOurs) => {
    const app = await site({ publicUrl, trustedProxies })
    const [status] = await send(app, '/guarded', {
      headers: { ...JSON_TYPE, ...headers },
      payload: '{}',
    })
    expect(status).toBe(isOurs ? 200 : 403)
  })
})
