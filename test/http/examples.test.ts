/**
 * Every operation of the document, with the example it shows, carried out for real: by a key where keys may, by a
 * person where people may. The answer is one that is declared, and has what is declared and nothing else.
 */
import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openApiDocument } from '../../server/http/openapi-document.ts'
import { encodeId } from '../../server/core/ids.ts'
import { closed, operationsOf, validator } from './described.ts'
import type { Content, Operation, Parameter } from './described.ts'
import { CASES } from './example-cases.ts'
import type { Case, Scene } from './example-cases.ts'
import { ORIGIN, openWorld } from './support.ts'
import type { World } from './support.ts'

const operations = operationsOf(await openApiDocument('1.2.3'))

let world: World
beforeAll(async () => {
  world = await openWorld({}, { mail: { from: 'posthorn@live.example' } })
})
afterAll(() => world.close())

type Way = 'a key' | 'a person' | 'nobody'
const waysOf = ({ takesKeys, takesSessions }: Operation): Way[] => {
  const ways: Way[] = [...(takesKeys ? ['a key' as const] : [])]
  if (takesSessions) ways.push('a person')
  return ways.length === 0 ? ['nobody'] : ways
}

interface Execution {
  readonly operation: Operation
  readonly way: Way
  readonly body: Content | undefined
  /** Without the parameters that may be left out. */
  readonly bare: boolean
}
const executions: Execution[] = operations.flatMap((operation) => {
  const isBare = operation.parameters.some(({ in: place }) => place === 'query')
  const bodies = operation.bodies.length === 0 ? [undefined] : operation.bodies
  return waysOf(operation).flatMap((way) =>
    bodies.flatMap((body) =>
      (isBare && body === undefined ? [false, true] : [false]).map((bare) => ({
        operation,
        way,
        body,
        bare,
      })),
    ),
  )
})

let words = 0

async function carryOut({
  operation,
  way,
  body,
  bare,
}: Execution): Promise<LightMyRequestResponse> {
  const admin = await world.people({ role: 'owner', platformRole: 'admin' })
  const word = `example-${++words}`
  const scene: Scene = { world, admin, type: body?.type, word }
  const given: Case = (await CASES[operation.id]?.(scene)) ?? {}
  const caller = given.as ?? admin
  const examples = operation.parameters.map((parameter) => ({
    ...parameter,
    example: inPlaceOf(parameter, given),
  }))
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) =>
    encodeURIComponent(String(examples.find((one) => one.name === name)?.example)),
  )
  const query = bare
    ? ''
    : queryOf(
        examples.filter(({ in: place, example }) => place === 'query' && example !== undefined),
      )
  const documented = examples.flatMap(({ name, in: place, example }) =>
    place === 'header' ? [[name.toLowerCase(), String(example)] as const] : [],
  )
  const request: InjectOptions = {
    method: operation.method,
    url: path + query,
    headers: {
      ...Object.fromEntries(documented),
      // What exists only at run time.
      ...(way === 'nobody' ? { origin: ORIGIN } : {}),
      ...(way === 'a key' ? { authorization: `Bearer ${world.key}` } : {}),
      ...(way === 'a person' ? caller.headers : {}),
      'posthorn-tenant': encodeId('tenant', world.tenant),
      'idempotency-key': word,
      ...given.headers,
      ...(body === undefined ? {} : { 'content-type': body.type }),
    },
    ...(body === undefined ? {} : { payload: payloadOf(body, given) }),
  }
  return world.app.inject(request)
}

const inPlaceOf = ({ name, in: place, example }: Parameter, given: Case): unknown => {
  const values = place === 'path' ? given.params : place === 'query' ? given.query : undefined
  return values !== undefined && name in values ? values[name] : example
}
function queryOf(examples: readonly Parameter[]): string {
  const query = new URLSearchParams()
  for (const { name, example } of examples)
    for (const value of [example].flat()) query.append(name, String(value))
  return query.size === 0 ? '' : `?${query.toString()}`
}
function payloadOf({ example }: Content, given: Case): string {
  if (typeof example === 'string') return example
  if (Array.isArray(example)) return JSON.stringify(example)
  return JSON.stringify({ ...(example as object), ...given.body })
}

describe('the example', () => {
  test.each(
    executions.map((execution) => ({
      ...execution,
      what: [execution.operation.name, execution.body?.type, execution.bare ? 'bare' : undefined]
        .filter((part) => part !== undefined)
        .join(' '),
    })),
  )('of $what works for $way', async (execution) => {
    const answer = await carryOut(execution)
    const { answers } = execution.operation
    // The text tells why when it is not.
    expect([answer.statusCode, answer.body]).toEqual([expect.toSatisfy(isGood), answer.body])
    expect([...answers.keys()]).toContain(answer.statusCode)
    const content = answers.get(answer.statusCode)
    if (content === undefined) {
      expect([answer.body, answer.headers['content-type']]).toEqual(['', undefined])
      return
    }
    expect(String(answer.headers['content-type']).split(';')[0]).toBe(content.type)
    if (content.schema['type'] === 'string') expect(answer.body).not.toBe('')
    else expect(validator(closed(content.schema))(answer.json())).toEqual([])
  })

  const isGood = (status: unknown): boolean =>
    typeof status === 'number' && status >= 200 && status < 300
})

test('the table has no operation that is gone', () => {
  const ids = operations.map(({ id }) => id)
  expect(Object.keys(CASES).filter((id) => !ids.includes(id))).toEqual([])
})
