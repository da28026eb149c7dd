/** JSON objects whose shape is known by name only, as in an OpenAPI document. */
export type Json = { [name: string]: unknown }

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The object at `name`, or an empty one. */
export const objectAt = (value: Json, name: string): Json => {
  const found = value[name]
  return isObject(found) ? found : {}
}
export const listAt = (value: Json, name: string): unknown[] => {
  const found: unknown = value[name]
  return Array.isArray(found) ? found : []
}
export const textAt = (value: Json, name: string): string => {
  const found = value[name]
  return typeof found === 'string' ? found : ''
}
