/**
 * The refusals of the OpenAPI document. Most follow from how every route works and are said once, here; what a route
 * adds of its own it names as error codes (`config.refuses`), so that none repeats a status or a sentence.
 */
import { STATUS_CODES } from 'node:http'
import { ERROR_CODES } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'
import { groupBy } from '../core/group-by.ts'
import type { RouteAccess } from './auth.ts'
import { statusOf } from './errors.ts'
import type { Json } from './json.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Refusals that do not follow from the kind of route: what its service throws. For the description only. */
    refuses?: readonly ErrorCode[]
  }
}

export interface RouteFacts {
  /** Lower case. */
  readonly method: string
  /** As in the document: `/v1/keys/{id}`. */
  readonly path: string
  readonly access: RouteAccess
  readonly refuses: readonly ErrorCode[]
  readonly hasParameters: boolean
}

/** status → name among `components.responses`, what it means for any route, and the code of its example. */
const COMMON = {
  400: ['Invalid', 'Something in the request is not valid.', 'BODY_INVALID'],
  401: ['Unauthenticated', 'No key and no session, or one that is not good.', 'AUTH_FAILED'],
  403: ['Forbidden', 'The key or the person may not do that.', 'PERMISSION_MISSING'],
  404: ['NotFound', 'There is nothing with this id or name.', 'NOT_FOUND'],
  413: ['TooBig', 'The body is larger than allowed.', 'MESSAGE_TOO_BIG'],
  415: ['ContentType', 'A body of this type is not accepted.', 'CONTENT_TYPE_UNSUPPORTED'],
  429: ['Limited', 'Too many requests; `Retry-After` says when to come again.', 'RATE_LIMITED'],
  503: ['Unavailable', 'Nothing was done; try again later.', 'STORE_UNAVAILABLE'],
  507: ['StoreFull', 'There is no room, and nothing was done.', 'STORE_FULL'],
} as const satisfies Record<number, readonly [name: string, text: string, code: ErrorCode]>
type CommonStatus = keyof typeof COMMON

/** status → response. `declared` are those that the route describes itself, such as the 503 of /readyz. */
export function refusalsOf(route: RouteFacts, declared: Json): Json {
  const common = commonOf(route)
  const own = groupBy(route.refuses, statusOfCode)
  const statuses = [...new Set<number>([...common, ...own.keys()])].sort((a, b) => a - b)
  return Object.fromEntries(
    statuses
      .filter((status) => declared[status] === undefined)
      .map((status) => [status, responseOf(status, common, own.get(status) ?? [])]),
  )
}

function commonOf({ method, path, access, hasParameters }: RouteFacts): CommonStatus[] {
  const isAsked = access.public !== true
  // A body is read wherever one can be sent, and refused even where none is needed.
  const takesBody = method !== 'get'
  const statuses: CommonStatus[] = [503]
  if (isAsked || takesBody || hasParameters) statuses.push(400)
  if (isAsked) statuses.push(401, 403)
  // Keys and people have a rate; so have strangers who make us work.
  if (isAsked || takesBody) statuses.push(429)
  if (path.includes('{')) statuses.push(404)
  if (takesBody) statuses.push(413, 415, 507)
  return statuses
}

function responseOf(
  status: number,
  common: readonly CommonStatus[],
  codes: readonly ErrorCode[],
): Json {
  const shared = common.find((one) => one === status)
  if (shared !== undefined && codes.length === 0)
    return { $ref: `#/components/responses/${COMMON[shared][0]}` }
  const words = codes.map((code) => `\`${code}\`: ${ERROR_CODES[code].text}`)
  const general = shared === undefined ? [] : [COMMON[shared][1]]
  return refusal([...general, ...words].join(' '), codes[0] ?? 'INTERNAL')
}

const statusOfCode = (code: ErrorCode): number => statusOf({ code, kind: ERROR_CODES[code].kind })

function refusal(description: string, code: ErrorCode): Json {
  const status = statusOfCode(code)
  return {
    description,
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        example: {
          type: `/docs#${code}`,
          title: STATUS_CODES[status] ?? 'Error',
          status,
          code,
          detail: ERROR_CODES[code].text,
          requestId: 'mkz3a1-2f',
        },
      },
    },
  }
}

/** For `components.responses`. */
export const SHARED_REFUSALS: Json = Object.fromEntries(
  Object.values(COMMON).map(([name, text, code]) => [name, refusal(text, code)]),
)

/** For `components.schemas`. */
export const PROBLEM: Json = {
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
        description: 'A field at fault.',
        required: ['path', 'message'],
        properties: {
          path: { type: 'string', description: 'Where it is.', examples: ['to/1'] },
          message: { type: 'string', description: 'What is wrong.', examples: ['is required'] },
        },
      },
    },
  },
}
