/** The OpenAPI document as tests use it: operations with references resolved, and validators of the server's own kind. */
import { Compile } from 'typebox/compile'

export type Node = Readonly<Record<string, unknown>>
export const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null
export const at = (value: unknown, ...path: readonly string[]): unknown =>
  path.reduce<unknown>((node, name) => (isNode(node) ? node[name] : undefined), value)
export const nodeAt = (value: unknown, ...path: readonly string[]): Node => {
  const found = at(value, ...path)
  return isNode(found) ? found : {}
}

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly description: string
  readonly schema: Node
  readonly example: unknown
}
export interface Content {
  readonly type: string
  readonly schema: Node
  readonly example: unknown
}
export interface Operation {
  readonly id: string
  /** `post /v1/keys/{id}/rotate` */
  readonly name: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  /** As it stands in the document. */
  readonly spec: Node
  readonly parameters: readonly Parameter[]
  readonly bodies: readonly Content[]
  /** status → content; undefined where the answer has none. */
  readonly answers: ReadonlyMap<number, Content | undefined>
  readonly takesKeys: boolean
  readonly takesSessions: boolean
}

/** A schema (or anything) without references. The document has no recursive schema. */
export function resolved(api: Node, node: unknown): unknown {
  if (Array.isArray(node)) return node.map((item) => resolved(api, item))
  if (!isNode(node)) return node
  const ref = node['$ref']
  if (typeof ref === 'string') return resolved(api, at(api, ...ref.slice(2).split('/')))
  return Object.fromEntries(
    Object.entries(node).map(([name, child]) =>
      // Examples may have anything in them.
      name === 'example' || name === 'examples' ? [name, child] : [name, resolved(api, child)],
    ),
  )
}

export function operationsOf(api: Node): Operation[] {
  return Object.entries(nodeAt(api, 'paths')).flatMap(([path, item]) =>
    Object.entries(isNode(item) ? item : {}).map(([method, spec]) =>
      operationOf(api, { method, path, spec: spec as Node }),
    ),
  )
}

function operationOf(
  api: Node,
  { method, path, spec }: { method: string; path: string; spec: Node },
): Operation {
  const whole = resolved(api, spec) as Node
  const security = (whole['security'] ?? []) as Node[]
  return {
    id: String(spec['operationId']),
    name: `${method} ${path}`,
    method: method.toUpperCase() as Operation['method'],
    path,
    spec,
    parameters: (whole['parameters'] ?? []) as Parameter[],
    bodies: contentsOf(whole['requestBody']),
    answers: new Map(
      Object.entries(nodeAt(whole, 'responses')).map(([status, answer]) => [
        Number(status),
        contentsOf(answer)[0],
      ]),
    ),
    takesKeys: security.some((way) => 'apiKey' in way),
    takesSessions: security.some((way) => 'session' in way),
  }
}

const contentsOf = (holder: unknown): Content[] =>
  Object.entries(nodeAt(holder, 'content')).map(([type, media]) => ({
    type,
    schema: nodeAt(media, 'schema'),
    example: at(media, 'example'),
  }))

/** The same schema, in which no object may have more than it names. */
export function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (!isNode(schema)) return schema
  const inner = Object.fromEntries(
    Object.entries(schema).map(([name, child]) =>
      name === 'example' || name === 'examples' ? [name, child] : [name, closed(child)],
    ),
  )
  return isNode(schema['properties']) && schema['additionalProperties'] === undefined
    ? { ...inner, additionalProperties: false }
    : inner
}

/** What is wrong with a value, in a few words; empty when it is valid. As the server checks requests. */
export function validator(schema: unknown): (value: unknown) => string[] {
  const compiled = Compile(schema as Parameters<typeof Compile>[0])
  return (value) =>
    compiled.Check(value)
      ? []
      : compiled.Errors(value).map(({ instancePath, message }) => `${instancePath} ${message}`)
}
