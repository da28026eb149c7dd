/** `posthorn limit …`: how hard we may push a destination, or let one of our addresses push. */
import { AppError } from '../core/errors.ts'
import { destinationKey } from '../core/lane.ts'
import type { Limits } from '../core/provider.ts'
import type { LimitInfo } from '../services/egress-list.ts'
import { cliActor } from './actor.ts'
import { UsageError, type Command, type Input, type OptionSpec } from './command.ts'
import { table } from './output.ts'
import type { CliServices } from './services.ts'
import { rateText } from './time.ts'
import { endpoint, known, onlyOne, rate, wholeNumber, word } from './values.ts'

const TLS = ['required', 'opportunistic', 'off'] as const

const TARGETS: Readonly<Record<string, OptionSpec>> = {
  provider: { summary: 'A mailbox provider, such as google', value: 'NAME' },
  site: { summary: 'The MX hosts of a domain, as "queue list" shows them', value: 'SITE' },
  'next-hop': { summary: 'A fixed next hop of a route', value: 'HOST:PORT' },
  default: { summary: 'Every destination of which nothing is known' },
  source: { summary: 'One of our addresses, wherever it sends', value: 'NAME' },
}

type Target = Pick<LimitInfo, 'scope' | 'key'>

function targetOf(input: Input, { egress }: CliServices): Target {
  const chosen = onlyOne(input, Object.keys(TARGETS))
  if (chosen === undefined) {
    const all = Object.keys(TARGETS).map((name) => `--${name}`)
    throw new UsageError(`say what the limit is for: ${all.join(', ')}`)
  }
  if (chosen === 'source') {
    const names = egress.sources().map(({ name }) => name)
    return { scope: 'source', key: known(input, 'source', names) ?? '' }
  }
  const hop = endpoint(input, 'next-hop')
  const provider = known(input, 'provider', egress.providers())
  const key =
    hop !== undefined
      ? destinationKey({ kind: 'next-hop', ...hop, tls: 'off' })
      : provider !== undefined
        ? destinationKey({ kind: 'mx', provider, site: '' })
        : chosen === 'site'
          ? siteKey(input.text('site') ?? '')
          : 'default'
  return { scope: 'destination', key }
}

/** `site:mx1.a.test,mx2.a.test` with or without its prefix, the names in any order. */
function siteKey(text: string): string {
  const site = text.toLowerCase().replace(/^site:/, '')
  const names = site.split(',').map((name) => name.trim())
  return destinationKey({ kind: 'mx', provider: undefined, site: names.sort().join(',') })
}

const same =
  (target: Target) =>
  (entry: LimitInfo): boolean =>
    entry.scope === target.scope && entry.key === target.key

const targetText = ({ scope, key }: Target): string => (scope === 'source' ? `source:${key}` : key)

function limitsText({ connections, messagesPerConnection, rate: pace, tls }: Limits): string {
  const parts = [
    connections === undefined ? '' : `${connections} connections`,
    messagesPerConnection === undefined ? '' : `${messagesPerConnection} messages per connection`,
    pace === undefined ? '' : rateText(pace),
    tls === undefined ? '' : `TLS ${tls}`,
  ]
  return parts.filter((part) => part !== '').join(', ')
}

const dataOf = (entry: LimitInfo) => ({
  for: targetText(entry),
  ...entry.limits,
  note: entry.note ?? null,
})

export const limitSet: Command = {
  name: 'limit set',
  group: 'Mail',
  summary: 'Set limits of a destination or of a source',
  details:
    'Limits hold per lane: for each of our addresses on its own. What is set for a provider, site or next hop takes\nthe place of what the program knows of it; what is set for a source only tightens. What is not named stays as it\nwas set before. Running servers follow within seconds.\n\nExamples\n  posthorn limit set --provider google --connections 10 --rate 600/m --note "agreed by mail"\n  posthorn limit set --next-hop 10.0.0.5:25 --connections 50\n  posthorn limit set --default --tls required',
  options: {
    ...TARGETS,
    connections: { summary: 'Connections at a time', value: 'N' },
    'messages-per-connection': { summary: 'Messages over one connection', value: 'N' },
    rate: { summary: 'Messages per time: 10/s, 600/m, 5000/h', value: 'RATE' },
    tls: { summary: TLS.join(', '), value: 'MODE' },
    note: { summary: 'Why, for whoever looks later', value: 'TEXT' },
  },
  async run({ input, services }) {
    const given: Limits = {
      connections: wholeNumber(input, 'connections', { most: 10_000 }),
      messagesPerConnection: wholeNumber(input, 'messages-per-connection', { most: 1_000_000 }),
      rate: rate(input, 'rate'),
      tls: word(input, 'tls', TLS),
    }
    const named = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined),
    )
    if (Object.keys(named).length === 0) {
      throw new UsageError(
        'say which limit: --connections, --messages-per-connection, --rate or --tls',
      )
    }
    if (given.tls !== undefined && input.text('next-hop') !== undefined) {
      throw new UsageError('TLS to a next hop is a matter of its route: posthorn route add --tls')
    }
    const opened = await services()
    const { egress } = opened
    const target = targetOf(input, opened)
    const before = egress.limits().find(same(target))
    const limits: Limits = { ...before?.limits, ...named }
    const note = input.text('note') ?? before?.note
    await egress.setLimits(cliActor(), { ...target, limits, note })
    return {
      text: `${targetText(target)}: ${limitsText(limits)}.`,
      data: dataOf({ ...target, limits, note }),
    }
  },
}

export const limitList: Command = {
  name: 'limit list',
  group: 'Mail',
  summary: 'List the limits that were set',
  details:
    'What the program knows of providers by itself is not in it; "posthorn explain delivery" shows what is in force.\n\nExample\n  posthorn limit list',
  async run({ services }) {
    const { egress } = await services()
    const limits = egress.limits()
    const text = table(
      [
        { title: 'FOR', value: targetText },
        { title: 'CONNECTIONS', value: (entry) => entry.limits.connections },
        { title: 'PER CONNECTION', value: (entry) => entry.limits.messagesPerConnection },
        {
          title: 'RATE',
          value: ({ limits: { rate: pace } }) => (pace === undefined ? undefined : rateText(pace)),
        },
        { title: 'TLS', value: (entry) => entry.limits.tls },
        { title: 'NOTE', value: ({ note }) => note },
      ],
      limits,
    )
    return { text, data: { limits: limits.map(dataOf) } }
  },
}

export const limitRemove: Command = {
  name: 'limit remove',
  group: 'Mail',
  summary: 'Remove what was set: the built-in limits apply again',
  details: 'Example\n  posthorn limit remove --provider google',
  options: TARGETS,
  async run({ input, services }) {
    const opened = await services()
    const target = targetOf(input, opened)
    if (!opened.egress.limits().some(same(target))) {
      throw new AppError('NOT_FOUND', {
        public: `No limit is set for ${targetText(target)}. "posthorn limit list" shows which are.`,
      })
    }
    await opened.egress.setLimits(cliActor(), { ...target, limits: undefined, note: undefined })
    return {
      text: `Removed the limits of ${targetText(target)}.`,
      data: { for: targetText(target), removed: true },
    }
  },
}
