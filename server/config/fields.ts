/**
 * The schema as a flat list: one entry per setting, with its path, its environment variable and what is said of it.
 * Sections are walked into; a list is one setting, and the fields of its items are listed after it as `path[].field`.
 */
import Type, { type TObject, type TSchema } from 'typebox'
import { ConfigSchema } from './schema.ts'

export interface Field {
  /** `delivery.retry.bulk.maxAge`, `submission.listeners[].tls`. */
  readonly path: string
  /** `POSTHORN_DELIVERY_RETRY_BULK_MAX_AGE`; undefined inside a list, which is set as a whole. */
  readonly env: string | undefined
  readonly schema: TSchema
}

export const ENV_PREFIX = 'POSTHORN_'

/** An annotation of a schema (`description`, `default`, `unit`, …), undefined when it has none. */
export function annotation(schema: TSchema, name: string): unknown {
  const value: unknown = Reflect.get(schema, name)
  return value
}

export function textAnnotation(schema: TSchema, name: string): string | undefined {
  const value = annotation(schema, name)
  return typeof value === 'string' ? value : undefined
}

/** `delivery.allowPrivateNetworks` → `POSTHORN_DELIVERY_ALLOW_PRIVATE_NETWORKS`. */
export const envName = (path: string): string =>
  ENV_PREFIX +
  path
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .replace(/\./g, '_')
    .toUpperCase()

function* walk(schema: TObject, prefix: string, inList: boolean): Generator<Field> {
  for (const [name, child] of Object.entries(schema.properties)) {
    const path = prefix + name
    if (Type.IsObject(child)) {
      yield* walk(child, `${path}.`, inList)
      continue
    }
    yield { path, env: inList ? undefined : envName(path), schema: child }
    if (Type.IsArray(child) && Type.IsObject(child.items)) {
      yield* walk(child.items, `${path}[].`, true)
    }
  }
}

/** Every setting, in the order of the schema. */
export const FIELDS: readonly Field[] = [...walk(ConfigSchema, '', false)]
/** Those that a variable or a flag can set. */
export const SETTABLE: readonly Field[] = FIELDS.filter((field) => field.env !== undefined)
