/**
 * The boot settings: one schema from which loading, `config.example.json`, the documentation, the command line's
 * help and the settings form are derived. Operating settings (pools, limits of providers, domains, tenants) are
 * not here: they live in the database, audited. Nor are secrets, but for those of the broker and the backup store.
 */
import Type, { type StaticDecode } from 'typebox'
import {
  choice,
  count,
  duration,
  ehlo,
  hostname,
  list,
  listen,
  nameServer,
  network,
  path,
  ratio,
  redisUrl,
  schedule,
  section,
  size,
  text,
  wait,
  yesNo,
} from './leaf.ts'
import { backup } from './schema-backup.ts'
import { http } from './schema-http.ts'
import { mail } from './schema-mail.ts'
import { security } from './schema-security.ts'

const listener = section('One submission listener.', {
  listen: listen('Where to listen.', { default: '127.0.0.1:2525' }),
  tls: choice(
    'starttls: offered, and required before AUTH. implicit: from the first byte (port 465). none: no TLS at all.',
    ['starttls', 'implicit', 'none'],
    'starttls',
  ),
  trustedNetworks: list(
    'Clients that may submit without AUTH. Everybody in such a network can send as you.',
    network('Address or network of clients.'),
  ),
})

const submission = section('SMTP submission: how applications hand mail over.', {
  listeners: list(
    'The listeners. An empty list turns submission off.',
    listener,
    [{ listen: '127.0.0.1:2525', tls: 'starttls', trustedNetworks: [] }],
    {},
  ),
  certificate: Type.Optional(
    path('PEM file with the certificate chain; without one a self-signed one is made in dataDir.'),
  ),
  key: Type.Optional(path('PEM file with the private key of the certificate.')),
  maxMessageSize: size('Largest message, announced with SIZE.', '25 MiB', {
    atLeast: '64 KiB',
    atMost: '1 GiB',
  }),
  bodyMemory: size('Memory for messages on their way in; beyond it they go to files.', '128 MiB', {
    atLeast: '1 MiB',
    atMost: '64 GiB',
  }),
  // RFC 5321 §4.5.3.1.8: a server must take at least 100 recipients.
  maxRecipients: count('Most recipients of one transaction.', {
    unit: 'recipients',
    default: 1000,
    minimum: 100,
    maximum: 50_000,
  }),
  maxConnections: count('Most connections at a time over all listeners.', {
    unit: 'connections',
    default: 500,
    maximum: 100_000,
  }),
  maxConnectionsPerIp: count('Most connections at a time from one address.', {
    unit: 'connections',
    default: 100,
    maximum: 100_000,
  }),
  // RFC 5321 §4.5.3.2.7: a server should wait at least 5 minutes for the next command.
  idleTimeout: duration('A connection that is silent for so long is closed.', '5 m', {
    atLeast: '1 s',
    atMost: '1 h',
  }),
  perCredential: section('Limits of an SMTP login that has none of its own.', {
    messagesPerHour: Type.Optional(count('Messages it may submit.', { unit: 'per hour' })),
    recipientsPerHour: Type.Optional(count('Recipients it may address.', { unit: 'per hour' })),
    connections: Type.Optional(
      count('Connections it may hold at a time.', { unit: 'connections' }),
    ),
  }),
})

const redis = section(
  'The broker for wake-ups, if workers run in several processes. It holds no mail.',
  {
    url: Type.Optional(
      redisUrl('Redis or Valkey, run with noeviction. Not set: an engine inside the process.'),
    ),
    prefix: text(
      'Prefix of every key, so that several installations can share a broker.',
      'posthorn',
    ),
  },
)

const dns = section('How names are looked up.', {
  servers: list(
    'Name servers to ask, in this order; empty: those of the system.',
    nameServer('Address of a name server.'),
  ),
  timeouts: list(
    'Time for one server in the first round over all of them, in the second, and so on.',
    wait('Time for one answer.', { atLeast: '50 ms', atMost: '1 m' }),
    ['2 s', '3 s'],
    { minItems: 1 },
  ),
  cacheEntries: count('Most names kept in memory for each type of record.', {
    unit: 'names',
    default: 50_000,
    minimum: 100,
    maximum: 10_000_000,
  }),
  maxTtl: duration('Answers are kept no longer than this, whatever their TTL.', '1 d', {
    atLeast: '1 s',
    atMost: '7 d',
  }),
})

const streamRetry = (name: string, waits: string, maxAge: string) =>
  section(`Retries of the ${name} stream.`, {
    schedule: schedule(
      'Waits before the second, third, … attempt; the last one repeats until maxAge.',
      waits,
    ),
    maxAge: duration('A delivery that is older expires.', maxAge, {
      atLeast: '1 m',
      atMost: '30 d',
    }),
  })

const PATIENCE = { atLeast: '100 ms', atMost: '1 h' } as const

