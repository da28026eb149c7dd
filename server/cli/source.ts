/** `posthorn source …`: the addresses we send from. */
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import { parseEhlo } from '../config/address.ts'
import { cliActor } from './actor.ts'
import { UsageError, type Command, type CommandContext, type CommandResult } from './command.ts'
import { table } from './output.ts'
import { argument } from './values.ts'

export const sourceAdd: Command = {
  name: 'source add',
  group: 'Mail',
  summary: 'Add an address to send from, with its EHLO name',
  details:
    'The address must be on this machine, and its reverse DNS should be the EHLO name and point back to it.\n"posthorn check" looks at that.\n\nExample\n  posthorn source add ip1 --ip 203.0.113.5 --ehlo mail1.example.com',
  arguments: [{ name: 'name', summary: 'Short name of the source' }],
  options: {
    ip: { summary: 'Address to bind to; without it the system chooses', value: 'ADDRESS' },
    ehlo: { summary: 'Name in EHLO; without it that of this installation', value: 'NAME' },
  },
  async run({ input, config, services }) {
    const { delivery, hostname } = config()
    const given = input.text('ehlo')
    const ehlo = given === undefined ? (delivery.ehlo ?? hostname) : parseEhlo(given)
    if (ehlo === undefined) {
      throw new UsageError(`--ehlo "${given ?? ''}" is not a host name such as mail1.example.com`)
    }
    const { egress } = await services()
    const name = argument(input, 'name')
    const ip = input.text('ip')
    const id = encodeId('source', await egress.addSource(cliActor(), { name, ip, ehlo }))
    return {
      text: `Added source ${name} (${ip ?? 'address chosen by the system'}, EHLO ${ehlo}).\nIt sends nothing until a pool has it: posthorn pool set default ${name} --weight 1`,
      data: { id, name, ip: ip ?? null, ehlo },
    }
  },
}

export const sourceList: Command = {
  name: 'source list',
  group: 'Mail',
  summary: 'List the addresses we send from',
  details: 'Example\n  posthorn source list',
  async run({ services }) {
    const { egress } = await services()
    const sources = egress.sources().map(({ id, name, ip, ehlo, disabledAt }) => ({
      id: encodeId('source', id),
      name,
      ip: ip ?? null,
      ehlo,
      enabled: disabledAt === undefined,
    }))
    const text = table(
      [
        { title: 'SOURCE', value: ({ name }) => name },
        { title: 'ADDRESS', value: ({ ip }) => ip ?? 'chosen by the system' },
        { title: 'EHLO', value: ({ ehlo }) => ehlo },
        { title: 'STATE', value: ({ enabled }) => (enabled ? 'enabled' : 'disabled') },
      ],
      sources,
    )
    return { text, data: { sources } }
  },
}

async function setEnabled(context: CommandContext, enabled: boolean): Promise<CommandResult> {
  const { egress } = await context.services()
  const name = argument(context.input, 'name')
  if (!egress.sources().some((source) => source.name === name)) {
    throw new AppError('NOT_FOUND', {
      public: `There is no source ${name}. "posthorn source list" shows which there are.`,
    })
  }
  await egress.setSourceDisabled(cliActor(), name, !enabled)
  const text = enabled
    ? `Source ${name} takes part again.`
    : `Source ${name} gets no new deliveries. What waits on it stays until it is enabled again.`
  return { text, data: { name, enabled } }
}

const NAME_ARGUMENT = [{ name: 'name', summary: 'Name of the source' }] as const

export const sourceEnable: Command = {
  name: 'source enable',
  group: 'Mail',
  summary: 'Let a source take part again',
  details: 'Example\n  posthorn source enable ip1',
  arguments: NAME_ARGUMENT,
  run: (context) => setEnabled(context, true),
}

export const sourceDisable: Command = {
  name: 'source disable',
  group: 'Mail',
  summary: 'Give a source no new deliveries',
  details: 'Example\n  posthorn source disable ip1',
  arguments: NAME_ARGUMENT,
  run: (context) => setEnabled(context, false),
}
