/**
 * The settings explained, four ways, all derived from the schema: an example file that loads as it stands, a page of
 * documentation, the text of `posthorn config describe`, and a JSON Schema for forms and editors.
 */
import Type, { type TObject, type TSchema } from 'typebox'
import { annotation, FIELDS, textAnnotation, type Field } from './fields.ts'
import { NOTATIONS } from './leaf.ts'
import { markdownTable } from './markdown.ts'
import { ConfigSchema } from './schema.ts'
import type { RawObject } from './validate.ts'

const describe = (schema: TSchema): string => textAnnotation(schema, 'description') ?? ''

function exampleOf(schema: TObject): RawObject {
  return Object.fromEntries(
    Object.entries(schema.properties).map(([name, child]) => [
      name,
      Type.IsObject(child) ? exampleOf(child) : (annotation(child, 'default') ?? null),
    ]),
  )
}

/** Every setting with its default; `null` where there is none and nothing need be set. */
export const exampleConfig = (): RawObject => exampleOf(ConfigSchema)

/** `duration`, `whole number (connections)`, `list of network`. */
function typeOf(schema: TSchema): string {
  if (Type.IsArray(schema)) {
    return Type.IsObject(schema.items) ? 'list of objects' : `list of ${typeOf(schema.items)}`
  }
  if (Type.IsEnum(schema)) return schema.enum.map((value) => `\`${value}\``).join(' or ')
  if (Type.IsBoolean(schema)) return '`true` or `false`'
  const unit = textAnnotation(schema, 'unit')
  if (Type.IsInteger(schema) || Type.IsNumber(schema)) {
    const kind = Type.IsInteger(schema) ? 'whole number' : 'number'
    return unit === undefined ? kind : `${kind} (${unit})`
  }
  return textAnnotation(schema, 'notation') ?? unit ?? 'text'
}

function defaultOf(field: Field): string {
  const value = annotation(field.schema, 'default')
  if (value === undefined) return 'not set'
  if (Array.isArray(value)) {
    if (value.length === 0) return 'empty'
    if (Type.IsArray(field.schema) && Type.IsObject(field.schema.items)) return 'see below'
    return value.map((item) => `\`${String(item)}\``).join(', ')
  }
  return `\`${JSON.stringify(value).replace(/^"|"$/g, '')}\``
}

const sectionOf = (field: Field): string =>
  field.path.includes('.') ? field.path.slice(0, field.path.indexOf('.')) : ''

const INTRODUCTION = `# Configuration

This page is generated from \`server/config/schema.ts\`; \`npm run generate\` writes it anew.

Settings come from three places, each stronger than the one before:

1. the file \`config.json\` in the working directory, or the one named by \`--config\` or \`POSTHORN_CONFIG\`
2. environment variables: \`delivery.allowPrivateNetworks\` is \`POSTHORN_DELIVERY_ALLOW_PRIVATE_NETWORKS\`
3. flags: \`--delivery.allowPrivateNetworks=true\`

A name that does not exist is an error. \`null\` in the file and an empty variable mean "not set". In variables and
flags a list is written with commas or as JSON, a list of objects as JSON. \`config.example.json\` holds every setting
with its default.`

const notationTable = (): string =>
  markdownTable(
    ['Type', 'What it is'],
    Object.entries(NOTATIONS).map(([name, { says }]) => [name, says.replace(/"([^"]+)"/g, '`$1`')]),
  )

function sectionPage(name: string): string {
  const fields = FIELDS.filter((field) => sectionOf(field) === name)
  const schema = Object.entries(ConfigSchema.properties).find(([key]) => key === name)?.[1]
  const table = markdownTable(
    ['Setting', 'Type', 'Default', 'What it does'],
    fields.map((field) => [
      `\`${field.path}\``,
      typeOf(field.schema),
      defaultOf(field),
      describe(field.schema),
    ]),
  )
  return `## ${name === '' ? 'General' : name}\n\n${schema === undefined ? '' : `${describe(schema)}\n\n`}${table}`
}

/** `docs/configuration.md`. */
export function configurationPage(): string {
  const names = [...new Set(FIELDS.map(sectionOf))]
  const notations = `## Types\n\n${notationTable()}`
  return `${[INTRODUCTION, ...names.map(sectionPage), notations].join('\n\n')}\n`
}

/**
 * The text for a terminal: all settings, or those under `prefix` (`http`, `delivery.retry`, `log.level`).
 * Undefined when there is none.
 */
export function settingsText(prefix: string): string | undefined {
  const isUnder = ({ path }: Field): boolean =>
    prefix === '' ||
    path === prefix ||
    path.startsWith(`${prefix}.`) ||
    path.startsWith(`${prefix}[`)
  const entries = FIELDS.filter(isUnder).map((field) => {
    const plain = (text: string): string => text.replaceAll('`', '')
    const facts = `${plain(typeOf(field.schema))}; default: ${plain(defaultOf(field))}`
    const names = field.env === undefined ? '' : `\n    ${field.env}`
    return `${field.path}  (${facts})\n    ${describe(field.schema)}${names}`
  })
  return entries.length === 0 ? undefined : entries.join('\n\n')
}

function jsonSchemaOf(schema: TSchema): RawObject {
  // Typebox keeps its own marks under names that start with `~` and are not enumerable.
  const own = Object.fromEntries(Object.entries(schema))
  if (Type.IsObject(schema)) {
    const properties = Object.entries(schema.properties).map(
      ([name, child]) => [name, jsonSchemaOf(child)] as const,
    )
    return { ...own, required: [], properties: Object.fromEntries(properties) }
  }
  if (Type.IsArray(schema)) return { ...own, items: jsonSchemaOf(schema.items) }
  return own
}

/**
 * JSON Schema 2020-12 of the file. Nothing is required, as everything has a default. The extra keywords `unit`,
 * `notation`, `atLeast` and `atMost` are ours; forms may use them, validators ignore them.
 */
export const configJsonSchema = (): RawObject => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Posthorn',
  ...jsonSchemaOf(ConfigSchema),
})

/** Path from the project's root → text, of every file that is made from the schema. */
export const generatedConfigFiles = (): Readonly<Record<string, string>> => ({
  'config.example.json': `${JSON.stringify(exampleConfig(), undefined, 2)}\n`,
  'docs/configuration.md': configurationPage(),
})
