/**
 * The frame around every command: parse, help, run, print, exit code. It never throws and never ends the process;
 * `main.ts` does that with the number it gets.
 */
import { loadConfig, CONFIG_FILE_VARIABLE } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { AppError } from '../core/errors.ts'
import type { Ports } from '../core/ports.ts'
import {
  EXIT,
  UsageError,
  type Command,
  type CommandContext,
  type ExitCode,
  type Files,
  type Io,
} from './command.ts'
import { commandHelp, overview } from './help.ts'
import { errorData, errorText, json, visible } from './output.ts'
import { parseCommandLine, type Invocation } from './parse.ts'
import type { CliServices } from './services.ts'

const DEFAULT_FILE = 'config.json'

export interface CliDeps {
  readonly io: Io
  readonly files: Files
  readonly ports: Ports
  readonly env: Readonly<Record<string, string | undefined>>
  /** Name of the machine. */
  readonly hostname: string
  readonly version: string
  /** `COMMANDS` of registry.ts, and those that `main.ts` makes itself. */
  readonly commands: readonly Command[]
  openServices(config: Config): Promise<CliServices>
}

function readConfig(invocation: Invocation, deps: CliDeps): Config {
  const named = invocation.configFile ?? (deps.env[CONFIG_FILE_VARIABLE] || undefined)
  const name = named ?? DEFAULT_FILE
  const text = deps.files.read(name)
  if (text === undefined && named !== undefined) {
    throw new AppError('CONFIG_INVALID', { fields: [{ path: name, message: 'does not exist' }] })
  }
  return loadConfig({
    file: text === undefined ? undefined : { name, text },
    env: deps.env,
    flags: invocation.settings,
    hostname: deps.hostname,
  })
}

async function runCommand(
  command: Command,
  invocation: Invocation,
  deps: CliDeps,
): Promise<ExitCode> {
  let config: Config | undefined
  let services: Promise<CliServices> | undefined
  const loaded = (): Config => (config ??= readConfig(invocation, deps))
  const context: CommandContext = {
    io: deps.io,
    files: deps.files,
    ports: deps.ports,
    input: invocation.input!, // set whenever there is a command and no --help
    config: loaded,
    services: async () => (services ??= deps.openServices(loaded())),
  }
  try {
    const result = await command.run(context)
    if (invocation.json) deps.io.out(json(result.data))
    else if (result.text !== '') deps.io.out(`${result.text}\n`)
    return result.exit ?? EXIT.ok
  } finally {
    // Services that could not be opened have been reported by the command; there is nothing to close then.
    const opened = await services?.catch(() => undefined)
    if (opened?.notice !== undefined) deps.io.err(`${opened.notice}\n`)
    await opened?.close()
  }
}

function report(error: unknown, asJson: boolean, deps: CliDeps): ExitCode {
  if (error instanceof UsageError) {
    const hint = 'See "posthorn --help".'
    deps.io.err(
      asJson
        ? json({ error: { code: 'USAGE', message: error.message } })
        : `posthorn: ${visible(error.message)}. ${hint}\n`,
    )
    return EXIT.usage
  }
  // A bug: tell all we know.
  const known =
    error instanceof AppError
      ? error
      : new AppError('INTERNAL', {
          cause: error,
          detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
        })
  deps.io.err(asJson ? json(errorData(known)) : `posthorn: ${errorText(known)}\n`)
  return EXIT.failed
}

/**
 * Runs one command line (without the program's own name).
 * @returns 0 done · 1 failed · 2 not understood
 */
export async function runCli(argv: readonly string[], deps: CliDeps): Promise<ExitCode> {
  const wantsJson = argv.includes('--json')
  try {
    if (argv.length === 1 && (argv[0] === '--version' || argv[0] === 'version')) {
      deps.io.out(`${deps.version}\n`)
      return EXIT.ok
    }
    const invocation = parseCommandLine(argv, deps.commands)
    const { command } = invocation
    if (command !== undefined && !invocation.help)
      return await runCommand(command, invocation, deps)
    const help =
      command === undefined ? overview(deps.commands, deps.version) : commandHelp(command)
    deps.io.out(`${help}\n`)
    return EXIT.ok
  } catch (error) {
    return report(error, wantsJson, deps)
  }
}
