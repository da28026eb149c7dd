/**
 * HTTP to hosts that tenants or remote domains name: webhooks, MTA-STS policies, images. Must never reach into a
 * network of ours, whatever the URL, its name server or its redirects say; never trust an unproven certificate; never
 * wait or take in without limit. Everything that goes wrong out there is a value.
 */
import { makeCut } from './cut.ts'
import { exchange } from './exchange.ts'
import type { ExchangeDeps, Response, ResponseHead } from './exchange.ts'
import { failure } from './fault.ts'
import type { FetchFailure } from './fault.ts'
import { fieldsFor, headerProblem } from './request-header.ts'
import type { RequestHeader } from './request-header.ts'
import { parseTarget } from './target.ts'
import type { Target, TargetRules } from './target.ts'

export type FetchDeps = ExchangeDeps

export interface FetchTimes {
  /** Each address's TCP connection, and the TLS handshake. */
  readonly connectMs: number
  /** From the request to the end of the response's header. */
  readonly headerMs: number
  /** All of it, look-ups and redirects included. */
  readonly totalMs: number
}

export interface FetchRequest {
  readonly url: string
  /** Default GET. */
  readonly method?: 'GET' | 'POST'
  /** Host, lengths and codings are ours to say. */
  readonly header?: RequestHeader
  readonly body?: Buffer
  /** Default false: only https. */
  readonly allowHttp?: boolean
  /** Default: the standard port of the scheme alone. */
  readonly ports?: readonly number[]
  /** How many to follow, at most 3. Default 0: a redirect is a response like any other. */
  readonly redirects?: number
  /** Of the body. Default 1 MiB. */
  readonly maxBytes?: number
  /** Only status and header are wanted: the body is not read, and nothing is said about it. Default false. */
  readonly headOnly?: boolean
  /** Default 5 s, 10 s, 15 s. */
  readonly times?: Partial<FetchTimes>
  /** Gives the request up: `closed`. */
  readonly signal?: AbortSignal
}

export type Fetched = Response | FetchFailure
/** `guardedFetch` with its dependencies. */
export type GuardedFetch = (request: FetchRequest) => Promise<Fetched>

export const MAX_REDIRECTS = 3
const MAX_BYTES = 1_048_576
const TIMES: FetchTimes = { connectMs: 5_000, headerMs: 10_000, totalMs: 15_000 }
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Resolves with the response of whatever status, or with why there is none. Rejects only for a bug. */
export async function guardedFetch(request: FetchRequest, deps: FetchDeps): Promise<Fetched> {
  const given = request.header ?? {}
  const problem = headerProblem(given)
  if (problem !== undefined) return problem
  const rules = { allowHttp: request.allowHttp ?? false, ports: request.ports }
  const first = parseTarget(request.url, rules)
  if (!first.ok) return first
  const allowed = Math.min(request.redirects ?? 0, MAX_REDIRECTS)
  const times = { ...TIMES, ...request.times }
  const cut = makeCut(deps.clock, request.signal)
  cut.within(times.totalMs, 'the whole request')
  let step: Step = {
    target: first,
    method: request.method ?? 'GET',
    header: { 'user-agent': 'Posthorn', accept: '*/*', ...lowerCase(given) },
    body: request.body,
  }
  try {
    for (let followed = 0; ; followed++) {
      const response = await exchange(
        {
          ...step,
          maxBytes: request.maxBytes ?? MAX_BYTES,
          connectMs: times.connectMs,
          headerMs: times.headerMs,
          isHeadOnly: (head) =>
            request.headOnly === true || (allowed > 0 && locationOf(head) !== undefined),
        },
        deps,
        cut,
      )
      const location = allowed > 0 && response.ok ? locationOf(response) : undefined
      if (!response.ok || location === undefined) return response
      if (followed === allowed) return failure('redirects', `more than ${allowed}`)
      const next = follow(step, response.status, location, rules)
      if ('ok' in next) return next
      step = next
    }
  } finally {
    cut.end()
  }
}

interface Step {
  readonly target: Target
  readonly method: 'GET' | 'POST'
  readonly header: RequestHeader
  readonly body: Buffer | undefined
}

const locationOf = ({ status, headers }: ResponseHead): string | undefined =>
  REDIRECTS.has(status) ? headers.get('location') : undefined

/** The request that a redirect asks for, checked as if it were the first. RFC 9110 §15.4. */
function follow(
  step: Step,
  status: number,
  location: string,
  rules: TargetRules,
): Step | FetchFailure {
  const target = parseTarget(location, rules, step.target)
  if (!target.ok) return failure('redirects', `to ${target.detail}`)
  if (step.target.secure && !target.secure) return failure('redirects', 'from https to http')
  const bodiless = status === 303 || (step.method === 'POST' && status < 303)
  const crossing = target.origin !== step.target.origin
  return {
    target,
    method: bodiless ? 'GET' : step.method,
    header: fieldsFor(step.header, { crossing, bodiless }),
    body: bodiless ? undefined : step.body,
  }
}

const lowerCase = (header: RequestHeader): RequestHeader =>
  Object.fromEntries(Object.entries(header).map(([name, value]) => [name.toLowerCase(), value]))
