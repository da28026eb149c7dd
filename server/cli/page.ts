/** `docs/cli.md`: the help of every command as one page, so that the page cannot say anything else than the program. */
import { COMMAND_GROUPS, EXIT, type Command } from './command.ts'
import { commandHelp } from './help.ts'

const INTRODUCTION = `# Command line

This page is generated from \`server/cli/\`; \`npm run generate\` writes it anew.

\`posthorn <command> [options]\` works on the data directory of the configuration, beside a running server, which notices
changes within a second. Every command takes \`--help\`, \`--json\` (one JSON document on standard output; errors as JSON on
standard error), \`--config FILE\`, and every setting as a flag, such as \`--dataDir=/var/lib/posthorn\`.

Exit codes: ${EXIT.ok} done, ${EXIT.failed} it did not work or something must be mended, ${EXIT.usage} the command line was not understood.`

const anchor = (name: string): string => `#posthorn-${name.replaceAll(' ', '-')}`

const section = (command: Command): string =>
  `### posthorn ${command.name}\n\n\`\`\`text\n${commandHelp(command)}\n\`\`\``

/** Markdown that the formatter leaves as it is. */
export function cliPage(commands: readonly Command[]): string {
  const groups = COMMAND_GROUPS.flatMap((group) => {
    const members = commands.filter((command) => command.group === group)
    const links = members.map(({ name, summary }) => `- [${name}](${anchor(name)}): ${summary}`)
    return members.length === 0 ? [] : [`## ${group}`, links.join('\n'), ...members.map(section)]
  })
  return `${[INTRODUCTION, ...groups].join('\n\n')}\n`
}
