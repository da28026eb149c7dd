import { describe, expect, test } from 'vitest'
import { asId, encodeId, type LaneId } from '../../../server/core/ids.ts'
import type { NewMessage } from '../../../server/core/work.ts'
import { ensureLane } from '../../../server/store/lanes.ts'
import { openStore, type Store } from '../../../server/store/open.ts'
import { testCli, type TestCli } from '../../support/cli.ts'
import { manualClock, TEST_START } from '../../support/clock.ts'

const HOUR = 3_600_000
const google = { kind: 'mx', provider: 'google', site: 'mx.google.com' } as const

async function withStore<T>(cli: TestCli, use: (store: Store) => Promise<T>): Promise<T> {
  const { clock, log } = cli.ports
  const store = await openStore({
    auditKey: Buffer.alloc(32, 5),
    dataDir: cli.dataDir,
    cacheKiB: 1024,
    clock,
    log,
    onFatal: (error) => {
      throw error
    },
  })
  try {
    return await use(store)
  } finally {
    await store.close()
  }
}

const message = (lane: LaneId | undefined, recipients: readonly string[]): NewMessage => ({
  tenant: asId('tenant', 1),
  stream: 'bulk',
  via: 'api',
  credential: undefined,
  key: undefined,
  mailFrom: 'news@shop.test',
  headerFrom: 'news@shop.test',
  subject: 'Hello \u001b[2Jthere',
  messageIdHeader: '1@shop.test',
  tags: ['spring'],
  metadata: {},
  sendAt: undefined,
  expiresAt: TEST_START + 72 * HOUR,
  sandbox: false,
  smtpUtf8: false,
  body: Buffer.from('Subject: Hello\r\n\r\nHi\r\n'),
  recipients: recipients.map((address) => ({
    address,
    domain: address.slice(address.indexOf('@') + 1),
    lane,
  })),
})

interface Seeded {
  readonly cli: TestCli
  readonly lane: string
  readonly message: string
  /** Of the first recipient, which Google has deferred once. */
  readonly delivery: string
}

/** Two deliveries on Google's lane, the first one tried and deferred for an hour, and one that has no lane yet. */
async function seeded(): Promise<Seeded> {
  const cli = testCli({ clock: manualClock() })
  await cli.run('tenant list')
  return withStore(cli, async (store) => {
    const { writer } = store
    const now = TEST_START
    const lane = await ensureLane(store, { source: asId('source', 1), destination: google }, now)
    const accepted = await writer.accept({
      messages: [message(lane, ['a@gmail.com', 'b@gmail.com']), message(undefined, ['c@x.test'])],
      idempotency: undefined,
    })
    if (accepted.kind !== 'accepted') throw new Error(`The message was ${accepted.kind}.`)
    const owner = { lane, token: 't', now, ownedUntil: now + 1 }
    await writer.claim(owner)
    const { deliveries } = await writer.lease({ ...owner, limit: 1, pace: '' })
    const [first] = deliveries
    if (first === undefined) throw new Error('Nothing was due.')
    await writer.settle('t', [
      {
        delivery: first.id,
        message: first.message,
        tenant: first.tenant,
        attempt: 1,
        to: 'deferred',
        reason: 'remote-deferred',
        nextAt: now + HOUR,
        event: 'deferred',
        unroute: false,
        outcome: {
          kind: 'refused',
          stage: 'rcpt',
          reply: {
            code: 451,
            enhanced: '4.7.1',
            text: 'slow\u001b[31m down',
          },
          fault: undefined,
          detail: undefined,
          host: 'mx.google.com',
          ip: '192.0.2.9',
          sourceIp: undefined,
          tls: undefined,
          startedAt: now,
          endedAt: now,
          transcript: '',
        },
        verdict: {
          category: 'rate',
          scope: 'source',
          permanence: 'temporary',
          action: 'retry',
          rule: 'google-rate',
        },
      },
    ])
    await writer.release(lane, 't', '')
    return {
      cli,
      lane: encodeId('lane', lane),
      message: encodeId('message', accepted.messages[0]!.id),
      delivery: encodeId('delivery', first.id),
    }
  })
}