const delivery = section('How mail leaves.', {
  port: count('Port of the MX hosts; anything but 25 is for tests and closed networks.', {
    unit: 'port',
    default: 25,
    maximum: 65_535,
  }),
  allowPrivateNetworks: yesNo(
    'Allow MX hosts and webhooks that resolve to loopback, private or link-local addresses.',
    false,
  ),
  ipv6: choice(
    'off: IPv4 only. fallback: IPv4 first, then IPv6. prefer: IPv6 first, then IPv4.',
    ['off', 'fallback', 'prefer'],
    'off',
  ),
  ehlo: Type.Optional(
    ehlo('Name in EHLO of a source that has none of its own; not set: hostname.'),
  ),
  mtaSts: choice(
    'on: the MTA-STS policies of recipient domains are fetched and obeyed (RFC 8461). off: not even asked for.',
    ['on', 'off'],
    'on',
  ),
  caFile: Type.Optional(
    path('PEM file with certificates to believe beside the public ones, for closed networks.'),
  ),
  returnPathDomain: Type.Optional(
    hostname('Domain of the return path of bounces; not set: the sender stays as submitted.'),
  ),
  laneConcurrency: count('Most lanes at work at a time in this process.', {
    unit: 'lanes',
    default: 500,
    maximum: 100_000,
  }),
  laneLinger: duration('An empty lane keeps its connections for so long.', '2 s', {
    atLeast: '0 s',
    atMost: '5 m',
  }),
  timeouts: section(
    'How long a remote may take. RFC 5321 §4.5.3.2 asks for patience with a mail.',
    {
      connect: duration('The TCP connection.', '30 s', PATIENCE),
      banner: duration('The greeting.', '1 m', PATIENCE),
      ehlo: duration('EHLO, STARTTLS with its handshake, each step of AUTH.', '1 m', PATIENCE),
      mail: duration('MAIL.', '5 m', PATIENCE),
      rcpt: duration('RCPT.', '5 m', PATIENCE),
      data: duration('DATA, before the message.', '2 m', PATIENCE),
      body: duration('The final dot. Too little patience here makes duplicates.', '10 m', PATIENCE),
    },
  ),
  retry: section('When a deferred delivery is tried again.', {
    transactional: streamRetry('transactional', '1m, 2m, 5m, 10m, 20m, 30m*5, 1h', '2 d'),
    bulk: streamRetry('bulk', '5m, 10m, 20m, 40m, 1h, 2h, 4h', '3 d'),
    jitter: ratio('Each wait is changed at random by up to this share of it.', 0.2),
  }),
  bodyCache: size('Memory for bodies that go to several recipients.', '64 MiB', {
    atLeast: '0 B',
    atMost: '64 GiB',
  }),
})

const store = section('The database and the spool, both in dataDir.', {
  spoolOver: size(
    'Messages over this size are kept as files, smaller ones in the database.',
    '256 KiB',
    {
      atLeast: '0 B',
      atMost: '64 MiB',
    },
  ),
  minFreeDisk: size('With less room on the disk no mail is accepted.', '256 MiB', {
    atLeast: '0 B',
    atMost: '16 TiB',
  }),
  cacheSize: size('Memory of the database for pages.', '64 MiB', {
    atLeast: '1 MiB',
    atMost: '64 GiB',
  }),
  retention: section('How long what is done is kept.', {
    bodies: duration('Message bodies, after the last delivery came to its end.', '7 d', {
      atLeast: '0 s',
    }),
    deliveries: duration('Deliveries and their attempts.', '90 d', { atLeast: '1 d' }),
    events: duration('Events.', '90 d', { atLeast: '1 d' }),
    idempotencyKeys: duration('Idempotency keys and what they were answered.', '24 h', {
      atLeast: '1 m',
    }),
  }),
})

const log = section('The log, on standard output.', {
  level: choice(
    'Least important line that is written.',
    ['debug', 'info', 'warn', 'error', 'silent'],
    'info',
  ),
})

const limits = section('Limits of the API.', {
  requestsPerSecond: count('Sustained requests of one API key.', {
    unit: 'per second',
    default: 100,
    maximum: 1_000_000,
  }),
  requestBurst: count('Requests one API key may make at once after a pause.', {
    unit: 'requests',
    default: 200,
    maximum: 1_000_000,
  }),
  messagesPerBatch: count('Most messages in one batch request.', {
    unit: 'messages',
    default: 1000,
    maximum: 10_000,
  }),
  recipientsPerMessage: count('Most recipients of one message over the API.', {
    unit: 'recipients',
    default: 1000,
    maximum: 50_000,
  }),
  scheduleAhead: duration('How far in the future sendAt may be.', '30 d', {
    atLeast: '0 s',
    atMost: '365 d',
  }),
})

export const ConfigSchema = section('Boot settings of Posthorn.', {
  dataDir: path('Where the database, the spool and the keys live.', 'data'),
  hostname: hostname(
    'Name of this installation: in Received, Message-ID and EHLO. Not set: the name of the machine.',
  ),
  roles: list(
    'What this process does.',
    Type.Enum(['http', 'submission', 'worker']),
    ['http', 'submission', 'worker'],
    { minItems: 1 },
  ),
  shutdownGrace: duration('Time for work in hand when the program is told to stop.', '20 s', {
    atLeast: '0 s',
    atMost: '10 m',
  }),
  http,
  submission,
  redis,
  dns,
  delivery,
  store,
  backup,
  security,
  mail,
  log,
  limits,
})

type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T

/** The loaded settings: durations in ms, sizes in bytes, addresses taken apart, every default filled in. */
export type Config = DeepReadonly<StaticDecode<typeof ConfigSchema>>
export type Role = Config['roles'][number]
