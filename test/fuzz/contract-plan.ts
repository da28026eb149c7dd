/**
 * Requests that are made up from the description of an operation: right ones, and right ones with something wrong in
 * them. A plan is data, so that a failure shrinks to the least that still fails; ids and tokens are put in later.
 */
import fc from 'fast-check'
import type { Content, Node, Operation, Parameter } from '../http/described.ts'
import { at, isNode } from '../http/described.ts'

export const CALLERS = ['admin', 'key', 'stranger', 'nobody'] as const
/** A platform admin, a key with all scopes, the owner of another tenant, and no credentials at all. */
export type Caller = (typeof CALLERS)[number]

/** Where an id in a path comes from. */
export type IdSource =
  { readonly from: 'own' | 'foreign' | 'unknown' | 'other-kind' } | { readonly text: string }

/** What is done to a body: at the `where`-th place of all its places. */
export type Mutation =
  | { readonly do: 'replace'; readonly where: number; readonly value: unknown }
  | { readonly do: 'remove'; readonly where: number }
  | { readonly do: 'add'; readonly where: number; readonly name: string; readonly value: unknown }
  | { readonly do: 'nest'; readonly where: number; readonly depth: number }

export interface Plan {
  readonly caller: Caller
  /** Rows and tokens as the example needs them. */
  readonly isCase: boolean
  /** The example as it stands. */
  readonly isPlain: boolean
  /** Which of the bodies that the operation takes. */
  readonly media: number
  readonly body: unknown
  readonly mutations: readonly Mutation[]
  /** In place of the body, whatever it is. */
  readonly raw: string | undefined
  readonly contentType: string | undefined
  readonly params: Readonly<Record<string, IdSource>>
  readonly query: readonly (readonly [string, string])[]
  readonly headers: Readonly<Record<string, string>>
  readonly tenant: IdSource
}

const BAD_TEXTS = [
  '',
  ' ',
  '\0',
  'a\r\nBcc: b@c.example',
  '\u202egnp.exe',
  '\ud800',
  'ﷺ'.repeat(200),
  'e\u0301'.repeat(100),
  'x'.repeat(5_000),
  '../../../etc/passwd',
  '%00',
  '%2e%2e%2f',
  "' or 1=1 --",
  '${7*7}',
  'NaN',
  '-1',
  '1e999',
  '__proto__',
  'constructor',
  'a@b.example',
  'xn--a.example',
  '.',
  '..',
  '*',
  '::1/0',
  '2026-02-30T00:00:00Z',
  '9999-12-31T23:59:60Z',
  'msg_zzzzzzzzzzz',
  'usr_00000000000',
]
const badText = fc.oneof(
  fc.constantFrom(...BAD_TEXTS),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
)
const badValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: badText },
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -0,
    -1,
    0.5,
    2 ** 31,
    2 ** 53,
    -(2 ** 63),
    1e308,
    5e-324,
    [],
    {},
    [null],
    { length: 3 },
    { toString: 1 },
  ),
  fc.jsonValue({ maxDepth: 3 }),
)
const badName = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'id', 'tenant', 'role', ''),
  fc.string({ unit: 'binary', maxLength: 12 }),
)
const where = fc.nat(60)
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('replace' as const), where, value: badValue }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), where }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('add' as const),
      where,
      name: badName,
      value: badValue,
    }),
  },
  fc.record({ do: fc.constant('nest' as const), where, depth: fc.constantFrom(1, 10, 70, 500) }),
)

/** Values that are valid by a schema; the example in about half of all. */
export function valid(schema: Node): fc.Arbitrary<unknown> {
  const examples = at(schema, 'examples')
  const made = byType(schema)
  return Array.isArray(examples)
    ? fc.oneof(fc.constantFrom(...(examples as unknown[])), made)
    : made
}

function byType(schema: Node): fc.Arbitrary<unknown> {
  const choices = schema['anyOf']
  if (Array.isArray(choices)) return fc.oneof(...choices.map((choice) => valid(choice as Node)))
  const values = schema['enum']
  if (Array.isArray(values)) return fc.constantFrom(...(values as unknown[]))
  const types = [schema['type']].flat()
  if (types.length > 1)
    return fc.oneof(...types.map((type) => byType({ ...schema, type, enum: undefined })))
  switch (types[0]) {
    case 'string':
      return text(schema)
    case 'integer':
    case 'number':
      return fc.integer({
        min: numberAt(schema, 'minimum', -1000),
        max: Math.min(numberAt(schema, 'maximum', 100_000), 2 ** 31 - 1),
      })
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'array':
      return fc.array(valid((schema['items'] ?? {}) as Node), {
        minLength: numberAt(schema, 'minItems', 0),
        maxLength: Math.min(numberAt(schema, 'maxItems', 4), 4),
      })
    case 'object':
      return object(schema)
    default:
      return fc.jsonValue({ maxDepth: 2 })
  }
}

