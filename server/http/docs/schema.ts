/** JSON Schemas of the OpenAPI document as people read them: references resolved, types in words, an example of each. */
import { isObject, listAt, objectAt, textAt } from '../json.ts'
import type { Json } from '../json.ts'

/** Follows `#/components/…`; the document is our own, so a broken reference is a bug and shows as an empty schema. */
export function resolve(api: Json, node: unknown): Json {
  if (!isObject(node)) return {}
  const ref = node['$ref']
  if (typeof ref !== 'string') return node
  let found: unknown = api
  for (const step of ref.slice(2).split('/')) found = isObject(found) ? found[step] : undefined
  return resolve(api, found)
}

/** `string`, `integer 1…500`, `array of Address`, `one of queued, leased`. */
export function typeOf(api: Json, node: unknown): string {
  const schema = resolve(api, node)
  const values = listAt(schema, 'enum')
  if (values.length > 8) return 'string, from a closed list'
  if (values.length > 0) return `one of ${values.map(String).join(', ')}`
  const title = textAt(schema, 'title')
  if (title !== '') return title
  const choices = listAt(schema, 'anyOf')
  if (choices.length > 0)
    return [...new Set(choices.map((choice) => typeOf(api, choice)))].join(' or ')
  const type = [schema['type']].flat().join(' or ')
  if (type === 'array') return `array of ${typeOf(api, schema['items'])}${bounds(schema, 'Items')}`
  if (textAt(schema, 'format') === 'date-time') return 'time'
  return `${type === '' ? 'any' : type}${bounds(schema, 'Length')}${bounds(schema, 'imum')}`
}

/** `minLength`/`maxLength`, `minItems`/`maxItems`, `minimum`/`maximum`. */
function bounds(schema: Json, of: 'Length' | 'Items' | 'imum'): string {
  const [min, max] = [schema[`min${of}`], schema[`max${of}`]]
  const unit = of === 'Length' ? ' characters' : ''
  if (typeof min === 'number' && typeof max === 'number') return `, ${min} to ${max}${unit}`
  if (typeof max === 'number') return `, at most ${max}${unit}`
  return typeof min === 'number' && min > 1 ? `, at least ${min}${unit}` : ''
}

/** The object whose fields are worth a table: the schema's own, of its items, or of an alternative. */
export function fieldsOf(api: Json, node: unknown): Json | undefined {
  const schema = resolve(api, node)
  if (Object.keys(objectAt(schema, 'properties')).length > 0) return schema
  if (schema['items'] !== undefined) return fieldsOf(api, schema['items'])
  for (const choice of listAt(schema, 'anyOf')) {
    const found = fieldsOf(api, choice)
    if (found !== undefined) return found
  }
  return undefined
}

/** The schema's own example, or one put together from its parts. */
export function exampleOf(api: Json, node: unknown): unknown {
  const schema = resolve(api, node)
  const [example] = listAt(schema, 'examples')
  if (example !== undefined) return example
  const properties = Object.entries(objectAt(schema, 'properties'))
  if (properties.length > 0)
    return Object.fromEntries(properties.map(([name, child]) => [name, exampleOf(api, child)]))
  if (schema['items'] !== undefined) return [exampleOf(api, schema['items'])]
  const [choice] = listAt(schema, 'anyOf')
  return choice === undefined ? null : exampleOf(api, choice)
}
