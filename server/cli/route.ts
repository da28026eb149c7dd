/** `posthorn route …`: which mail goes through which pool, or to which next hop. */
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import type { NextHop } from '../core/lane.ts'
import type { NewRoute } from '../services/egress.ts'
import type { RouteInfo } from '../services/egress-list.ts'
import { cliActor } from './actor.ts'
import { UsageError, type Command, type CommandContext, type Input } from './command.ts'
import { table } from './output.ts'
import type { CliServices } from './services.ts'
import { argument, domainName, endpoint, known, onlyOne, wholeNumber, word } from './values.ts'

/** Before the route that the first start makes (1000), with room on both sides. */
const DEFAULT_POSITION = 500
const STREAMS = ['transactional', 'bulk'] as const
const TLS = ['required', 'opportunistic', 'off', 'implicit'] as const

/** `*.example.com` stands for every name below. */
function domainPattern(input: Input, option: string): string | undefined {
  const text = input.text(option)
  if (text === undefined) return undefined
  return text.startsWith('*.') ? `*.${domainName(text.slice(2))}` : domainName(text)
}

function matchOf(input: Input, { tenants, egress }: CliServices): NewRoute['match'] {
  const tenant = input.text('match-tenant')
  return {
    tenant: tenant === undefined ? undefined : tenants.resolve(tenant).id,
    stream: word(input, 'match-stream', STREAMS),
    tag: input.text('match-tag'),
    senderDomain: domainPattern(input, 'match-sender-domain'),
    recipientDomain: domainPattern(input, 'match-recipient-domain'),
    provider: known(input, 'match-provider', egress.providers()),
  }
}

function passwordOf({ input, files }: CommandContext): string | undefined {
  const file = input.text('password-file')
  if (file === undefined) return undefined
  const password = files.read(file)?.replace(/\r?\n$/, '')
  if (password === undefined || password === '') {
    throw new UsageError(
      `--password-file ${file} ${password === '' ? 'is empty' : 'does not exist'}`,
    )
  }
  return password
}

function nextHopOf(context: CommandContext): NextHop | undefined {
  const { input } = context
  const at = endpoint(input, 'next-hop')
  const user = input.text('user')
  const password = passwordOf(context)
  const tls = word(input, 'tls', TLS)
  if ((user === undefined) !== (password === undefined)) {
    throw new UsageError('--user and --password-file go together')
  }
  if (at === undefined) {
    if (user !== undefined || tls !== undefined) {
      throw new UsageError('--tls, --user and --password-file are for --next-hop')
    }
    return undefined
  }
  // A password must not travel in the clear unless somebody says so.
  const safe = user === undefined ? 'opportunistic' : 'required'
  const login = user === undefined || password === undefined ? {} : { user, password }
  return { host: at.host, port: at.port, tls: tls ?? safe, ...login }
}

