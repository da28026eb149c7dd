/** `posthorn quota …` against a real data directory. */
import { describe, expect, test } from 'vitest'
import { asId, encodeId } from '../../../server/core/ids.ts'
import { openStore } from '../../../server/store/open.ts'
import { testCli } from '../../support/cli.ts'
import type { TestCli } from '../../support/cli.ts'
import { manualClock, TEST_START } from '../../support/clock.ts'

const HOUR = 3_600_000

async function prepared(): Promise<TestCli> {
  const cli = testCli({ clock: manualClock() })
  await cli.run('tenant add acme')
  await cli.run('domain add a.test --tenant acme')
  await cli.run('credential create shop --tenant acme')
  return cli
}

async function withStore<T>(
  cli: TestCli,
  work: (store: Awaited<ReturnType<typeof openStore>>) => T | Promise<T>,
): Promise<T> {
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
    return await work(store)
  } finally {
    await store.close()
  }
}

describe('quota set', () => {
  test('limits a tenant; what is not named stays, "none" takes a limit away', async () => {
    const cli = await prepared()
    const set = await cli.run('quota set --tenant acme --day 10000 --month 200000')
    expect(set.out).toBe(
      'Quota of tenant acme: 10,000 per day, 200,000 per month; beyond it mail is delayed.\n',
    )
    expect(await cli.json('quota set --tenant acme --hour 500 --over refuse')).toMatchObject({
      scope: 'tenant',
      name: 'acme',
      over: 'refuse',
      units: [
        { unit: 'hour', limit: 500 },
        { unit: 'day', limit: 10_000 },
        { unit: 'month', limit: 200_000 },
      ],
    })
    const rest = await cli.run('quota set --tenant acme --hour none --month none')
    expect(rest.out).toBe('Quota of tenant acme: 10,000 per day; beyond it mail is refused.\n')
  })

  test('says what is wrong with a line', async () => {
    const cli = await prepared()
    for (const [line, expected] of WRONG) {
      const { exit, err } = await cli.run(line)
      expect(exit, line).not.toBe(0)
      expect(err).toContain(expected)
    }
  })
})

const WRONG = [
  ['quota set --tenant acme', 'say which limit'],
  ['quota set --tenant acme --day 0', '--day "0" is not a whole number'],
  ['quota set --tenant acme --day many', '--day "many" is not a whole number'],
  ['quota set --tenant acme --over wait --day 1', 'is not one of delay, refuse'],
  ['quota set --tenant acme --over delay', 'needs a limit per hour, day or month'],
  ['quota set --tenant acme --credential shop --domain a.test --day 1', 'exclude each other'],
  ['quota set --tenant acme --credential nobody --day 1', 'There is no SMTP login nobody'],
  ['quota set --tenant acme --domain b.test --day 1', 'There is no domain b.test'],
  ['quota set --tenant default --credential shop --day 1', 'There is no SMTP login shop'],
  ['quota remove --tenant acme', 'No such quota is set'],
] as const

test('quota list shows what is used of each, and what is planned for later', async () => {
  const cli = await prepared()
  await cli.run('quota set --tenant acme --day 100 --hour 10')
  await cli.run('quota set --tenant acme --credential shop --day 50 --over refuse')
  await cli.run('quota set --tenant acme --domain a.test --month 70')
  await withStore(cli, (store) =>
    store.writer.accept({
      idempotency: undefined,
      messages: [
        {
          tenant: store.reader
            .prepare("select id from tenants where name = 'acme'")
            .pluck()
            .get() as never,
          stream: 'bulk',
          via: 'smtp',
          credential: undefined,
          key: undefined,
          mailFrom: 'x@a.test',
          headerFrom: 'x@a.test',
          subject: 'x',
          messageIdHeader: 'x@a.test',
          tags: [],
          metadata: {},
          sendAt: undefined,
          expiresAt: TEST_START + 100 * HOUR,
          sandbox: false,
          smtpUtf8: false,
          body: Buffer.from('x'),
          quota: [{ scope: 'tenant', scopeId: 2, limits: { hour: 10, day: 100 }, over: 'delay' }],
          recipients: Array.from({ length: 15 }, (_, i) => ({
            address: `${i}@b.test`,
            domain: 'b.test',
            lane: undefined,
          })),
        },
      ],
    }),
  )
  const { out } = await cli.run('quota list --tenant acme')
  expect(out.split('\n').map((line) => line.trimEnd().split(/ {2,}/))).toEqual([
    ['TENANT', 'OF', 'PER', 'LIMIT', 'USED', 'PLANNED', 'BEYOND IT', 'ENDS'],
    ['acme', 'tenant acme', 'hour', '10', '10', '5', 'delay', '2026-01-01 01:00:00 UTC'],
    ['acme', 'tenant acme', 'day', '100', '15', '0', 'delay', '2026-01-02 00:00:00 UTC'],
    ['acme', 'login shop', 'day', '50', '0', '0', 'refuse', '2026-01-02 00:00:00 UTC'],
    ['acme', 'domain a.test', 'month', '70', '0', '0', 'delay', '2026-02-01 00:00:00 UTC'],
    [''],
  ])
  expect(await cli.json('quota list')).toMatchObject({ quotas: [{ tenant: 'acme' }, {}, {}] })
  const [first, last] = await withStore(
    cli,
    (store) =>
      store.reader.prepare('select min(id), max(id) from deliveries').raw().get() as number[],
  )
  const explained = async (id: number | undefined): Promise<string> =>
    (await cli.run(`explain delivery ${encodeId('delivery', asId('delivery', id ?? 0))}`)).out
  expect(await explained(last)).toMatch(
    /queued \(quota\)[^]*next try +2026-01-01 01:12:00 UTC.*: waits for the hourly quota of tenant acme: 10 of 10 used, next at 2026-01-01 01:12 UTC\n/,
  )
  expect(await explained(first)).not.toMatch(/quota/)
})

test('every change is in the audit log with before and after', async () => {
  const cli = await prepared()
  await cli.run('quota set --tenant acme --credential shop --hour 5')
  await cli.run('quota set --tenant acme --credential shop --hour 9 --over refuse')
  const removed = await cli.run('quota remove --tenant acme --credential shop')
  expect(removed.out).toBe('Removed the quota of login shop.\n')
  expect(await cli.json('quota list')).toEqual({ quotas: [] })
  const rows = await withStore(cli, (store) =>
    store.reader
      .prepare(
        `select action, means, tenant_id, target_kind, target_id, target_name, before, after from audit
         where action like 'quota.%' order by id`,
      )
      .all(),
  )
  const target = {
    means: 'cli',
    tenant_id: 2,
    target_kind: 'credential',
    target_id: 'crd_00000000001',
    target_name: 'shop',
  }
  const first = '{"hour":5,"day":null,"month":null,"over":"delay"}'
  const second = '{"hour":9,"day":null,"month":null,"over":"refuse"}'
  expect(rows).toEqual([
    { action: 'quota.changed', ...target, before: null, after: first },
    { action: 'quota.changed', ...target, before: first, after: second },
    { action: 'quota.removed', ...target, before: second, after: null },
  ])
})
