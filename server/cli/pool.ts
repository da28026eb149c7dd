/** `posthorn pool …`: weighted sets of sources. */
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import { cliActor } from './actor.ts'
import type { Command } from './command.ts'
import { table } from './output.ts'
import { argument, wholeNumber } from './values.ts'

export const poolAdd: Command = {
  name: 'pool add',
  group: 'Mail',
  summary: 'Add an empty pool',
  details: 'Example\n  posthorn pool add bulk',
  arguments: [{ name: 'name', summary: 'Name of the pool' }],
  async run({ input, services }) {
    const { egress } = await services()
    const name = argument(input, 'name')
    const id = encodeId('pool', await egress.addPool(cliActor(), name))
    return {
      text: `Added pool ${name}.\nNext: posthorn pool set ${name} <source> --weight 1, then posthorn route add <name> --pool ${name}`,
      data: { id, name },
    }
  },
}

export const poolList: Command = {
  name: 'pool list',
  group: 'Mail',
  summary: 'List pools with their sources and weights',
  details: 'Example\n  posthorn pool list',
  async run({ services }) {
    const { egress } = await services()
    const pools = egress
      .poolInfos()
      .map(({ id, name, sources }) => ({ id: encodeId('pool', id), name, sources }))
    const members = (sources: (typeof pools)[number]['sources']): string =>
      sources.map(({ source, weight }) => `${source} (${weight})`).join(', ')
    const text = table(
      [
        { title: 'POOL', value: ({ name }) => name },
        { title: 'SOURCES (WEIGHT)', value: ({ sources }) => members(sources) || 'none' },
      ],
      pools,
    )
    return { text, data: { pools } }
  },
}

export const poolSet: Command = {
  name: 'pool set',
  group: 'Mail',
  summary: "Set a source's weight in a pool; 0 takes it out",
  details:
    'A source gets the share of the mail that its weight has of all weights. A recipient stays with its source.\n\nExamples\n  posthorn pool set default ip1 --weight 10\n  posthorn pool set default ip2 --weight 0',
  arguments: [
    { name: 'pool', summary: 'Name of the pool' },
    { name: 'source', summary: 'Name of the source' },
  ],
  options: { weight: { summary: '0 to 1,000,000; without it 1', value: 'N' } },
  async run({ input, services }) {
    const weight = wholeNumber(input, 'weight', { least: 0, most: 1_000_000 }) ?? 1
    const { egress } = await services()
    const pool = argument(input, 'pool')
    const source = argument(input, 'source')
    if (!egress.pools().some(({ name }) => name === pool)) {
      throw new AppError('NOT_FOUND', {
        public: `There is no pool ${pool}. To make it: posthorn pool add ${pool}`,
      })
    }
    if (!egress.sources().some(({ name }) => name === source)) {
      throw new AppError('NOT_FOUND', {
        public: `There is no source ${source}. To make it: posthorn source add ${source} --ip <address> --ehlo <name>`,
      })
    }
    await egress.setWeight(cliActor(), pool, source, weight)
    const left = egress.poolInfos().find(({ name }) => name === pool)?.sources ?? []
    const warning =
      left.length > 0
        ? ''
        : `\nPool ${pool} has no source left: mail that a route sends to it waits.`
    const change = weight === 0 ? 'left' : `has weight ${weight} in`
    return {
      text: `Source ${source} ${change} pool ${pool}.${warning}`,
      data: { pool, source, weight, sources: left },
    }
  },
}
