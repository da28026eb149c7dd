/**
 * The served description against what is served: requests that are made up from it, right and wrong ones, by somebody
 * who may do everything, by a key with every scope, by the owner of another tenant, and by nobody. Never a failure of
 * ours, never a status that is not declared, never an answer of another shape.
 *
 * POSTHORN_CONTRACT_RUNS and POSTHORN_CONTRACT_SEED (`npm run test:contract -- --runs 2000 --seed 7`) make it longer
 * and other. What would end the run is healed after it, not left out.
 */
import fc from 'fast-check'
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { ERROR_CODES } from '../../server/core/errors.ts'
import { decodeId, encodeId } from '../../server/core/ids.ts'
import type { IdKind } from '../../server/core/ids.ts'
import { ALL_PERMISSIONS } from '../../server/core/permission.ts'
import { openApiDocument } from '../../server/http/openapi-document.ts'
import { closed, nodeAt, operationsOf, resolved, validator } from '../http/described.ts'
import type { Content, Operation } from '../http/described.ts'
import { CASES } from '../http/example-cases.ts'
import type { Case } from '../http/example-cases.ts'
import type { Person } from '../http/people-of.ts'
import { SEEDS } from '../http/rows.ts'
import { codeOf, ORIGIN, openWorld } from '../http/support.ts'
import type { World } from '../http/support.ts'
import { mutated, planOf, plainPlan } from './contract-plan.ts'
import type { IdSource, Plan } from './contract-plan.ts'

const RUNS = Number(process.env['POSTHORN_CONTRACT_RUNS'] ?? 25)
const SEED = Number(process.env['POSTHORN_CONTRACT_SEED'] ?? 20_261_122)

/** Each of these costs a process, a key pair, a hashed password or the whole log; so many times fewer. */
const SLOW: Readonly<Record<string, number>> = {
  verifyBackup: 10,
  addDomain: 3,
  verifyAudit: 5,
  addRoute: 3,
  signIn: 3,
}
/** The rows of these cost a process, too; once is enough. */
const DEAR_CASES = ['verifyBackup', 'makeBackup']

// Only to name the tests; what is asked for is what is served.
const names = operationsOf(await openApiDocument('0.0.0-test')).map(({ id }) => id)

let world: World
let served: ReadonlyMap<string, Operation>
let problem: (value: unknown) => string[]
const validators = new Map<Content, (value: unknown) => string[]>()

beforeAll(async () => {
  world = await openWorld(
    { metricsNetworks: ['10.128.0.0/9'] },
    { mail: { from: 'posthorn@live.example' } },
  )
  const api = (await world.app.inject('/openapi.json')).json<Record<string, unknown>>()
  served = new Map(operationsOf(api).map((operation) => [operation.id, operation]))
  problem = validator(closed(resolved(api, nodeAt(api, 'components', 'schemas', 'Problem'))))
  neighbour = await openNeighbour()
  for (const kind of KINDS)
    foreign.set(kind, (await SEEDS[kind]?.({ world: neighbour, word: newWord() })) ?? '')
  await renew()
})
afterAll(() => world.close())

let words = 0
const newWord = (): string => `word-${++words}`

/** Who asks. Made anew when a request has ended what they were. */
interface Callers {
  readonly admin: Person
  readonly stranger: Person
  readonly key: string
}
let callers: Callers
let neighbour: World
const foreign = new Map<IdKind, string>()

async function renew(): Promise<void> {
  const { control } = world
  // Enabled, and nobody is asked for a second factor that they do not have.
  for (const { tenant } of [world, neighbour]) {
    const change = { disabled: false, settings: { requireSecondFactor: 'nobody' } } as const
    await control.tenants.change(SYSTEM_ACTOR, tenant, change)
  }
  callers = {
    admin: await world.people({ role: 'owner', platformRole: 'admin' }),
    stranger: await neighbour.people({ role: 'owner' }),
    key: (await world.newKey(world.tenant, ALL_PERMISSIONS)).secret,
  }
}

/** The same installation as another tenant sees it. */
async function openNeighbour(): Promise<World> {
  const tenant = await world.newTenant('neighbour')
  const { secret: key } = await world.newKey(tenant, ALL_PERMISSIONS)
  const authorization = `Bearer ${key}`
  return {
    ...world,
    tenant,
    key,
    people: (wish) => world.people({ tenant, ...wish }),
    post: (url, payload) => world.post(url, payload, { authorization }),
  }
}