export const routeAdd: Command = {
  name: 'route add',
  group: 'Mail',
  summary: 'Add a route: mail that matches goes through a pool or to a next hop',
  details:
    'All conditions must hold; without any the route takes everything. The route with the lowest position that\nmatches wins.\n\nExamples\n  posthorn route add bulk --pool bulk --match-stream bulk\n  posthorn route add relay --next-hop smtp.example.net:587 --user me --password-file relay.pass --position 10\n  posthorn route add lab --next-hop 10.0.0.5:25 --tls off --match-recipient-domain "*.lab.example"',
  arguments: [{ name: 'name', summary: 'Name of the route' }],
  options: {
    pool: { summary: 'Send through this pool', value: 'NAME' },
    'next-hop': { summary: 'Hand over to this host, as a smarthost', value: 'HOST:PORT' },
    tls: {
      summary: `${TLS.join(', ')}; without it opportunistic, with --user required`,
      value: 'MODE',
    },
    user: { summary: 'Log in at the next hop', value: 'NAME' },
    'password-file': { summary: 'File with the password; it is sealed', value: 'FILE' },
    'match-tenant': { summary: 'Only mail of this tenant', value: 'NAME' },
    'match-stream': { summary: STREAMS.join(' or '), value: 'STREAM' },
    'match-tag': { summary: 'Only mail with this tag', value: 'TAG' },
    'match-sender-domain': { summary: 'In From; *.example.com for all below', value: 'DOMAIN' },
    'match-recipient-domain': { summary: 'Of the recipient; likewise', value: 'DOMAIN' },
    'match-provider': { summary: 'Mailbox provider, such as google', value: 'NAME' },
    position: { summary: `Lower is asked first; without it ${DEFAULT_POSITION}`, value: 'N' },
  },
  async run(context) {
    const { input } = context
    if (onlyOne(input, ['pool', 'next-hop']) === undefined) {
      throw new UsageError('a route needs --pool or --next-hop')
    }
    const position =
      wholeNumber(input, 'position', { least: 0, most: 1_000_000 }) ?? DEFAULT_POSITION
    const nextHop = nextHopOf(context)
    const opened = await context.services()
    const name = argument(input, 'name')
    const pool = input.text('pool') ?? ''
    const match = matchOf(input, opened)
    if (nextHop === undefined && !opened.egress.pools().some((one) => one.name === pool)) {
      throw new AppError('NOT_FOUND', {
        public: `There is no pool ${pool}. To make it: posthorn pool add ${pool}`,
      })
    }
    const to = nextHop === undefined ? { pool } : { nextHop }
    await opened.egress.addRoute(cliActor(), { name, position, match, to })
    const added = opened.egress.routeInfos().find((route) => route.name === name)
    if (added === undefined) throw new Error(`Route ${name} was written and is not there.`)
    return {
      text: `Added route ${name} at position ${position}: ${matchText(added)} ${targetText(added)}.\nDeliveries that have a lane already keep it.`,
      data: dataOf(added),
    }
  },
}

const matchText = ({ match }: RouteInfo): string => {
  const conditions = Object.entries(match).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  )
  return conditions.length === 0 ? 'everything' : conditions.join(' ')
}

const targetText = ({ pool, nextHop }: RouteInfo): string => {
  if (nextHop === undefined) return `through pool ${pool ?? '-'}`
  const login = nextHop.user === undefined ? '' : `, as ${nextHop.user}`
  return `to ${nextHop.host}:${nextHop.port} (TLS ${nextHop.tls}${login})`
}

const dataOf = ({ id, name, position, match, pool, nextHop }: RouteInfo) => ({
  id: encodeId('route', id),
  name,
  position,
  match,
  pool: pool ?? null,
  nextHop: nextHop ?? null,
})

export const routeList: Command = {
  name: 'route list',
  group: 'Mail',
  summary: 'List routes in the order in which they are asked',
  details: 'Example\n  posthorn route list',
  async run({ services }) {
    const { egress } = await services()
    const routes = egress.routeInfos()
    const text = table(
      [
        { title: 'POSITION', value: ({ position }) => position },
        { title: 'ROUTE', value: ({ name }) => name },
        { title: 'MATCHES', value: matchText },
        { title: 'GOES', value: targetText },
      ],
      routes,
    )
    return { text, data: { routes: routes.map(dataOf) } }
  },
}

export const routeRemove: Command = {
  name: 'route remove',
  group: 'Mail',
  summary: 'Remove a route',
  details:
    'Deliveries that have a lane already keep it; new ones take the next route that matches.\n\nExample\n  posthorn route remove relay',
  arguments: [{ name: 'name', summary: 'Name of the route' }],
  async run({ input, services }) {
    const { egress } = await services()
    const name = argument(input, 'name')
    if (!egress.routes().some((route) => route.name === name)) {
      throw new AppError('NOT_FOUND', {
        public: `There is no route ${name}. "posthorn route list" shows which there are.`,
      })
    }
    await egress.removeRoute(cliActor(), name)
    const isLast = egress.routes().length === 0
    const warning = isLast ? '\nNo route is left: new mail waits until there is one.' : ''
    return { text: `Removed route ${name}.${warning}`, data: { name, removed: true } }
  },
}
