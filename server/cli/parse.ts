/**
 * Words of the command line → command, its input, and settings. Any setting of the configuration is a flag of every
 * command (`--log.level=debug`); beside them there are the options of the frame and those of the command.
 */
import { parseArgs } from 'node:util'
import Type from 'typebox'
import { SETTABLE } from '../config/fields.ts'
import { didYouMean } from '../config/suggest.ts'
import { UsageError, type Command, type Input, type OptionSpec } from './command.ts'

export const FRAME_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  help: { summary: 'Show help and do nothing', short: 'h' },
  json: { summary: 'Print JSON for machines' },
  config: { summary: 'Read settings from this file', value: 'FILE' },
}

export interface Invocation {
  readonly command: Command | undefined
  readonly help: boolean
  readonly json: boolean
  readonly configFile: string | undefined
  /** Settings by path, as `loadConfig` takes them. */
  readonly settings: Readonly<Record<string, string>>
  /** Undefined without a command, and with `--help`, where what else was typed does not matter. */
  readonly input: Input | undefined
}

type Specs = Readonly<Record<string, OptionSpec>>

const SETTINGS: Specs = Object.fromEntries(
  SETTABLE.map(({ path, schema }) => [
    path,
    Type.IsBoolean(schema) ? { summary: '' } : { summary: '', value: 'VALUE' },
  ]),
)

interface Words {
  readonly positionals: readonly string[]
  /** Option → values in order; a switch has `true`. */
  readonly given: ReadonlyMap<string, readonly string[]>
}

/** Splits by `specs`. Unknown options are errors in `strict`, and skipped otherwise. */
function split(argv: readonly string[], specs: Specs, strict: boolean): Words {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { value, short }]) => [
      name,
      {
        type: value === undefined ? ('boolean' as const) : ('string' as const),
        ...(short === undefined ? {} : { short }),
      },
    ]),
  )
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const positionals: string[] = []
  const given = new Map<string, readonly string[]>()
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined
    if (spec === undefined) {
      if (!strict) continue
      const hint = didYouMean(token.name, Object.keys(specs))
      throw new UsageError(`there is no option ${token.rawName}${hint}`)
    }
    const value = optionValue(token.name, spec, token.value, token.inlineValue === true)
    given.set(token.name, [...(given.get(token.name) ?? []), value])
  }
  return { positionals, given }
}

function optionValue(
  name: string,
  spec: OptionSpec,
  value: string | undefined,
  isInline: boolean,
): string {
  if (spec.value === undefined) {
    const isSetting = Object.hasOwn(SETTINGS, name)
    if (value !== undefined && !isSetting) throw new UsageError(`--${name} takes no value`)
    return value ?? 'true'
  }
  // `--name --json` is a forgotten value; who means it writes `--name=--json`.
  if (value === undefined || (!isInline && /^-[^\d]/.test(value))) {
    throw new UsageError(`--${name} needs a value`)
  }
  return value
}

/** The command whose words come first; two words win over one. */
function findCommand(
  positionals: readonly string[],
  commands: readonly Command[],
): Command | undefined {
  const [first, second] = positionals
  if (first === undefined) return undefined
  const find = (name: string): Command | undefined =>
    commands.find((command) => command.name === name)
  return (second === undefined ? undefined : find(`${first} ${second}`)) ?? find(first)
}

function unknownCommand(positionals: readonly string[], commands: readonly Command[]): UsageError {
  const names = commands.map(({ name }) => name)
  const [first = '', second = ''] = positionals
  const family = names.filter((name) => name.startsWith(`${first} `))
  if (family.length > 0 && second === '') {
    return new UsageError(`"${first}" needs one more word: ${family.join(', ')}`)
  }
  const isTwoWords = second !== '' && didYouMean(`${first} ${second}`, names) !== ''
  const typed = family.length > 0 || isTwoWords ? `${first} ${second}` : first
  return new UsageError(`there is no command "${typed}"${didYouMean(typed, names)}`)
}

function inputOf(command: Command, words: Words, specs: Specs): Input {
  const declared = command.arguments ?? []
  const values = words.positionals.slice(command.name.split(' ').length)
  const missing = declared[values.length]
  if (missing !== undefined && missing.optional !== true) {
    throw new UsageError(`<${missing.name}> is missing: ${missing.summary}`)
  }
  if (values.length > declared.length && declared.at(-1)?.many !== true) {
    throw new UsageError(`"${values[declared.length] ?? ''}" is one word too many`)
  }
  for (const [name, spec] of Object.entries(command.options ?? {})) {
    const count = words.given.get(name)?.length ?? 0
    if (spec.required === true && count === 0) throw new UsageError(`--${name} is missing`)
    if (spec.many !== true && spec.value !== undefined && count > 1) {
      throw new UsageError(`--${name} may be given only once`)
    }
  }
  const option = (name: string): readonly string[] => {
    if (!Object.hasOwn(specs, name)) throw new Error(`${command.name} declares no option ${name}`)
    return words.given.get(name) ?? []
  }
  const position = (name: string): number => {
    const index = declared.findIndex((argument) => argument.name === name)
    if (index < 0) throw new Error(`${command.name} declares no argument ${name}`)
    return index
  }
  return {
    text: (name) => option(name)[0],
    texts: option,
    flag: (name) => option(name).length > 0,
    argument: (name) => values[position(name)],
    rest: (name) => values.slice(position(name)),
  }
}

/** @throws UsageError */
export function parseCommandLine(
  argv: readonly string[],
  commands: readonly Command[],
): Invocation {
  // First the command, as what the other words mean depends on it.
  const frame = { ...FRAME_OPTIONS, ...SETTINGS }
  const loose = split(argv, frame, false)
  const asksHelp = loose.given.has('help') || loose.positionals[0] === 'help'
  const named = loose.positionals[0] === 'help' ? loose.positionals.slice(1) : loose.positionals
  const command = findCommand(named, commands)
  if (command === undefined && named.length > 0) throw unknownCommand(named, commands)

  const specs = { ...frame, ...command?.options }
  const words = asksHelp ? loose : split(argv, specs, true)
  const settings = [...words.given].flatMap(([name, values]) =>
    Object.hasOwn(SETTINGS, name) ? [[name, values.at(-1) ?? ''] as const] : [],
  )
  return {
    command,
    help: asksHelp || command === undefined,
    json: words.given.has('json'),
    configFile: words.given.get('config')?.at(-1),
    settings: Object.fromEntries(settings),
    input: command === undefined || asksHelp ? undefined : inputOf(command, words, specs),
  }
}