const KINDS = Object.keys(SEEDS) as IdKind[]
const kindOf = (text: string): IdKind | undefined =>
  KINDS.find((kind) => decodeId(kind, text) !== undefined)

async function idOf(source: IdSource, kind: IdKind | undefined, example: string): Promise<string> {
  if ('text' in source) return source.text
  if (kind === undefined) return source.from === 'own' ? example : `unknown-${source.from}`
  if (source.from === 'unknown') return encodeId(kind, 4711)
  if (source.from === 'foreign') return foreign.get(kind) ?? encodeId(kind, 4712)
  const made = source.from === 'own' ? kind : kind === 'message' ? 'delivery' : 'message'
  return (await SEEDS[made]?.({ world, word: newWord() })) ?? encodeId(made, 1)
}

async function requestOf(operation: Operation, plan: Plan): Promise<InjectOptions> {
  const content = operation.bodies[plan.media]
  const isCase = plan.isCase && (plan.isPlain || !DEAR_CASES.includes(operation.id))
  const scene = { world, admin: callers.admin, type: content?.type, word: newWord() }
  const given: Case = isCase ? ((await CASES[operation.id]?.(scene)) ?? {}) : {}
  let { path } = operation
  for (const { name, example } of operation.parameters.filter(
    ({ in: place }) => place === 'path',
  )) {
    const text = String(example)
    const id =
      given.params?.[name] ?? (await idOf(plan.params[name] ?? { from: 'own' }, kindOf(text), text))
    path = path.replace(`{${name}}`, encodeURIComponent(wellFormed(id)))
  }
  const query = new URLSearchParams(
    plan.query.map(([name, value]): [string, string] => [name, value]),
  ).toString()
  return {
    method: operation.method,
    url: query === '' ? path : `${path}?${query}`,
    // An address each: made-up guesses must not use up what all may ask.
    remoteAddress: addressOf(plan),
    headers: {
      ...(content === undefined ? {} : { 'content-type': plan.contentType ?? content.type }),
      ...credentialsOf(plan, given),
      ...(plan.caller === 'nobody' || plan.caller === 'key' ? { origin: ORIGIN } : {}),
      'posthorn-tenant': tenantOf(plan),
      ...given.headers,
      ...plan.headers,
    },
    ...payloadOf(content, plan, given),
  }
}

/** Only half of them may see metrics. */
const addressOf = ({ isCase }: Plan): string =>
  `10.${isCase ? 200 : 1}.${words % 250}.${(words >> 8) % 250}`

/** Lone surrogates cannot be in a URL. */
const wellFormed = (text: string): string => Buffer.from(text).toString()

function tenantOf({ caller, tenant }: Plan): string {
  if ('text' in tenant) return tenant.text
  if (tenant.from === 'unknown') return encodeId('tenant', 4711)
  const isNeighbour = (caller === 'stranger') === (tenant.from !== 'foreign')
  return encodeId('tenant', isNeighbour ? neighbour.tenant : world.tenant)
}

function credentialsOf({ caller }: Plan, given: Case): Readonly<Record<string, string>> {
  if (caller === 'key') return { authorization: `Bearer ${callers.key}` }
  if (caller === 'nobody') return {}
  return caller === 'admin' ? (given.as ?? callers.admin).headers : callers.stranger.headers
}

function payloadOf(content: Content | undefined, plan: Plan, given: Case): { payload?: string } {
  if (plan.raw !== undefined) return { payload: plan.raw }
  if (content === undefined) return {}
  const base =
    typeof plan.body === 'object' && !Array.isArray(plan.body)
      ? { ...plan.body, ...given.body }
      : plan.body
  const body = mutated(base, plan.mutations)
  // Taken away as a whole, or a text of a type of its own.
  if (body === undefined) return { payload: '' }
  return { payload: typeof body === 'string' ? body : JSON.stringify(body) }
}

