import { afterAll, beforeAll, expect, test } from 'vitest'
import { ERROR_CODES } from '../../server/core/errors.ts'
import type { RegisteredRoute } from '../../server/http/auth.ts'
import { openApiDocument } from '../../server/http/openapi-document.ts'
import { at, closed, isNode, nodeAt, operationsOf, resolved, validator } from './described.ts'
import type { Node } from './described.ts'
import { openWorld } from './support.ts'
import type { World } from './support.ts'

const api = await openApiDocument('1.2.3')
const operations = operationsOf(api)
const tags = (api['tags'] as Node[]).map(({ name }) => name)

let world: World
beforeAll(async () => {
  world = await openWorld()
  await world.app.ready()
})
afterAll(() => world.close())

/** Pages for people. */
const UNDOCUMENTED = ['GET /', 'GET /docs', 'GET /link']
const described = (path: string): string => path.replaceAll(/:(\w+)/g, '{$1}')
const routes = (): RegisteredRoute[] =>
  world.app.routeAccess.filter(({ method, url }) => !UNDOCUMENTED.includes(`${method} ${url}`))

function* walk(node: unknown, path = ''): Generator<[string, Node]> {
  if (!isNode(node)) return
  yield [path, node]
  for (const [name, child] of Object.entries(node)) yield* walk(child, `${path}/${name}`)
}

