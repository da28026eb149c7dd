/**
 * The OpenAPI 3.1 description, made from the route schemas by @fastify/swagger and finished here: schemas with a title
 * become components, and every operation names the refusals it can answer with, which no route repeats.
 */
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { ERROR_CODES } from '../core/errors.ts'
import type { RouteAccess } from './auth.ts'
import { SESSION_COOKIE } from './cookies.ts'
import type { HttpDeps } from './deps.ts'
import { exampleOf } from './docs/schema.ts'
import { isObject, objectAt } from './json.ts'
import type { Json } from './json.ts'

const METHODS = ['get', 'post', 'put', 'patch', 'delete']

const TAGS = [
  { name: 'Messages', description: 'Sending, looking at and cancelling messages.' },
  { name: 'Deliveries', description: 'One message to one recipient: attempts, verdicts, why.' },
  { name: 'Events', description: 'The feed of everything that happened.' },
  { name: 'System', description: 'Health, metrics and this description. No key is needed.' },
]

const DESCRIPTION = `Send mail, and learn what became of each copy.

Requests carry \`Authorization: Bearer <API key>\`. Errors are problem+json (RFC 9457) with a stable \`code\`. Lists are paged with an opaque \`cursor\`. A POST with an \`Idempotency-Key\` is done once, however often it is sent; a different request under the same key is refused with 409. \`RateLimit-*\` headers tell how many requests are left.`

/** Call before any route is registered. */
export async function installOpenApi(
  app: FastifyInstance,
  { publicUrl, version }: Pick<HttpDeps, 'publicUrl' | 'version'>,
): Promise<void> {
  const accesses = new Map<string, RouteAccess>()
  app.addHook('onRoute', ({ url, method, config }) => {
    const path = url.replace(/:(\w+)/g, '{$1}')
    if (config === undefined) return
    for (const name of [method].flat()) accesses.set(`${name.toLowerCase()} ${path}`, config)
  })
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Posthorn', version, description: DESCRIPTION, license: { name: 'MIT' } },
      servers: [{ url: publicUrl, description: 'This installation.' }],
      tags: TAGS,
      components: {
        securitySchemes: {
          apiKey: {
            type: 'http',
            scheme: 'bearer',
            description: 'An API key: `ph_live_…`, or `ph_test_…` whose mail goes to the sandbox.',
          },
          session: {
            type: 'apiKey',
            in: 'cookie',
            name: SESSION_COOKIE,
            description:
              'A signed-in person. Unsafe requests also carry the header `Posthorn-Csrf` with the token of `GET /v1/session`; whoever belongs to several tenants names one in `Posthorn-Tenant`.',
          },
        },
      },
    },
    transformObject: (document) => {
      // A copy: what stands at the routes is also what requests are checked with.
      const api: unknown =
        'openapiObject' in document ? structuredClone(document.openapiObject) : {}
      if (isObject(api)) finish(api, (operation) => accesses.get(operation) ?? { public: true })
      return api as never // our own JSON, in the plugin's type
    },
  })
}

/** The finished document; the app must be ready. */
export function describeApi(app: FastifyInstance): Json {
  const api: unknown = app.swagger()
  return isObject(api) ? api : {}
}

function finish(api: Json, accessOf: (operation: string) => RouteAccess): void {
  const schemas: Json = { Problem: PROBLEM }
  for (const [path, item] of Object.entries(objectAt(api, 'paths'))) {
    if (!isObject(item)) continue
    for (const method of METHODS) {
      const operation = item[method]
      if (isObject(operation)) describe(operation, path, accessOf(`${method} ${path}`))
    }
    giveExamples(api, item)
    hoist(item, schemas)
  }
  const components = objectAt(api, 'components')
  components['schemas'] = Object.fromEntries(
    Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)),
  )
  components['responses'] = RESPONSES
  components['parameters'] = { IdempotencyKey: IDEMPOTENCY_KEY }
}

/** Who may call an operation, in words. */
function accessText({ permission, account, stepUp, personOnly }: RouteAccess): string {
  const words: string[] = []
  if (permission !== undefined) words.push(`Needs the permission \`${permission}\`.`)
  if (account !== undefined) words.push('About the account of who is signed in.')
  if (personOnly === true) words.push('Not for API keys.')
  if (stepUp === true) words.push('A person must have confirmed who they are a short time ago.')
  return words.join(' ')
}

const securityOf = ({ permission, personOnly }: RouteAccess): Json[] =>
  permission !== undefined && personOnly !== true
    ? [{ apiKey: [] }, { session: [] }]
    : [{ session: [] }]

