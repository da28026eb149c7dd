import { expect, test } from 'vitest'
import { ERROR_CODES } from '../../server/core/errors.ts'
import { openApiDocument } from '../../server/http/openapi-document.ts'
import { openWorld } from './support.ts'

type Node = Record<string, unknown>
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null
const at = (value: unknown, ...path: string[]): unknown =>
  path.reduce<unknown>((node, name) => (isNode(node) ? node[name] : undefined), value)

const api = await openApiDocument('1.2.3')
const operations = Object.entries(api['paths'] as Record<string, Record<string, Node>>).flatMap(
  ([path, item]) =>
    Object.entries(item).map(([method, spec]) => ({ name: `${method} ${path}`, spec })),
)

function* walk(node: unknown, path = ''): Generator<[string, Node]> {
  if (!isNode(node)) return
  yield [path, node]
  for (const [name, child] of Object.entries(node)) yield* walk(child, `${path}/${name}`)
}

test('is OpenAPI 3.1 with every route there is', () => {
  expect(api['openapi']).toBe('3.1.0')
  expect(at(api, 'info', 'version')).toBe('1.2.3')
  expect(operations.map(({ name }) => name).sort()).toEqual([
    'get /healthz',
    'get /metrics',
    'get /openapi.json',
    'get /readyz',
    'get /v1/deliveries/{id}',
    'get /v1/deliveries/{id}/explain',
    'get /v1/events',
    'get /v1/messages',
    'get /v1/messages/{id}',
    'get /v1/messages/{id}/content',
    'post /v1/messages',
    'post /v1/messages/batch',
    'post /v1/messages/raw',
    'post /v1/messages/{id}/cancel',
  ])
})

test.each(operations)('$name tells what it is', ({ spec }) => {
  expect(spec['summary']).toMatch(/^[A-Z]/)
  expect(spec['description']).toMatch(/\.$/)
  expect(spec['operationId']).toMatch(/^[a-z]+[A-Za-z]*$/)
  expect(spec['tags']).toHaveLength(1)
  const responses = Object.entries(spec['responses'] as Node)
  expect(responses.some(([status]) => status.startsWith('2'))).toBe(true)
  for (const [status, response] of responses) {
    const told = at(response, '$ref') ?? at(response, 'description')
    expect([status, told]).not.toEqual([status, 'Default Response'])
  }
  for (const holder of [spec['requestBody'], ...Object.values(spec['responses'] as Node)])
    for (const media of Object.values((at(holder, 'content') ?? {}) as Node))
      expect(media).toHaveProperty('example')
  for (const parameter of (spec['parameters'] ?? []) as Node[])
    expect(parameter['$ref'] ?? parameter['example']).toBeDefined()
})

test('every field is described and has an example', () => {
  const silent = [...walk(api)].flatMap(([path, node]) =>
    Object.entries(at(node, 'properties') ?? {}).flatMap(([name, field]) => {
      if (at(field, '$ref') !== undefined) return []
      const isTold = at(field, 'description') !== undefined
      const isShown =
        at(field, 'examples') !== undefined ||
        at(field, 'type') === 'array' ||
        at(field, 'type') === 'object'
      return isTold && isShown ? [] : [`${path}/${name}`]
    }),
  )
  expect(silent).toEqual([])
})

test('every reference leads somewhere, and operation ids are unique', () => {
  const broken = [...walk(api)]
    .map(([, node]) => node['$ref'])
    .filter((ref) => typeof ref === 'string')
    .filter((ref) => at(api, ...ref.slice(2).split('/')) === undefined)
  expect(broken).toEqual([])
  const ids = operations.map(({ spec }) => spec['operationId'])
  expect(new Set(ids).size).toBe(ids.length)
})

test('unknown fields are refused in every request schema', () => {
  for (const name of ['MessageInput', 'RawInput', 'Attachment', 'Mailbox'])
    expect(at(api, 'components', 'schemas', name, 'additionalProperties')).toBe(false)
})

test('is the same every time', async () => {
  expect(await openApiDocument('1.2.3')).toEqual(api)
})

test('is served, and the reference shows every operation and error without a script', async () => {
  const world = await openWorld()
  const served = await world.app.inject('/openapi.json')
  expect(served.headers['content-type']).toMatch(/^application\/json/)
  expect(Object.keys(served.json<{ paths: object }>().paths)).toEqual(
    Object.keys(api['paths'] as object),
  )

  const { body, headers, statusCode } = await world.app.inject('/docs')
  expect(statusCode).toBe(200)
  expect(headers['content-security-policy']).toMatch(/^default-src 'none';style-src 'sha256-/)
  for (const { spec } of operations) expect(body).toContain(`id="${String(spec['operationId'])}"`)
  for (const code of Object.keys(ERROR_CODES)) expect(body).toContain(`id="${code}"`)
  expect(body).not.toMatch(/<script|<link|src=|style="| on\w+=/)
  expect(body).toContain('curl http://127.0.0.1:8080/v1/messages')
  expect((await world.app.inject('/')).body).toContain('href="/docs"')
  await world.close()
})
