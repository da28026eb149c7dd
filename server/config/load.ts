/**
 * Settings from their three places, each stronger than the one before: file, environment, flags. Takes texts and
 * returns values; it reads no file and no environment itself. Everything that is wrong is told at once.
 */
import Type, { type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { AppError, type FieldError } from '../core/errors.ts'
import { parseHostname } from './address.ts'
import { ENV_PREFIX, SETTABLE, type Field } from './fields.ts'
import { parseJson } from './json.ts'
import { ConfigSchema, type Config } from './schema.ts'
import { didYouMean } from './suggest.ts'
import { isRawObject, validate, type RawObject } from './validate.ts'

/** Names the file; read by the command line, not a setting. */
export const CONFIG_FILE_VARIABLE = 'POSTHORN_CONFIG'

export interface ConfigInput {
  readonly file: { readonly name: string; readonly text: string } | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** Path → text: `{ 'http.listen': '0.0.0.0:80' }`. */
  readonly flags: Readonly<Record<string, string>>
  /** Name of the machine, for `hostname`. */
  readonly hostname: string
}

/** A setting that came as text, and where from. */
interface Override {
  readonly field: Field
  readonly text: string
  readonly from: string
}

/**
 * Kubernetes and old Docker links put these beside a service that is called `posthorn`; nobody wrote them, so they
 * are not taken for misspelt settings.
 */
const INJECTED = /^POSTHORN_(?:SERVICE_(?:HOST|PORT(?:_.*)?)|PORT(?:_\d+_(?:TCP|UDP)(?:_.*)?)?)$/

function parseFile(file: ConfigInput['file'], errors: FieldError[]): RawObject {
  if (file === undefined) return {}
  const parsed = parseJson(file.text)
  if (parsed.kind === 'value' && isRawObject(parsed.value)) {
    // Editors use `$schema` to find the schema of a file.
    return Object.fromEntries(Object.entries(parsed.value).filter(([name]) => name !== '$schema'))
  }
  const message = parsed.kind === 'broken' ? parsed.problem : 'must be a JSON object'
  errors.push({ path: file.name, message })
  return {}
}

function fromEnvironment(env: ConfigInput['env'], errors: FieldError[]): readonly Override[] {
  return Object.entries(env).flatMap(([name, text]) => {
    const isOurs = name.startsWith(ENV_PREFIX) && name !== CONFIG_FILE_VARIABLE
    // Compose files hand on variables that are not set as empty ones.
    if (!isOurs || text === undefined || text === '' || INJECTED.test(name)) return []
    const field = SETTABLE.find((candidate) => candidate.env === name)
    if (field !== undefined) return [{ field, text, from: name }]
    const hint = didYouMean(
      name,
      SETTABLE.map((candidate) => candidate.env ?? ''),
    )
    errors.push({ path: name, message: `is not a setting${hint}` })
    return []
  })
}

function fromFlags(flags: ConfigInput['flags'], errors: FieldError[]): readonly Override[] {
  return Object.entries(flags).flatMap(([path, text]) => {
    const field = SETTABLE.find((candidate) => candidate.path === path)
    if (field !== undefined) return [{ field, text, from: `--${path}` }]
    const hint = didYouMean(
      path,
      SETTABLE.map((candidate) => candidate.path),
    )
    errors.push({ path, message: `is not a setting${hint}` })
    return []
  })
}

/** Text → what the file would hold. A text that does not fit stays a text, and is refused by `validate`. */
function fromText(schema: TSchema, text: string): unknown {
  if (Type.IsBoolean(schema)) return text === 'true' ? true : text === 'false' ? false : text
  if (Type.IsInteger(schema) || Type.IsNumber(schema)) {
    return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text
  }
  if (!Type.IsArray(schema)) return text
  if (text.trimStart().startsWith('[')) {
    const parsed = parseJson(text)
    return parsed.kind === 'value' ? parsed.value : text
  }
  if (Type.IsObject(schema.items)) return text
  return text.split(',').map((item) => fromText(schema.items, item.trim()))
}

/** A copy of `tree` with the value at `path`. What stands in the way and is no object is left to be refused. */
function withValue(tree: RawObject, path: readonly string[], value: unknown): RawObject {
  const [name = '', ...rest] = path
  if (rest.length === 0) return { ...tree, [name]: value }
  const child = Object.hasOwn(tree, name) ? (tree[name] ?? {}) : {}
  return isRawObject(child) ? { ...tree, [name]: withValue(child, rest, value) } : tree
}

/** Rules that need more than one setting. */
function contradictions(config: Config): readonly FieldError[] {
  const { listeners } = config.submission
  const errors: FieldError[] = []
  for (const name of ['http', 'submission'] as const) {
    const { certificate, key } = config[name]
    if ((certificate === undefined) === (key === undefined)) continue
    const path = certificate === undefined ? `${name}.certificate` : `${name}.key`
    errors.push({ path, message: 'must be set too: a certificate and its key go together' })
  }
  const taken = new Set<string>()
  const addresses = [
    ...listeners.map(
      (listener, i) => [`submission.listeners[${i}].listen`, listener.listen] as const,
    ),
    ['http.listen', config.http.listen] as const,
  ]
  for (const [path, { host, port }] of addresses) {
    const address = `${host}:${port}`
    if (port !== 0 && taken.has(address)) {
      errors.push({ path, message: `must differ: another listener has ${address}` })
    }
    taken.add(address)
  }
  return errors
}

/** @throws AppError CONFIG_INVALID with one entry in `fields` for each thing that is wrong. */
export function loadConfig(input: ConfigInput): Config {
  const errors: FieldError[] = []
  const overrides = [...fromEnvironment(input.env, errors), ...fromFlags(input.flags, errors)]
  const origins = new Map(overrides.map(({ field, from }) => [field.path, from]))
  const named: RawObject = { hostname: parseHostname(input.hostname) ?? 'localhost' }
  const file = parseFile(input.file, errors)
  const raw = overrides.reduce<RawObject>(
    (tree, { field, text }) => withValue(tree, field.path.split('.'), fromText(field.schema, text)),
    isSet(file['hostname']) ? file : { ...file, ...named },
  )
  const { tree, errors: invalid } = validate(ConfigSchema, raw)
  errors.push(...invalid)
  if (errors.length > 0) throw refusal(errors, origins)
  const config = Value.Decode(ConfigSchema, tree)
  const wrong = contradictions(config)
  if (wrong.length > 0) throw refusal(wrong, origins)
  return config
}

const isSet = (value: unknown): boolean => value !== undefined && value !== null

/** The errors of a list item carry the origin of the list. */
function refusal(errors: readonly FieldError[], origins: ReadonlyMap<string, string>): AppError {
  const fields = errors.map(({ path, message }) => {
    const from = origins.get(path) ?? origins.get(path.replace(/\[.*$/, ''))
    return { path, message: from === undefined ? message : `${message} (set by ${from})` }
  })
  return new AppError('CONFIG_INVALID', { fields })
}