/** When each delivery is due, by recipient. */
const dueTimes = (cli: TestCli): Promise<Record<string, number>> =>
  withStore(cli, async (store) => {
    const rows = await store.across.read
      .selectFrom('deliveries')
      .select(['recipient', 'next_at'])
      .execute()
    return Object.fromEntries(rows.map((row) => [row.recipient, row.next_at - TEST_START]))
  })

const version = (cli: TestCli): Promise<string> =>
  withStore(cli, async (store) => {
    const row = await store.across.read
      .selectFrom('settings')
      .select('value')
      .where('name', '=', 'catalog.version')
      .executeTakeFirstOrThrow()
    return row.value
  })

describe('queue list', () => {
  test('shows what waits, lane by lane', async () => {
    const { cli, lane } = await seeded()
    expect(await cli.json('queue list')).toEqual({
      lanes: [
        {
          id: lane,
          source: 'default',
          destination: 'provider:google',
          waiting: 2,
          due: 1,
          sending: 0,
          oldestAt: '2026-01-01T00:00:00.000Z',
          nextAt: '2026-01-01T00:00:00.000Z',
          suspendedUntil: null,
          suspendedBecause: null,
          working: false,
        },
      ],
      waiting: 3,
      unrouted: 1,
    })
    const { out } = await cli.run('queue list')
    expect(out).toMatch(/provider:google +2 +1 +0 +now +waiting\n/)
    expect(out).toContain('3 waiting, 1 of them without a lane yet')
  })
})

describe('queue suspend', () => {
  test('by destination, with a reason; resume by id ends it', async () => {
    const { cli, lane } = await seeded()
    const before = await version(cli)
    const line = 'queue suspend provider:google --for 2h --because "case 123"'
    expect(await cli.json(line)).toEqual({
      lanes: [lane],
      suspendedUntil: '2026-01-01T02:00:00.000Z',
      because: 'case 123',
    })
    // The version is what a server beside us watches.
    expect(Number(await version(cli))).toBeGreaterThan(Number(before))
    expect((await cli.run('queue list')).out).toContain(
      'suspended until 2026-01-01 02:00:00 UTC: case 123',
    )
    expect((await cli.run(`queue resume ${lane}`)).out).toBe(
      'default to provider:google goes on.\n',
    )
    expect(await cli.json('queue list')).toMatchObject({ lanes: [{ suspendedUntil: null }] })
    expect((await cli.run(`queue resume ${lane}`)).out).toContain('it was not suspended')
  })

  test.each([
    ['queue suspend provider:yahoo --for 1h --because x', 1, 'posthorn queue list --all'],
    ['queue suspend provider:google --because x', 2, '--for is missing'],
    ['queue suspend provider:google --for 1h', 2, '--because is missing'],
    ['queue suspend provider:google --for long --because x', 2, 'a duration such as'],
    ['queue suspend provider:google --for 0s --because x', 2, 'posthorn queue resume'],
  ])('%s: %i, %s', async (line, code, text) => {
    const { exit, err } = await testCli().run(line)
    expect({ exit, err }).toEqual({ exit: code, err: expect.stringContaining(text) as string })
  })
})

describe('queue retry', () => {
  test('of a lane makes its deliveries due, and no other', async () => {
    const { cli } = await seeded()
    expect(await dueTimes(cli)).toMatchObject({ 'a@gmail.com': HOUR })
    const dry = await cli.json('queue retry --lane provider:google --dry-run')
    expect(dry).toEqual({ matching: 2, retried: 0, dryRun: true })
    expect(await dueTimes(cli)).toMatchObject({ 'a@gmail.com': HOUR })
    const { out, err } = await cli.run('queue retry --lane provider:google --state deferred')
    expect(err).toBe('Matching: 1 delivery.\n')
    expect(out).toBe('Due now: 1 delivery.\n')
    expect(await dueTimes(cli)).toMatchObject({ 'a@gmail.com': 0 })
  })

  test.each([
    ['', 3, 'all that wait'],
    ['--domain GMAIL.com', 2, 'of a domain'],
    ['--state queued', 2, 'in a state'],
    ['--state bounced', 0, 'in a state that nothing is in'],
    ['--limit 1', 1, 'the oldest'],
  ])('%s takes %i: %s', async (options, retried) => {
    const { cli } = await seeded()
    expect(await cli.json(`queue retry ${options}`)).toMatchObject({ retried })
  })

  test('asks before it takes more than a thousand, and then takes all', async () => {
    const cli = testCli({ clock: manualClock() })
    await cli.run('tenant list')
    const recipients = Array.from({ length: 2_500 }, (_, i) => `r${i}@x.test`)
    await withStore(cli, (store) =>
      store.writer.accept({ messages: [message(undefined, recipients)], idempotency: undefined }),
    )
    const { exit, err } = await cli.run('queue retry')
    expect(exit).toBe(1)
    expect(err).toContain('2,500 deliveries. Add --yes')
    expect(await cli.json('queue retry --limit 1000')).toMatchObject({ retried: 1_000 })
    expect(await cli.json('queue retry --yes')).toMatchObject({ matching: 2_500, retried: 2_500 })
  })
})