const numberAt = (schema: Node, name: string, otherwise: number): number => {
  const value = schema[name]
  return typeof value === 'number' ? value : otherwise
}

function text(schema: Node): fc.Arbitrary<string> {
  const minLength = numberAt(schema, 'minLength', 0)
  const maxLength = Math.min(numberAt(schema, 'maxLength', 60), 300)
  if (schema['format'] === 'date-time')
    return fc
      .date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) })
      .map((date) => date.toISOString())
  const { pattern } = schema
  if (typeof pattern === 'string')
    return fc
      .stringMatching(new RegExp(pattern))
      .map((made) => made.slice(0, maxLength))
      .filter((made) => made.length >= minLength && new RegExp(pattern).test(made))
  return fc.oneof(
    fc.string({ unit: 'grapheme-ascii', minLength, maxLength }),
    fc.string({ unit: 'grapheme', minLength, maxLength }),
    fc.string({ unit: 'binary', minLength, maxLength: Math.max(minLength, 20) }),
  )
}

function object(schema: Node): fc.Arbitrary<unknown> {
  const { properties, additionalProperties: further } = schema
  if (!isNode(properties))
    return isNode(further)
      ? fc.dictionary(fc.stringMatching(/^[A-Za-z][\w-]{0,12}$/), valid(further), { maxKeys: 4 })
      : fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 3 })
  const required = (schema['required'] ?? []) as string[]
  const names = Object.keys(properties)
  const model = Object.fromEntries(names.map((name) => [name, valid(properties[name] as Node)]))
  const whole = fc.record(model, { requiredKeys: required })
  const most = schema['maxProperties']
  if (typeof most !== 'number') return whole
  // Exactly one of several, in our schemas.
  return fc.oneof(...names.map((name) => fc.record({ [name]: model[name]! })))
}

const idSource: fc.Arbitrary<IdSource> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ from: 'own' as const }) },
  { weight: 2, arbitrary: fc.constant({ from: 'foreign' as const }) },
  { weight: 2, arbitrary: fc.constant({ from: 'unknown' as const }) },
  fc.constant({ from: 'other-kind' as const }),
  fc.record({ text: badText }),
)
const tenantSource: fc.Arbitrary<IdSource> = fc.oneof(
  { weight: 16, arbitrary: fc.constant({ from: 'own' as const }) },
  fc.constant({ from: 'foreign' as const }),
  fc.constant({ from: 'unknown' as const }),
  fc.record({ text: fc.constantFrom('', 'ten_', 'acme', 'usr_00000000001', 'x'.repeat(300)) }),
)

function queryOf(
  parameters: readonly Parameter[],
): fc.Arbitrary<readonly (readonly [string, string])[]> {
  const own = parameters.filter(({ in: place }) => place === 'query')
  const stray = fc.tuple(badName, badText)
  if (own.length === 0) return fc.oneof({ weight: 9, arbitrary: fc.constant([]) }, fc.array(stray))
  const one = fc.oneof(
    ...own.map(({ name, schema, example }) =>
      fc.oneof(
        { weight: 5, arbitrary: fc.constant([name, asText(example)] as const) },
        { weight: 5, arbitrary: valid(schema).map((value) => [name, asText(value)] as const) },
        { weight: 3, arbitrary: badText.map((value) => [name, value] as const) },
      ),
    ),
  )
  const several = fc.array(one, { maxLength: 4 })
  return fc.oneof(
    { weight: 8, arbitrary: several },
    fc.tuple(several, stray).map(([list, extra]) => [...list, extra]),
  )
}
const asText = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(Array.isArray(value) ? value[0] : value)

const HEADERS: readonly Readonly<Record<string, string>>[] = [
  { 'posthorn-csrf': 'wrong' },
  { origin: 'https://evil.example' },
  { origin: 'null' },
  { 'content-encoding': 'gzip' },
  { 'content-encoding': 'identity' },
  { accept: 'text/html' },
  { 'idempotency-key': 'once' },
  { 'idempotency-key': '' },
  { 'idempotency-key': 'x'.repeat(256) },
  { 'idempotency-key': 'a b' },
  { 'x-forwarded-for': '192.0.2.1, "><' },
  { 'x-http-method-override': 'DELETE' },
  { cookie: '__Host-posthorn=a; __Host-posthorn=b' },
  { authorization: 'Basic eDp5' },
  { expect: '100-continue' },
  { 'user-agent': '<script>'.repeat(200) },
  { 'sec-fetch-site': 'cross-site' },
]
const CONTENT_TYPES = [
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/json; charset=utf-8',
  'application/JSON',
  'application/json; charset=utf-16',
  'application/vnd.api+json',
  'message/rfc822',
  'x',
  ';',
]
const RAW = [
  '',
  '{',
  'null',
  'NaN',
  '[',
  '"',
  '\ufeff{}',
  '{"a":1,"a":2}',
  '[[[[[[]]]]]]',
  '['.repeat(100_000),
  '0'.repeat(100),
]

