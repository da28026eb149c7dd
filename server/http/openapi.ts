/**
 * The OpenAPI 3.1 description, made from the route schemas by @fastify/swagger and finished here: schemas with a title
 * become components, and every operation tells who may call it, which headers it takes, and what it refuses.
 */
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import type { ErrorCode } from '../core/errors.ts'
import type { RouteAccess } from './auth.ts'
import type { HttpDeps } from './deps.ts'
import { exampleOf } from './docs/schema.ts'
import { isObject, listAt, objectAt, textAt } from './json.ts'
import type { Json } from './json.ts'
import { PROBLEM, refusalsOf, SHARED_REFUSALS } from './openapi-refusals.ts'
import { BINARY, INTRODUCTION, PARAMETERS, SECURITY_SCHEMES, TAGS } from './openapi-text.ts'
import type { ParameterName } from './openapi-text.ts'

const METHODS = ['get', 'post', 'put', 'patch', 'delete']

interface RouteConfig extends RouteAccess {
  readonly refuses?: readonly ErrorCode[]
}

/** Call before any route is registered. */
export async function installOpenApi(
  app: FastifyInstance,
  { publicUrl, version }: Pick<HttpDeps, 'publicUrl' | 'version'>,
): Promise<void> {
  const configs = new Map<string, RouteConfig>()
  app.addHook('onRoute', ({ url, method, config }) => {
    const path = url.replace(/:(\w+)/g, '{$1}')
    if (config === undefined) return
    for (const name of [method].flat()) configs.set(`${name.toLowerCase()} ${path}`, config)
  })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Posthorn', version, description: INTRODUCTION, license: { name: 'MIT' } },
      servers: [{ url: publicUrl, description: 'This installation.' }],
    },
    transformObject: (document) => {
      // A copy: what stands at the routes is also what requests are checked with.
      const api: unknown =
        'openapiObject' in document ? structuredClone(document.openapiObject) : {}
      if (isObject(api)) finish(api, (operation) => configs.get(operation) ?? { public: true })
      return api as never // our own JSON, in the plugin's type
    },
  })
}

/** The finished document; the app must be ready. */
export function describeApi(app: FastifyInstance): Json {
  const api: unknown = app.swagger()
  return isObject(api) ? api : {}
}

function finish(api: Json, configOf: (operation: string) => RouteConfig): void {
  const schemas: Json = { Problem: PROBLEM }
  const texts = new Map<string, string>()
  const used = new Set<unknown>()
  for (const [path, item] of Object.entries(objectAt(api, 'paths'))) {
    if (!isObject(item)) continue
    for (const method of METHODS) {
      const operation = item[method]
      if (!isObject(operation)) continue
      describe(operation, { method, path, config: configOf(`${method} ${path}`) })
      for (const tag of listAt(operation, 'tags')) used.add(tag)
    }
    giveExamples(api, item)
    hoist(item, schemas, texts)
  }
  api['tags'] = TAGS.filter(({ name }) => used.has(name))
  api['components'] = {
    schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
    responses: SHARED_REFUSALS,
    parameters: PARAMETERS,
    securitySchemes: SECURITY_SCHEMES,
  }
}

interface Route {
  readonly method: string
  readonly path: string
  readonly config: RouteConfig
}

/** Adds what follows from how every route works: who may call it, headers, and the refusals. */
function describe(operation: Json, { method, path, config }: Route): void {
  const responses = objectAt(operation, 'responses')
  const binary = BINARY[textAt(operation, 'operationId')]
  if (binary !== undefined) responses['200'] = binary
  if (config.public !== true) {
    operation['security'] = securityOf(config)
    operation['description'] = `${textAt(operation, 'description')}\n\n${accessText(config)}`
  }
  const own = listAt(operation, 'parameters')
  const route = {
    method,
    path,
    access: config,
    refuses: config.refuses ?? [],
    hasParameters: own.length > 0,
  }
  Object.assign(responses, refusalsOf(route, responses))
  const headers = headersOf(operation, { method, path, config })
  if (headers.length > 0)
    operation['parameters'] = [
      ...own,
      ...headers.map((name) => ({ $ref: `#/components/parameters/${name}` })),
    ]
}

/** Who may call an operation, in words. */
function accessText({ permission, account, stepUp, personOnly }: RouteAccess): string {
  const words: string[] = []
  if (permission !== undefined) words.push(`Needs the permission \`${permission}\`.`)
  if (account !== undefined) words.push(ACCOUNT_TEXT[account])
  if (personOnly === true) words.push('Not for API keys.')
  if (stepUp === true) words.push('A person must have confirmed who they are a short time ago.')
  return words.join(' ')
}
const ACCOUNT_TEXT = {
  open: 'For who is signed in, about their own account.',
  enrol:
    'For who is signed in, about their own account; also while a second factor must still be set up.',
  any: 'For who is signed in, about their own session; also while the second factor is still asked for.',
} as const satisfies Record<NonNullable<RouteAccess['account']>, string>

const securityOf = ({ permission, personOnly }: RouteAccess): Json[] =>
  permission !== undefined && personOnly !== true
    ? [{ apiKey: [] }, { session: [] }]
    : [{ session: [] }]

function headersOf(operation: Json, { method, path, config }: Route): ParameterName[] {
  const headers: ParameterName[] = []
  if (path.startsWith('/v1/messages') && 'requestBody' in operation) headers.push('IdempotencyKey')
  if (config.permission !== undefined) headers.push('Tenant')
  if (config.public !== true && method !== 'get') headers.push('Csrf')
  if (config.public === true && config.refuses?.includes('ORIGIN_FORBIDDEN') === true)
    headers.push('Origin')
  return headers
}

/** An example for every body and answer, put together from those of the fields where it has none of its own. */
function giveExamples(api: Json, item: Json): void {
  for (const operation of Object.values(item)) {
    if (!isObject(operation)) continue
    const answers = Object.values(objectAt(operation, 'responses'))
    for (const holder of [operation['requestBody'], ...answers]) {
      if (!isObject(holder)) continue
      for (const media of Object.values(objectAt(holder, 'content')))
        if (isObject(media)) media['example'] ??= exampleOf(api, media['schema'])
    }
  }
}

/** Moves every schema with a title to `components.schemas`, innermost first, and leaves a reference. */
function hoist(node: unknown, schemas: Json, texts: Map<string, string>): void {
  if (typeof node !== 'object' || node === null) return
  for (const [key, child] of Object.entries(node)) {
    // What is shown is no schema, whatever it has that is called a title.
    if (key === 'example' || key === 'examples') continue
    hoist(child, schemas, texts)
    if (!isObject(child)) continue
    const title = child['title']
    if (typeof title !== 'string') continue
    // Otherwise one of them would be described by the other. The plugin takes the example of a body out of its schema.
    const text = JSON.stringify({ ...child, examples: undefined })
    if ((texts.get(title) ?? text) !== text) throw new Error(`Two schemas are called ${title}.`)
    texts.set(title, text)
    schemas[title] ??= child
    Reflect.set(node, key, { $ref: `#/components/schemas/${title}` })
  }
}