/** Adds what follows from how every route works: who may call it, and the refusals. */
function describe(operation: Json, path: string, access: RouteAccess): void {
  const responses = objectAt(operation, 'responses')
  const produces = BINARY[path]
  if (produces !== undefined) responses['200'] = produces
  const refusals: (keyof typeof REFUSALS)[] = []
  const hasBody = 'requestBody' in operation
  if (hasBody || 'parameters' in operation) refusals.push('400')
  if (access.public !== true) {
    operation['security'] = securityOf(access)
    operation['description'] = `${String(operation['description'])} ${accessText(access)}`
    refusals.push('401', '403', '429')
  }
  if (path.includes('{')) refusals.push('404')
  if (hasBody) {
    refusals.push('409', '413', '415', '503', '507')
    const parameters: unknown = operation['parameters']
    const own: unknown[] = Array.isArray(parameters) ? parameters : []
    operation['parameters'] = [...own, { $ref: '#/components/parameters/IdempotencyKey' }]
  }
  for (const status of refusals) {
    if (responses[status] === undefined)
      responses[status] = { $ref: `#/components/responses/${REFUSALS[status]}` }
  }
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
function hoist(node: unknown, schemas: Json): void {
  if (typeof node !== 'object' || node === null) return
  for (const [key, child] of Object.entries(node)) {
    hoist(child, schemas)
    if (!isObject(child)) continue
    const title = child['title']
    if (typeof title !== 'string') continue
    schemas[title] ??= child
    Reflect.set(node, key, { $ref: `#/components/schemas/${title}` })
  }
}

const REFUSALS = {
  '400': 'Invalid',
  '401': 'Unauthenticated',
  '403': 'Forbidden',
  '404': 'NotFound',
  '409': 'Conflict',
  '413': 'TooBig',
  '415': 'ContentType',
  '429': 'Limited',
  '503': 'Unavailable',
  '507': 'StoreFull',
} as const

const refusal = (description: string, status: number, code: keyof typeof ERROR_CODES): Json => ({
  description,
  content: {
    'application/problem+json': {
      schema: { $ref: '#/components/schemas/Problem' },
      example: {
        type: `/docs#${code}`,
        title: description.split(':', 1)[0],
        status,
        code,
        detail: ERROR_CODES[code].text,
        requestId: 'mkz3a1-2f',
      },
    },
  },
})
const RESPONSES: Json = {
  Invalid: refusal('Bad Request: something in it is not valid.', 400, 'BODY_INVALID'),
  Unauthenticated: refusal('Unauthorized: no key, or not a valid one.', 401, 'AUTH_FAILED'),
  Forbidden: refusal('Forbidden: the key may not do that.', 403, 'SCOPE_MISSING'),
  NotFound: refusal('Not Found: there is nothing with this id.', 404, 'NOT_FOUND'),
  Conflict: refusal('Conflict: the key was used before.', 409, 'IDEMPOTENCY_KEY_REUSED'),
  TooBig: refusal('Payload Too Large: beyond the limit.', 413, 'MESSAGE_TOO_BIG'),
  ContentType: refusal(
    'Unsupported Media Type: not accepted here.',
    415,
    'CONTENT_TYPE_UNSUPPORTED',
  ),
  Limited: refusal('Too Many Requests: see Retry-After.', 429, 'RATE_LIMITED'),
  Unavailable: refusal('Service Unavailable: nothing was kept.', 503, 'STORE_UNAVAILABLE'),
  StoreFull: refusal('Insufficient Storage: nothing was kept.', 507, 'STORE_FULL'),
}

const IDEMPOTENCY_KEY: Json = {
  in: 'header',
  name: 'Idempotency-Key',
  required: false,
  description:
    'A word of your own for this request. Sent again, it is answered as the first time, with `Idempotency-Replayed: true`.',
  schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[!-~]+$' },
  example: 'order-4711-receipt',
}

const PROBLEM: Json = {
  type: 'object',
  description: 'Why a request was refused (RFC 9457).',
  required: ['type', 'title', 'status', 'code', 'detail', 'requestId'],
  properties: {
    type: {
      type: 'string',
      description: 'Where it is explained.',
      examples: ['/docs#BODY_INVALID'],
    },
    title: { type: 'string', description: 'The status in words.', examples: ['Bad Request'] },
    status: { type: 'integer', description: 'The HTTP status.', examples: [400] },
    code: {
      type: 'string',
      enum: Object.keys(ERROR_CODES),
      description: 'What went wrong. Stable: programs may decide by it.',
      examples: ['BODY_INVALID'],
    },
    detail: {
      type: 'string',
      description: 'A sentence for people.',
      examples: ['The request does not match the schema.'],
    },
    requestId: {
      type: 'string',
      description: 'Tell it when you ask for help.',
      examples: ['mkz3a1-2f'],
    },
    fields: {
      type: 'array',
      description: 'Each field at fault.',
      items: {
        type: 'object',
        required: ['path', 'message'],
        properties: {
          path: { type: 'string', description: 'Where it is.', examples: ['to/1'] },
          message: { type: 'string', description: 'What is wrong.', examples: ['is required'] },
        },
      },
    },
  },
}

const bytes = (description: string, type: string, example: string): Json => ({
  description,
  content: { [type]: { schema: { type: 'string' }, example } },
})
/** Answers that are not made by a serialiser, so that no schema of theirs stands at the route. */
const BINARY: Readonly<Record<string, Json>> = {
  '/v1/messages/{id}/content': bytes(
    'The message, always as a download.',
    'message/rfc822',
    'From: orders@shop.example\r\nTo: ada@example.com\r\nSubject: Hi\r\n\r\nHello.\r\n',
  ),
  '/metrics': bytes(
    'Metrics in the Prometheus text format.',
    'text/plain',
    '# TYPE posthorn_messages_accepted_total counter\nposthorn_messages_accepted_total 42\n',
  ),
  '/openapi.json': bytes('The description.', 'application/json', '{"openapi":"3.1.0"}'),
}