test('queue rebuild counts what there is to wake, and tells servers', async () => {
  const { cli } = await seeded()
  const before = await version(cli)
  expect(await cli.json('queue rebuild')).toEqual({ lanes: 1, domains: 1 })
  expect(Number(await version(cli))).toBeGreaterThan(Number(before))
})

describe('explain delivery', () => {
  test('says why, by which limits of whom, what was said, and what comes next', async () => {
    const { cli, delivery, lane, message: id } = await seeded()
    await cli.run('limit set --provider google --connections 3')
    await cli.run('route add spring --pool default --match-tag spring')
    const { exit, out } = await cli.run(`explain delivery ${delivery}`)
    expect(exit).toBe(0)
    const lines = Object.fromEntries(
      out
        .trimEnd()
        .split('\n')
        .map((line) => [line.slice(0, 18).trim(), line.slice(18).trim()]),
    )
    expect(lines).toMatchObject({
      delivery,
      message: id,
      to: 'a@gmail.com',
      state: 'deferred (remote-deferred)',
      attempts: '1',
      route: 'spring',
      lane: `${lane}: source default to provider:google`,
      connections: '3 (provider google (operator))',
      host: 'mx.google.com [192.0.2.9]',
      said: '451 4.7.1 slow\\x1b[31m down',
      verdict: expect.stringContaining('(rule google-rate)') as string,
      'next try': expect.stringMatching(
        /01:00:00 UTC \(in 1 h\): attempt 1 was deferred/,
      ) as string,
      'gives up': expect.stringContaining('in 3 d') as string,
    })
  })

  test('as JSON, with the times in ISO 8601 and null for what is not there', async () => {
    const { cli, delivery } = await seeded()
    expect(await cli.json(`explain delivery ${delivery}`)).toMatchObject({
      state: 'deferred',
      reason: 'remote-deferred',
      route: 'default',
      lane: {
        destination: 'provider:google',
        suspendedUntil: null,
        limits: { rate: null, tls: { value: 'required' } },
      },
      lastAttempt: { at: '2026-01-01T00:00:00.000Z', said: '451 4.7.1 slow\u001b[31m down' },
      nextTry: { at: '2026-01-01T01:00:00.000Z' },
    })
  })
})

test('explain message shows each delivery in short, and no control characters', async () => {
  const { cli, delivery, message: id } = await seeded()
  const { out } = await cli.run(`explain message ${id}`)
  expect(out).toContain('Hello \\x1b[2Jthere')
  expect(out).toMatch(
    new RegExp(
      `^${delivery} +a@gmail.com +deferred \\(remote-deferred\\) +1 +451 rate +2026-`,
      'm',
    ),
  )
  expect(await cli.json(`explain message ${id}`)).toMatchObject({
    message: id,
    tenant: 'default',
    stream: 'bulk',
    recipients: 2,
    deliveries: [
      { to: 'a@gmail.com', code: 451, category: 'rate' },
      { to: 'b@gmail.com', code: null },
    ],
  })
})

test.each([
  ['explain delivery dlv_00000000000', 1, 'store.retention', 'not there'],
  ['explain message msg_00000000000', 1, 'store.retention', 'not there'],
  ['explain delivery msg_00000000000', 2, 'is not the id of a delivery', 'another kind of id'],
])('%s: %i, %s (%s)', async (line, code, text) => {
  const { exit, err } = await testCli().run(line)
  expect({ exit, err }).toEqual({ exit: code, err: expect.stringContaining(text) as string })
})
