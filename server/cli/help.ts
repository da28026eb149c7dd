/** The help, made from what the commands say of themselves. */
import { COMMAND_GROUPS, type Command, type OptionSpec } from './command.ts'
import { FRAME_OPTIONS } from './parse.ts'

const columns = (rows: readonly (readonly [string, string])[]): string => {
  const width = Math.max(0, ...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}

const optionRows = (options: Readonly<Record<string, OptionSpec>>) =>
  Object.entries(options).map(([name, spec]) => {
    const short = spec.short === undefined ? '' : `-${spec.short}, `
    const value = spec.value === undefined ? '' : ` ${spec.value}`
    const notes = [spec.required === true ? 'required' : '', spec.many === true ? 'repeatable' : '']
    const note = notes.filter((text) => text !== '').join(', ')
    return [
      `${short}--${name}${value}`,
      note === '' ? spec.summary : `${spec.summary} (${note})`,
    ] as const
  })

/** `posthorn key create <tenant> [name]` */
export function usageLine(command: Command): string {
  const words = (command.arguments ?? []).map(({ name, optional, many }) => {
    const word = many === true ? `${name}…` : name
    return optional === true ? `[${word}]` : `<${word}>`
  })
  const required = Object.entries(command.options ?? {}).flatMap(([name, spec]) =>
    spec.required === true ? [`--${name}${spec.value === undefined ? '' : ` ${spec.value}`}`] : [],
  )
  return ['posthorn', command.name, ...words, ...required].join(' ')
}

/** All commands by group. */
export function overview(commands: readonly Command[], version: string): string {
  const groups = COMMAND_GROUPS.flatMap((group) => {
    const members = commands.filter((command) => command.group === group)
    const rows = members.map(({ name, summary }) => [name, summary] as const)
    return members.length === 0 ? [] : [`${group}\n${columns(rows)}`]
  })
  return [
    `Posthorn ${version}: takes mail from applications and gets it delivered`,
    'Usage: posthorn <command> [options]',
    ...groups,
    `Options of every command\n${columns(optionRows(FRAME_OPTIONS))}`,
    'Every setting is an option too: --log.level=debug. "posthorn config describe" lists them.\n' +
      '"posthorn <command> --help" tells more.',
  ].join('\n\n')
}

/** One command in full. */
export function commandHelp(command: Command): string {
  const rows = (command.arguments ?? []).map(({ name, summary }) => [`<${name}>`, summary] as const)
  const options = optionRows({ ...command.options, ...FRAME_OPTIONS })
  return [
    `${usageLine(command)}\n\n${command.summary}.`,
    ...(command.details === undefined ? [] : [command.details]),
    ...(rows.length === 0 ? [] : [`Arguments\n${columns(rows)}`]),
    `Options\n${columns(options)}`,
  ].join('\n\n')
}