test('is OpenAPI 3.1 with every route there is, and no other', () => {
  expect(api['openapi']).toBe('3.1.0')
  expect(at(api, 'info', 'version')).toBe('1.2.3')
  expect(operations.length).toBeGreaterThan(80)
  expect(operations.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(
    routes()
      .map(({ method, url }) => `${method} ${described(url)}`)
      .sort(),
  )
})

test.each(operations)('$name tells what it is', ({ id, spec, parameters, bodies, answers }) => {
  expect(spec['summary']).toMatch(/^[A-Z]/)
  expect(spec['description']).toMatch(/\.$/)
  expect(id).toMatch(/^[a-z]+[A-Za-z]*$/)
  expect(spec['tags']).toHaveLength(1)
  expect(tags).toContain(at(spec, 'tags', '0'))
  for (const [status, response] of Object.entries(spec['responses'] as Node)) {
    const told = at(response, '$ref') ?? at(response, 'description')
    expect([status, told]).not.toEqual([status, undefined])
    expect([status, told]).not.toEqual([status, 'Default Response'])
  }
  expect([...answers.keys()].filter((status) => status < 300)).toHaveLength(1)
  for (const parameter of parameters) {
    expect(parameter.description).toMatch(/\.$/)
    expect(parameter.example).toBeDefined()
  }
  for (const content of [...bodies, ...answers.values()]) {
    if (content === undefined) continue
    expect(content.example).toBeDefined()
    expect(content.schema['description']).toMatch(/\.$/)
  }
})

test('says of every route who may call it', () => {
  const wrong = routes().flatMap((route) => {
    const operation = operations.find(
      ({ method, path }) => method === route.method && path === described(route.url),
    )
    const text = String(operation?.spec['description'])
    const { permission, account, stepUp = false, personOnly = false } = route
    const isPublic = route.public === true
    if (operation === undefined) return [`${route.method} ${route.url}`]
    const said = [
      permission === undefined || text.includes(`Needs the permission \`${permission}\`.`),
      (account !== undefined) === text.includes('For who is signed in'),
      stepUp === text.includes('must have confirmed who they are'),
      personOnly === text.includes('Not for API keys.'),
      operation.takesKeys === (permission !== undefined && !personOnly),
      operation.takesSessions === !isPublic,
      [401, 403].every((status) => isPublic || operation.answers.has(status)),
    ]
    return said.includes(false) ? [`${route.method} ${route.url}`] : []
  })
  expect(wrong).toEqual([])
})

test('headers are told where they do something', () => {
  const having = (name: string): string[] =>
    operations
      .filter(({ parameters }) => parameters.some((parameter) => parameter.name === name))
      .map(({ id }) => id)
  expect(having('Idempotency-Key')).toEqual(['sendMessage', 'sendBatch', 'sendRaw'])
  expect(having('Origin').sort()).toEqual(['passkeyOptions', 'signIn', 'signInWithPasskey'])
  const asked = routes()
  expect(having('Posthorn-Tenant')).toHaveLength(
    asked.filter(({ permission }) => permission !== undefined).length,
  )
  expect(having('Posthorn-Csrf')).toHaveLength(
    asked.filter((route) => route.public !== true && route.method !== 'GET').length,
  )
})

test.each(operations)('$name shows what is valid', ({ parameters, bodies, answers }) => {
  for (const { name, schema, example } of parameters)
    expect([name, validator(schema)(example)]).toEqual([name, []])
  for (const [status, content] of [...bodies.map((body) => [0, body] as const), ...answers])
    if (content !== undefined)
      expect([status, validator(closed(content.schema))(content.example)]).toEqual([status, []])
})

test('every field is described, has an example, and the example is valid', () => {
  const bad = [...walk(api)].flatMap(([path, node]) =>
    Object.entries(nodeAt(node, 'properties')).flatMap(([name, field]) => {
      if (at(field, '$ref') !== undefined) return []
      const schema = resolved(api, field)
      const examples = at(field, 'examples')
      const isTold = at(field, 'description') !== undefined
      const isShown = Array.isArray(examples)
        ? examples.every((example) => validator(schema)(example).length === 0)
        : at(field, 'type') === 'array' || at(field, 'type') === 'object'
      return isTold && isShown ? [] : [`${path}/${name}`]
    }),
  )
  expect(bad).toEqual([])
})

test('every reference leads somewhere, every component is used, and operation ids are unique', () => {
  const refs = [...walk(api)].flatMap(([, { $ref: ref }]) => (typeof ref === 'string' ? [ref] : []))
  const broken = refs.filter((ref) => at(api, ...ref.slice(2).split('/')) === undefined)
  expect(broken).toEqual([])
  const unused = Object.entries(nodeAt(api, 'components'))
    .filter(([kind]) => kind !== 'securitySchemes')
    .flatMap(([kind, items]) =>
      Object.keys(items as Node).map((name) => `#/components/${kind}/${name}`),
    )
    .filter((ref) => !refs.includes(ref))
  expect(unused).toEqual([])
  const ids = operations.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
})

test('unknown fields are refused in every request', () => {
  const open = operations.flatMap(({ name, bodies }) =>
    bodies.flatMap(({ schema }) =>
      [...walk(schema)]
        .filter(([, node]) => isNode(node['properties']) && node['type'] === 'object')
        .filter(([, node]) => node['additionalProperties'] !== false)
        .map(([path]) => `${name} ${path}`),
    ),
  )
  expect(open).toEqual([])
})

test('is the same every time', async () => {
  expect(await openApiDocument('1.2.3')).toEqual(api)
})

test('is served, and the reference shows every operation and error without a script', async () => {
  const served = await world.app.inject('/openapi.json')
  expect(served.headers['content-type']).toMatch(/^application\/json/)
  expect(Object.keys(served.json<{ paths: object }>().paths)).toEqual(
    Object.keys(api['paths'] as object),
  )

  const { body, headers, statusCode } = await world.app.inject('/docs')
  expect(statusCode).toBe(200)
  expect(headers['content-security-policy']).toMatch(/^default-src 'none';style-src 'sha256-/)
  const missing = [...operations.map(({ id }) => id), ...Object.keys(ERROR_CODES)].filter(
    (id) => !body.includes(`id="${id}"`),
  )
  expect(missing).toEqual([])
  expect(/<script|<link|src=|style="| on\w+=/.exec(body)).toBeNull()
  expect(body.includes('curl http://localhost:8080/v1/messages')).toBe(true)
  expect((await world.app.inject('/')).body).toContain('href="/docs"')
})

test('the reference says who may call what, and how', async () => {
  const { body } = await world.app.inject('/docs')
  const section = (id: string): string => {
    const from = body.indexOf(`id="${id}"`)
    return body.slice(from, body.indexOf('</section>', from))
  }
  expect(section('createKey')).toContain('Needs the permission <code>keys:manage</code>.')
  expect(section('createKey')).toContain('must have confirmed who they are')
  expect(section('createKey')).toContain('Authorization: Bearer')
  expect(section('changeMember')).toContain('Not for API keys.')
  expect(section('changePassword')).toContain('For who is signed in, about their own account')
  expect(section('changePassword')).toContain('Posthorn-Csrf: $POSTHORN_CSRF')
  expect(section('signIn')).toContain('Origin: http')
  expect(section('healthz')).not.toMatch(/permission|Authorization/)
})
