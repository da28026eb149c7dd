/** Quotas over several programs on one database, and the end of what was counted. */
import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { asId } from '../../server/core/ids.ts'
import type { QuotaCharge, QuotaOver } from '../../server/core/quota.ts'
import type { AcceptResult } from '../../server/core/work.ts'
import { quotaSteps } from '../../server/store/quotas.ts'
import type { Store } from '../../server/store/open.ts'
import { aMessage } from '../support/builders.ts'
import { TEST_START, manualClock } from '../support/clock.ts'
import { openTestStore } from '../support/store.ts'

const DAY_MS = 86_400_000
const tenant = asId('tenant', 1)
const quotaOf = (day: number, over: QuotaOver): readonly QuotaCharge[] => [
  { scope: 'tenant', scopeId: tenant, limits: { day, month: 1_000 }, over },
]
const people = (count: number): string[] => Array.from({ length: count }, (_, i) => `p${i}@ok.test`)

/** Two writers with connections of their own to one file: what they know of each other is what is in it. */
async function twoPrograms() {
  const clock = manualClock()
  const one = await openTestStore({ clock })
  const two = await openTestStore({ clock, dataDir: one.dataDir })
  return { one, two, writers: [one.store.writer, two.store.writer] }
}

describe('two programs that count at the same time', () => {
  test.each([
    ['one recipient each', 1],
    ['seven, which do not fill the quota evenly', 7],
  ])('never accept more than a quota that refuses: %s', async (_what, count) => {
    const { one, writers } = await twoPrograms()
    const message = aMessage({ tenant, quota: quotaOf(100, 'refuse'), to: people(count) })
    const results: AcceptResult[] = []
    // Round by round, so that their commits take turns.
    for (let round = 0; round < 12; round++)
      results.push(
        ...(await Promise.all(
          writers.flatMap((writer) =>
            Array.from({ length: 8 }, () =>
              writer.accept({ messages: [message], idempotency: undefined }),
            ),
          ),
        )),
      )
    const accepted = results.filter(({ kind }) => kind === 'accepted').length
    expect(accepted).toBe(Math.floor(100 / count))
    expect(results.length - accepted).toBe(
      results.filter(({ kind }) => kind === 'over-quota').length,
    )
    expect(one.all('select used from quota_uses')).toEqual([
      { used: accepted * count },
      { used: accepted * count },
    ])
  })

  test('never plan more than the quota for any day', async () => {
    const { one, writers } = await twoPrograms()
    const message = aMessage({ tenant, quota: quotaOf(50, 'delay'), to: people(7) })
    for (let round = 0; round < 5; round++)
      await Promise.all(
        writers.flatMap((writer) =>
          Array.from({ length: 4 }, () =>
            writer.accept({ messages: [message], idempotency: undefined }),
          ),
        ),
      )
    const perDay = one.all<{ count: number; waiting: number }>(
      `select count(*) as count, sum(reason = 'quota') as waiting from deliveries
       group by next_at / ${DAY_MS} order by next_at`,
    )
    expect(perDay).toEqual([
      { count: 50, waiting: 0 },
      ...Array.from({ length: 4 }, () => ({ count: 50, waiting: 50 })),
      { count: 30, waiting: 30 },
    ])
    expect(one.all("select used from quota_uses where unit = 'day' order by start")).toEqual(
      [50, 50, 50, 50, 50, 30].map((used) => ({ used })),
    )
  })
})

test('counters go when their windows are long over, and no other', async () => {
  const { store, all } = await openTestStore()
  const windows: [string, string, number][] = [
    ['hour', '2026-03-30T11:00Z', 0],
    ['hour', '2026-03-30T12:00Z', 1],
    ['day', '2026-01-29', 0],
    ['day', '2026-01-31', 1],
    ['month', '2025-02-01', 0],
    ['month', '2025-03-01', 1],
    ['month', '2026-05-01', 1],
  ]
  const row = (unit: string, start: string) =>
    sql`insert into quota_uses values (1, 'tenant', 1, ${unit}, ${Date.parse(start)}, 5)`
  await store.writer.write(
    windows.map(([unit, start]) => ({ query: row(unit, start).compile(store.build) })),
    { unaudited: 'test' },
  )
  const now = Date.parse('2026-04-01T12:00Z')
  let gone = 0
  for (const step of quotaSteps(store, now)) gone += await step()
  expect(gone).toBe(3)
  expect(all<{ unit: string; start: number }>('select unit, start from quota_uses')).toEqual(
    windows
      .filter(([, , kept]) => kept === 1)
      .map(([unit, start]) => ({ unit, start: Date.parse(start) }))
      .sort((a, b) => a.unit.localeCompare(b.unit)),
  )
})

test('a new domain does not begin with the quota of one that had its key', async () => {
  const { store, all } = await openTestStore()
  const run = (...texts: string[]): ReturnType<Store['writer']['write']> =>
    store.writer.write(
      texts.map((text) => ({ query: sql.raw(text).compile(store.build) })),
      { unaudited: 'test' },
    )
  await run(
    `insert into tenants (id, name, created_at) values (1, 'acme', 0), (2, 'other', 0)`,
    `insert into domains (id, tenant_id, name, created_at) values (1, 1, 'a.test', 0)`,
    `insert into quotas values (1, 'domain', 1, null, 5, null, 'delay', 0),
       (1, 'credential', 1, null, 5, null, 'delay', 0), (2, 'domain', 2, null, 5, null, 'delay', 0)`,
    `insert into quota_uses values (1, 'domain', 1, 'day', ${TEST_START}, 3),
       (1, 'tenant', 1, 'day', ${TEST_START}, 3)`,
    `delete from domains where id = 1`,
  )
  expect(all('select tenant_id, scope from quotas order by tenant_id')).toEqual([
    { tenant_id: 1, scope: 'credential' },
    { tenant_id: 2, scope: 'domain' },
  ])
  expect(all('select scope from quota_uses')).toEqual([{ scope: 'tenant' }])
})