const rarely = <T>(arbitrary: fc.Arbitrary<T>, weight = 9): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight, arbitrary: fc.constant(undefined) }, arbitrary)

export function planOf({ parameters, bodies }: Operation): fc.Arbitrary<Plan> {
  const paths = parameters.filter(({ in: place }) => place === 'path')
  return fc
    .record({
      caller: fc.oneof(
        { weight: 6, arbitrary: fc.constant('admin' as const) },
        { weight: 4, arbitrary: fc.constant('key' as const) },
        fc.constant('stranger' as const),
        fc.constant('nobody' as const),
      ),
      isCase: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.constant(true)),
      media: fc.nat(Math.max(0, bodies.length - 1)),
      mutations: fc.oneof(
        { weight: 4, arbitrary: fc.constant([]) },
        { weight: 6, arbitrary: fc.array(mutation, { minLength: 1, maxLength: 3 }) },
      ),
      raw: rarely(fc.oneof(fc.constantFrom(...RAW), fc.string({ unit: 'binary' })), 14),
      contentType: rarely(fc.constantFrom(...CONTENT_TYPES), 14),
      params: fc.record(Object.fromEntries(paths.map(({ name }) => [name, idSource]))),
      query: queryOf(parameters),
      headers: fc.oneof({ weight: 8, arbitrary: fc.constant({}) }, fc.constantFrom(...HEADERS)),
      tenant: tenantSource,
    })
    .chain((plan) => {
      const content = bodies[plan.media]
      return (content === undefined ? fc.constant(undefined) : bodyOf(content)).map((body) => ({
        ...plan,
        isPlain: false,
        body,
      }))
    })
}

const bodyOf = ({ schema, example }: Content): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 2, arbitrary: fc.constant(example) }, valid(schema))

/** The example as it stands, by somebody who may. */
export const plainPlan = ({ bodies, parameters, takesKeys, takesSessions }: Operation): Plan => ({
  caller: takesSessions ? 'admin' : takesKeys ? 'key' : 'nobody',
  isCase: true,
  isPlain: true,
  media: 0,
  body: bodies[0]?.example,
  mutations: [],
  raw: undefined,
  contentType: undefined,
  params: Object.fromEntries(
    parameters
      .filter(({ in: place }) => place === 'path')
      .map(({ name, example }) => [name, { text: String(example) }]),
  ),
  query: [],
  headers: {},
  tenant: { from: 'own' },
})

/** All places in a value: the object or list, and the name or index in it. */
function places(value: unknown, found: [object, string][] = []): [object, string][] {
  if (typeof value !== 'object' || value === null) return found
  for (const [name, child] of Object.entries(value)) {
    found.push([value, name])
    places(child, found)
  }
  return found
}

/** A copy of the body with the mutations done, in order. */
export function mutated(body: unknown, mutations: readonly Mutation[]): unknown {
  // A list around it, so that the body itself is a place, too.
  const holder: unknown[] = [structuredClone(body)]
  for (const change of mutations) {
    const all = places(holder)
    if (all.length === 0) break
    const [parent, name] = all[change.where % all.length]!
    const present: unknown = Reflect.get(parent, name)
    if (change.do === 'replace') put(parent, name, structuredClone(change.value))
    else if (change.do === 'nest') put(parent, name, nested(present, change.depth))
    else if (change.do === 'remove') Reflect.deleteProperty(parent, name)
    else put(isNode(present) ? present : parent, change.name, structuredClone(change.value))
  }
  return holder[0]
}
/** As JSON.parse does it, so that `__proto__` is a property like any other. */
const put = (parent: object, name: string, value: unknown): unknown =>
  Array.isArray(parent) && !/^\d+$/.test(name)
    ? parent.push(value)
    : Object.defineProperty(parent, name, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      })
function nested(value: unknown, depth: number): unknown {
  let whole = value
  for (let i = 0; i < depth; i++) whole = [whole]
  return whole
}
