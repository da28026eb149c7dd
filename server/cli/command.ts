/**
 * What a command is. One command is one value in a file of this folder and one row in `registry.ts`; the frame
 * (`run.ts`) parses, helps, loads the configuration, prints and chooses the exit code. A command never writes to
 * the terminal by itself unless it runs for long, and never ends the process.
 */
import type { Config } from '../config/schema.ts'
import type { Ports } from '../core/ports.ts'
import type { CliServices } from './services.ts'

/** 0 done · 1 it did not work, or what was checked is not in order · 2 the command line was not understood. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Headings of the help, in this order. */
export const COMMAND_GROUPS = ['Run', 'Set up', 'Mail', 'Look after'] as const
export type CommandGroup = (typeof COMMAND_GROUPS)[number]

export interface OptionSpec {
  readonly summary: string
  /** Word for the value in the help, `NAME`. Without it the option is a yes/no switch. */
  readonly value?: string
  readonly short?: string
  readonly required?: boolean
  /** May be given several times. */
  readonly many?: boolean
}

export interface ArgumentSpec {
  readonly name: string
  readonly summary: string
  readonly optional?: boolean
  /** Takes all that follows; only for the last one. */
  readonly many?: boolean
}

/** What was given, by the names the command declares. Asking for a name that it does not declare throws. */
export interface Input {
  /** The value of an option; undefined when it was not given. */
  readonly text: (option: string) => string | undefined
  readonly texts: (option: string) => readonly string[]
  readonly flag: (option: string) => boolean
  readonly argument: (name: string) => string | undefined
  /** All values of an argument with `many`. */
  readonly rest: (name: string) => readonly string[]
}

export interface Io {
  /** Results; `text` carries its own newline. */
  out(text: string): void
  /** Errors and remarks. */
  err(text: string): void
}

/** The project's files, so that commands can be tested without a disk. Paths are relative to the working directory. */
export interface Files {
  /** Undefined when there is no such file; any other trouble throws. */
  read(path: string): string | undefined
  write(path: string, text: string): void
}

export interface CommandContext {
  readonly io: Io
  readonly files: Files
  readonly input: Input
  /** For commands that look after the installation without opening it. */
  readonly ports: Ports
  /** Loaded on the first call. @throws AppError CONFIG_INVALID */
  readonly config: () => Config
  /** Opened on the first call, closed by the frame when the command is done. */
  readonly services: () => Promise<CliServices>
}

/** The frame prints `text` for people, or `data` as one JSON document with `--json`. */
export interface CommandResult {
  readonly text: string
  readonly data: unknown
  /** `failed` when what was looked at is not in order. */
  readonly exit?: Exclude<ExitCode, 2>
}

export interface Command {
  /** As typed, one or two words: `serve`, `key create`. */
  readonly name: string
  readonly group: CommandGroup
  /** One line, imperative, no full stop. */
  readonly summary: string
  /** A paragraph or examples for `--help`. */
  readonly details?: string
  readonly arguments?: readonly ArgumentSpec[]
  readonly options?: Readonly<Record<string, OptionSpec>>
  /** @throws UsageError for a command line that makes no sense, AppError for everything else that is expected. */
  run(context: CommandContext): Promise<CommandResult>
}

/** The command line was not understood: exit code 2 and a pointer to the help. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
