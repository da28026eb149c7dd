/**
 * Holds a tree of raw settings against the schema: unknown names, wrong types, bad notations, bounds. Fills in the
 * defaults, and collects every error instead of stopping at the first. It never throws for what an operator wrote.
 */
import Type, { type TObject, type TSchema } from 'typebox'
import type { FieldError } from '../core/errors.ts'
import { annotation, textAnnotation } from './fields.ts'
import { NOTATIONS } from './leaf.ts'
import { didYouMean, suggest } from './suggest.ts'

export type RawObject = Readonly<Record<string, unknown>>

export const isRawObject = (value: unknown): value is RawObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const quote = (value: unknown): string => `"${String(value)}"`

function notationOf(schema: TSchema) {
  const name = textAnnotation(schema, 'notation')
  return Object.entries(NOTATIONS).find(([known]) => known === name)?.[1]
}

/** What is wrong with one value, as the end of the sentence "it …"; undefined when nothing is. */
function complaint(schema: TSchema, value: unknown): string | undefined {
  if (Type.IsEnum(schema)) {
    if (schema.enum.some((known) => known === value)) return undefined
    const known = schema.enum.map(String)
    const hint = typeof value === 'string' ? didYouMean(value, known) : ''
    return `must be one of ${known.map(quote).join(', ')}${hint}`
  }
  if (Type.IsBoolean(schema)) {
    return typeof value === 'boolean' ? undefined : 'must be true or false'
  }
  if (Type.IsInteger(schema) || Type.IsNumber(schema)) return numberComplaint(schema, value)
  return textComplaint(schema, value)
}

function numberComplaint(schema: TSchema, value: unknown): string | undefined {
  const isWhole = Type.IsInteger(schema)
  const lowest = Number(annotation(schema, 'minimum') ?? -Infinity)
  const highest = Number(annotation(schema, 'maximum') ?? Number.MAX_SAFE_INTEGER)
  const fits =
    typeof value === 'number' &&
    value >= lowest &&
    value <= highest &&
    (!isWhole || Number.isSafeInteger(value))
  if (fits) return undefined
  const end =
    highest === Number.MAX_SAFE_INTEGER ? `of ${lowest} or more` : `from ${lowest} to ${highest}`
  return `must be a ${isWhole ? 'whole ' : ''}number ${end}`
}

function textComplaint(schema: TSchema, value: unknown): string | undefined {
  const notation = notationOf(schema)
  if (notation === undefined) {
    return typeof value === 'string' && value !== ''
      ? undefined
      : 'must be a text that is not empty'
  }
  const parsed = typeof value === 'string' ? notation.parse(value) : undefined
  if (parsed === undefined) return `must be ${notation.says}`
  const atLeast = textAnnotation(schema, 'atLeast')
  const atMost = textAnnotation(schema, 'atMost')
  const bound = (text: string): number => Number(notation.parse(text))
  if (atLeast !== undefined && Number(parsed) < bound(atLeast)) return `must be at least ${atLeast}`
  if (atMost !== undefined && Number(parsed) > bound(atMost)) return `must be at most ${atMost}`
  return undefined
}

/** Names that belong elsewhere get the full path: `port` at the top is `delivery.port`. */
function unknownName(name: string, schema: TObject): string {
  const here = Object.keys(schema.properties)
  const sections = Object.entries(schema.properties).flatMap(([section, child]) =>
    Type.IsObject(child) ? Object.keys(child.properties).map((key) => `${section}.${key}`) : [],
  )
  const elsewhere = sections.find((path) => path.endsWith(`.${name}`))
  const near = suggest(name, here)
  if (near === undefined && elsewhere !== undefined) {
    return `is not a setting (did you mean "${elsewhere}"?)`
  }
  return `is not a setting${didYouMean(name, here)}`
}

function fillObject(
  schema: TObject,
  value: unknown,
  path: string,
  errors: FieldError[],
): RawObject {
  const given = isRawObject(value) ? value : {}
  if (value !== undefined && !isRawObject(value)) {
    errors.push({ path, message: 'must be an object with settings' })
  }
  const prefix = path === '' ? '' : `${path}.`
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(schema.properties, name)) {
      errors.push({ path: prefix + name, message: unknownName(name, schema) })
    }
  }
  const filled = Object.entries(schema.properties).flatMap(([name, child]) => {
    // hasOwn: a tree from JSON may lack `hasOwnProperty`, and must not find `constructor` in the prototype.
    const present = Object.hasOwn(given, name) ? given[name] : undefined
    const result = fill(child, present ?? undefined, prefix + name, errors)
    return result === undefined ? [] : [[name, result] as const]
  })
  return Object.fromEntries(filled)
}

/** `undefined` means "not set". Where there is neither a value nor a default, undefined comes back. */
function fill(schema: TSchema, value: unknown, path: string, errors: FieldError[]): unknown {
  if (Type.IsObject(schema)) return fillObject(schema, value, path, errors)
  const chosen = value ?? annotation(schema, 'default')
  if (chosen === undefined) {
    if (!Type.IsOptional(schema)) errors.push({ path, message: 'must be set' })
    return undefined
  }
  if (Type.IsArray(schema)) {
    if (!Array.isArray(chosen)) {
      errors.push({ path, message: 'must be a list' })
      return undefined
    }
    if (chosen.length < Number(annotation(schema, 'minItems') ?? 0)) {
      errors.push({ path, message: 'must not be empty' })
    }
    return chosen.map((item: unknown, index) =>
      fill(schema.items, item, `${path}[${index}]`, errors),
    )
  }
  const wrong = complaint(schema, chosen)
  if (wrong !== undefined) errors.push({ path, message: wrong })
  return chosen
}

/**
 * The complete tree, still in the notations of the file, and all that is wrong with it. `null` counts as not set.
 * With errors the tree must not be used.
 */
export function validate(
  schema: TObject,
  raw: RawObject,
): { readonly tree: RawObject; readonly errors: readonly FieldError[] } {
  const errors: FieldError[] = []
  const tree = fillObject(schema, raw, '', errors)
  return { tree, errors }
}