/** What is wrong with an answer; empty when nothing is. */
function faultsOf(operation: Operation, answer: LightMyRequestResponse): string[] {
  const { statusCode: status } = answer
  if (status >= 500) return [`failed with ${status}`]
  if (!operation.answers.has(status)) return [`${status} is not declared`]
  const content = operation.answers.get(status)
  if (status >= 400) {
    const code = codeOf(answer)
    const isKnown = Object.hasOwn(ERROR_CODES, code)
    return [...problem(answer.json()), ...(isKnown ? [] : [`${code} is no code`])]
  }
  if (content === undefined) return answer.body === '' ? [] : ['there is a body']
  const [type] = String(answer.headers['content-type']).split(';')
  if (type !== content.type) return [`the answer is ${String(type)}`]
  if (content.schema['type'] === 'string') return []
  let check = validators.get(content)
  if (check === undefined) validators.set(content, (check = validator(closed(content.schema))))
  return check(answer.json())
}

/** What is a tenant's own is nowhere for the owner of another one. */
function leaksOf(
  { parameters }: Operation,
  { caller, params }: Plan,
  { statusCode }: LightMyRequestResponse,
): string[] {
  if (caller !== 'stranger' || statusCode >= 400) return []
  return parameters
    .filter(({ name, in: place, example }) => {
      const source = params[name]
      const isId = place === 'path' && kindOf(String(example)) !== undefined
      return isId && source !== undefined && 'from' in source && source.from === 'own'
    })
    .map(({ name }) => `${name} is of another tenant`)
}

/** Whether the answer tells that somebody is not any more who they were. */
const isSpoilt = (plan: Plan, { statusCode, body }: LightMyRequestResponse): boolean =>
  plan.caller !== 'nobody' &&
  (statusCode === 401 || (statusCode === 403 && /SECOND_FACTOR_(?:MISSING|REQUIRED)/.test(body)))

const reached = new Set<string>()

async function check(operation: Operation, plan: Plan): Promise<void> {
  const request = await requestOf(operation, plan)
  const answer = await world.app.inject(request)
  if (answer.statusCode < 300) reached.add(operation.id)
  if (
    isSpoilt(plan, answer) ||
    /^(changeTenant|changeOwnTenant|signOut|leaveTenant)$/.test(operation.id)
  )
    await renew()
  const faults = [...faultsOf(operation, answer), ...leaksOf(operation, plan, answer)]
  if (faults.length > 0)
    throw new Error(
      `${operation.name}: ${faults.join('; ')}\n${JSON.stringify(request, null, 1).slice(0, 4_000)}\n${answer.body.slice(0, 1_000)}\n${logged()}`,
    )
}
/** What the log says of failures, for the reader of the report. */
const logged = (): string =>
  JSON.stringify(world.log.lines.filter(({ level }) => level === 'error').slice(-1)).slice(0, 3_000)

describe('made-up requests', () => {
  test.each(names)(
    '%s',
    async (id) => {
      const operation = served.get(id)!
      const slow = SLOW[id] ?? 1
      await fc.assert(
        fc.asyncProperty(planOf(operation), (plan) => check(operation, plan)),
        {
          numRuns: Math.ceil(RUNS / slow) + 1,
          seed: SEED,
          examples: [[plainPlan(operation)]],
          endOnFailure: RUNS > 1_000,
        },
      )
      expect(reached.has(id)).toBe(true)
    },
    20_000 + RUNS * 200,
  )
})

test('methods that a path does not have are refused, and it tells those that it has', async () => {
  const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'] as const
  const wrong: string[] = []
  const operations = [...served.values()]
  for (const path of new Set(operations.map((operation) => operation.path))) {
    const url = path.replaceAll(/\{\w+\}/g, 'x')
    // `/v1/messages/batch` is one of `/v1/messages/{id}`, too.
    const has = operations
      .filter((one) => new RegExp(`^${one.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(url))
      .map(({ method }) => method)
    for (const method of METHODS) {
      if ((has as string[]).includes(method)) continue
      const answer = await world.app.inject({ method: method as 'GET', url, payload: '{' })
      const allow = String(answer.headers['allow'])
      const isRefused =
        answer.statusCode === 405 &&
        codeOf(answer) === 'METHOD_NOT_ALLOWED' &&
        has.every((one) => allow.includes(one))
      if (!isRefused) wrong.push(`${method} ${url}: ${answer.statusCode}, ${allow}`)
    }
  }
  expect(wrong).toEqual([])
})
