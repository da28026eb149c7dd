/** The pages for people: what this is, the reference of the API, and what one-time links lead to. Nothing from elsewhere. */
import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import type { HttpDeps } from '../deps.ts'
import { homePage } from '../docs/home.ts'
import { LINK_SCRIPT, LINK_STYLE, linkPage } from '../docs/link.ts'
import { referencePage } from '../docs/page.ts'
import { STYLE } from '../docs/style.ts'
import { pagePolicy } from '../hardening.ts'
import type { HttpApp } from '../http-app.ts'
import { describeApi } from '../openapi.ts'

const hashOf = (text: string): string =>
  `'sha256-${createHash('sha256').update(text).digest('base64')}'`
/** On top of those that every answer has. */
const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': pagePolicy({ styles: [hashOf(STYLE)] }),
  'cache-control': 'no-cache',
} as const

const LINK_HEADERS = {
  ...PAGE_HEADERS,
  'content-security-policy': pagePolicy({
    styles: [hashOf(LINK_STYLE)],
    scripts: [hashOf(LINK_SCRIPT)],
    connect: ["'self'"],
  }),
  'cache-control': 'no-store',
} as const

/** Registered last: what it shows is everything registered before. */
export function pageRoutes(app: HttpApp, deps: HttpDeps): void {
  let json = ''
  let reference = ''
  const home = homePage(deps.version)
  app.addHook('onReady', (done) => {
    const api = describeApi(app)
    json = JSON.stringify(api)
    reference = referencePage(api, deps.publicUrl)
    done()
  })
  const sendPage = (reply: FastifyReply, html: string): FastifyReply =>
    reply.headers(PAGE_HEADERS).send(html)

  app.get(
    '/openapi.json',
    {
      config: { public: true },
      schema: {
        operationId: 'openapi',
        tags: ['System'],
        summary: 'This description',
        description: 'OpenAPI 3.1, made from the schemas that the requests are checked with.',
        produces: ['application/json'],
      },
    },
    (_request, reply) =>
      reply.type('application/json; charset=utf-8').header('cache-control', 'no-cache').send(json),
  )
  app.get('/docs', { config: { public: true }, schema: { hide: true } }, (_request, reply) =>
    sendPage(reply, reference),
  )
  const link = linkPage()
  app.get('/link', { config: { public: true }, schema: { hide: true } }, (_request, reply) =>
    reply.headers(LINK_HEADERS).send(link),
  )
  app.get('/', { config: { public: true }, schema: { hide: true } }, (_request, reply) =>
    sendPage(reply, home),
  )
}
