/** The ways out: sources, pools, routes, limits. */
import Type from 'typebox'
import { count, flag, input, listOf, maybe, oneOf, strict, text, time } from './parts.ts'

const NAME = { minLength: 1, maxLength: 63, pattern: '^[a-z0-9][a-z0-9._-]*$' } as const
const name = (description: string, example: string) => input(description, example, NAME)
const host = (description: string, example: string) =>
  input(description, example, { minLength: 1, maxLength: 253, pattern: '^[A-Za-z0-9._:\\[\\]-]+$' })

export const NameParams = Type.Object(
  { name: input('Its name.', 'default', { minLength: 1, maxLength: 253 }) },
  strict,
)
export const PoolSourceParams = Type.Object(
  {
    name: input('Name of the pool.', 'default', { minLength: 1, maxLength: 63 }),
    source: input('Name of the source.', 'default', { minLength: 1, maxLength: 63 }),
  },
  strict,
)

export const Source = Type.Object(
  {
    id: text('Id of the source.', 'src_00000000001'),
    name: text('Its name.', 'default'),
    ip: maybe(text('The address it sends from; without one the system picks.', '198.51.100.7')),
    ehlo: text('The name it gives in EHLO.', 'mail.shop.example'),
    enabled: flag('It takes new mail.', true),
    disabledAt: maybe(time('Since when it takes none.')),
  },
  { title: 'Source', description: 'An address of ours with the name it gives.' },
)
export const SourceList = listOf(Source, 'SourceList')
export const SourceInput = Type.Object(
  {
    name: name('Its name.', 'mx-two'),
    ip: maybe(input('The address it sends from.', '198.51.100.8', { maxLength: 45 })),
    ehlo: host('The name it gives in EHLO; its address must resolve to it.', 'two.shop.example'),
  },
  { ...strict, title: 'SourceInput', description: 'A source to add.' },
)
export const SourceChange = Type.Object(
  { enabled: flag('Whether it takes new mail.', true) },
  { ...strict, title: 'SourceChange', description: 'What to change.' },
)

export const Pool = Type.Object(
  {
    id: text('Id of the pool.', 'pol_00000000001'),
    name: text('Its name.', 'default'),
    sources: Type.Array(
      Type.Object({
        source: text('Name of the source.', 'default'),
        weight: count('Its share, relative to the others.', 1),
      }),
      { description: 'Its sources.' },
    ),
  },
  { title: 'Pool', description: 'A weighted set of sources.' },
)
export const PoolList = listOf(Pool, 'PoolList')
export const PoolInput = Type.Object(
  { name: name('Its name.', 'bulk') },
  { ...strict, title: 'PoolInput', description: 'A pool to add.' },
)
export const Weight = Type.Object(
  {
    weight: Type.Integer({
      minimum: 0,
      maximum: 1000,
      description: 'Its share, relative to the others; 0 takes it out.',
      examples: [1],
    }),
  },
  { ...strict, title: 'Weight', description: 'How much of the mail a source gets.' },
)

const matchFields = {
  tenant: maybe(input('Only mail of this tenant, by name.', 'acme', { maxLength: 63 })),
  stream: maybe(oneOf(['transactional', 'bulk'], 'Only mail of this stream.', 'bulk')),
  tag: maybe(input('Only mail with this tag.', 'newsletter', { maxLength: 128 })),
  senderDomain: maybe(
    input('Only mail from this domain; `*.` for all below.', 'shop.example', { maxLength: 255 }),
  ),
  recipientDomain: maybe(
    input('Only mail to this domain; `*.` for all below.', 'example.com', { maxLength: 255 }),
  ),
  provider: maybe(input('Only mail to this mailbox provider.', 'google', { maxLength: 63 })),
}
const hopFields = {
  host: host('The host.', 'smarthost.example'),
  port: Type.Integer({ minimum: 1, maximum: 65_535, description: 'Its port.', examples: [587] }),
  tls: oneOf(['required', 'opportunistic', 'off', 'implicit'], 'How TLS is used.', 'required'),
  user: maybe(input('Name to log in with.', 'posthorn', { maxLength: 128 })),
}
export const Route = Type.Object(
  {
    id: text('Id of the route.', 'rte_00000000001'),
    name: text('Its name.', 'default'),
    position: count('Lower is asked first.', 1000),
    match: Type.Object(matchFields, { description: 'What it takes; empty: everything.' }),
    pool: maybe(text('The pool it leads to.', 'default')),
    nextHop: maybe(Type.Object(hopFields, { description: 'The host it leads to.' })),
  },
  { title: 'Route', description: 'Which mail goes which way.' },
)
export const RouteList = listOf(Route, 'RouteList')
export const RouteInput = Type.Object(
  {
    name: name('Its name.', 'newsletters'),
    position: Type.Integer({
      minimum: 0,
      maximum: 1_000_000,
      description: 'Lower is asked first.',
      examples: [100],
    }),
    match: Type.Object(matchFields, { ...strict, description: 'What it takes.' }),
    pool: maybe(name('The pool it leads to; this or nextHop.', 'default')),
    nextHop: maybe(
      Type.Object(
        {
          ...hopFields,
          password: maybe(
            Type.String({
              maxLength: 256,
              description: 'Password to log in with.',
              examples: ['…'],
            }),
          ),
        },
        { ...strict, description: 'The host it leads to; this or pool.' },
      ),
    ),
  },
  {
    ...strict,
    title: 'RouteInput',
    description: 'A route to add.',
    examples: [{ name: 'newsletters', position: 100, match: { stream: 'bulk' }, pool: 'default' }],
  },
)

const limitFields = {
  connections: maybe(
    Type.Integer({ minimum: 1, maximum: 10_000, description: 'At a time.', examples: [10] }),
  ),
  messagesPerConnection: maybe(
    Type.Integer({ minimum: 1, maximum: 100_000, description: 'Then a new one.', examples: [20] }),
  ),
  rate: maybe(
    Type.Object(
      {
        messages: Type.Integer({ minimum: 1, description: 'So many messages.', examples: [600] }),
        perMs: Type.Integer({ minimum: 1000, description: 'In so long, ms.', examples: [60_000] }),
      },
      { ...strict, description: 'How fast at most.' },
    ),
  ),
  tls: maybe(oneOf(['required', 'opportunistic', 'off'], 'How TLS is used.', 'required')),
}
export const Limit = Type.Object(
  {
    scope: oneOf(['destination', 'source'], 'What it limits.', 'destination'),
    key: text('Which one; `default` for all that have none.', 'provider:google'),
    limits: Type.Object(limitFields, { description: 'The numbers that are set.' }),
    note: maybe(text('Why.', 'asked by the postmaster')),
  },
  { title: 'Limit', description: 'What an operator has set over the built-in table.' },
)
export const LimitList = listOf(Limit, 'LimitList')
export const LimitParams = Type.Object(
  {
    scope: oneOf(['destination', 'source'], 'What it limits.', 'destination'),
    key: input('Which one.', 'provider:google', { minLength: 1, maxLength: 600 }),
  },
  strict,
)
export const LimitInput = Type.Object(
  {
    ...limitFields,
    note: maybe(
      input('Why.', 'asked by the postmaster', {
        maxLength: 500,
        pattern: '^[^\\x00-\\x1f\\x7f]*$',
      }),
    ),
  },
  { ...strict, title: 'LimitInput', description: 'The numbers to set; the others stay built in.' },
)
