/** API keys and SMTP logins. No answer has a secret but that of making or rotating one, and none ever has a hash. */
import Type from 'typebox'
import type { Static } from 'typebox'
import { ALL_PERMISSIONS } from '../../core/permission.ts'
import { count, input, maybe, oneOf, pageOf, strict, text, time } from './parts.ts'
import { idParam } from './query.ts'

export const KeyParams = idParam('Id of the key.', 'key_01kq3v8r4t2')
export const CredentialParams = idParam('Id of the login.', 'crd_01kq3v8r4t2')

const scopes = Type.Array(Type.Enum([...ALL_PERMISSIONS], { type: 'string' }), {
  minItems: 1,
  maxItems: ALL_PERMISSIONS.length,
  description: 'What it may do. Nobody can give more than they have themselves.',
  examples: [['messages:send', 'messages:read']],
})
const mode = oneOf(
  ['live', 'test'],
  'Whatever `test` sends goes to the sandbox and never leaves; what it may read is the same.',
  'live',
)
const networks = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
  maxItems: 100,
  description: 'Addresses and networks (CIDR) it may be used from; none: from anywhere.',
  examples: [['192.0.2.0/24', '2001:db8::/32']],
})
const instant = {
  maxLength: 40,
  format: 'date-time',
  examples: ['2030-01-01T09:00:00Z'],
} as const
const expiresAt = Type.String({ ...instant, description: 'When it ends (RFC 3339).' })
const newEnd = Type.Unsafe<string | null>({
  ...instant,
  type: ['string', 'null'],
  description: 'When it ends (RFC 3339); null: never.',
})
const RATE = { minimum: 1, maximum: 100_000, examples: [10] } as const
const name = input('What it is for.', 'shop backend', { minLength: 1, maxLength: 100 })

export const KeyInput = Type.Object(
  {
    name,
    scopes,
    mode: maybe(mode),
    networks: maybe(networks),
    requestsPerSecond: maybe(
      Type.Integer({
        ...RATE,
        description: 'Its own limit; never above that of the installation.',
      }),
    ),
    expiresAt: maybe(expiresAt),
  },
  { ...strict, title: 'KeyInput', description: 'An API key to make.' },
)
export const KeyEdit = Type.Object(
  {
    name: maybe(name),
    scopes: maybe(scopes),
    networks: maybe(networks),
    requestsPerSecond: maybe(
      Type.Unsafe<number | null>({
        ...RATE,
        type: ['integer', 'null'],
        description: 'Its own limit; null: that of the installation.',
      }),
    ),
    expiresAt: maybe(newEnd),
  },
  { ...strict, minProperties: 1, title: 'KeyEdit', description: 'What to change.' },
)
export const Rotation = Type.Object(
  {
    overlapSeconds: maybe(
      Type.Integer({
        minimum: 0,
        maximum: 30 * 86_400,
        description: 'How long the old secret is still good: a day if not given, at most 30 days.',
        examples: [86_400],
      }),
    ),
    expiresAt: maybe(
      Type.String({
        ...instant,
        description:
          'When the new secret ends; if not given it is good for as long as the old one was to be.',
      }),
    ),
  },
  { ...strict, title: 'Rotation', description: 'How to go over to a new secret.' },
)

const LastUse = Type.Object(
  {
    at: time('When, to ten seconds.'),
    ip: text('From which address.', '192.0.2.7'),
    country: maybe(text('From which country, when it is known.', 'DE')),
  },
  { title: 'LastUse', description: 'The last time it was used.' },
)
const facts = {
  mode,
  state: oneOf(['live', 'expired', 'revoked'], 'Whether it is good.', 'live'),
  networks: Type.Array(Type.String(), {
    description: 'Where it may be used from; none: anywhere.',
    examples: [['192.0.2.0/24']],
  }),
  createdAt: time('When it was made.'),
  createdBy: text('Who made it.', 'anna@shop.example'),
  expiresAt: maybe(time('When it ends.')),
  revokedAt: maybe(time('When it was revoked.')),
  lastUse: maybe(LastUse),
}
const keyFacts = {
  id: text('Id of the key.', 'key_01kq3v8r4t2'),
  name: text('What it is for.', 'shop backend'),
  scopes: Type.Array(Type.String(), {
    description: 'What it may do.',
    examples: [['messages:send', 'messages:read']],
  }),
  ...facts,
  requestsPerSecond: maybe(count('Its own limit.', 10)),
  replacedBy: maybe(text('The key that took its place.', 'key_01kq3v8r4t9')),
}
export const Key = Type.Object(keyFacts, {
  title: 'Key',
  description: 'An API key, without its secret.',
})
export const KeyPage = pageOf(Key, 'KeyPage', { list: 'keys' })

const secret = text('The key itself. It is told only now, and cannot be told again.', 'ph_live_…')
export const NewKey = Type.Object(
  { ...keyFacts, secret },
  { title: 'NewKey', description: 'A key that was just made, with its secret.' },
)
export const RotatedKey = Type.Object(
  { ...keyFacts, secret, former: Key },
  { title: 'RotatedKey', description: 'The new key with its secret, and the one it replaces.' },
)

const most = (description: string, example: number) =>
  Type.Integer({ minimum: 1, maximum: 1_000_000_000, description, examples: [example] })
const Limits = Type.Object(
  {
    messagesPerHour: maybe(most('Messages it may submit in an hour.', 1000)),
    recipientsPerHour: maybe(most('Recipients it may address in an hour.', 5000)),
    connections: maybe(most('Connections it may hold at a time.', 10)),
    messageSize: maybe(most('Bytes of its largest message.', 5_242_880)),
  },
  {
    ...strict,
    title: 'CredentialLimits',
    description: 'What is not in it is as the installation has it.',
  },
)
export const CredentialInput = Type.Object(
  {
    username: input('Name to log in with; unique over all tenants, for good.', 'shop', {
      minLength: 1,
      maxLength: 128,
      pattern: '^[!-~]+$',
    }),
    limits: maybe(Limits),
    mode: maybe(mode),
    networks: maybe(networks),
    expiresAt: maybe(expiresAt),
  },
  { ...strict, title: 'CredentialInput', description: 'An SMTP login to make.' },
)
export const CredentialEdit = Type.Object(
  { limits: maybe(Limits), networks: maybe(networks), expiresAt: maybe(newEnd) },
  { ...strict, minProperties: 1, title: 'CredentialEdit', description: 'What to change.' },
)
const credentialFacts = {
  id: text('Id of the login.', 'crd_01kq3v8r4t2'),
  username: text('Name to log in with.', 'shop'),
  limits: Limits,
  ...facts,
  rotatedAt: maybe(time('When the present password was made.')),
  formerUntil: maybe(time('Until when the password before it is good.')),
}
export const Credential = Type.Object(credentialFacts, {
  title: 'Credential',
  description: 'An SMTP login, without its password.',
})
export const CredentialPage = pageOf(Credential, 'CredentialPage', { list: 'credentials' })
export const NewCredential = Type.Object(
  {
    ...credentialFacts,
    password: text('It is told only now, and cannot be told again.', 'k7m2…'),
  },
  { title: 'NewCredential', description: 'A login with a password that was just made.' },
)

export type KeyOut = Static<typeof Key>
export type CredentialOut = Static<typeof Credential>
