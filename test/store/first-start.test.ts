/** The first start: whole or not at all, once, whoever else starts at the same moment. */
import { expect, test } from 'vitest'
import { realRandom } from '../../server/ports.ts'
import { prepareInstallation } from '../../server/services/first-start.ts'
import type { Store } from '../../server/store/open.ts'
import { manualClock } from '../support/clock.ts'
import { makeTestStore, openTestStore } from '../support/store.ts'

const prepare = (store: Store) =>
  prepareInstallation({
    store,
    clock: manualClock(),
    random: realRandom,
    hashKey: Buffer.alloc(32, 7),
    ehlo: 'mta.test',
    ownerEmail: 'Owner@mta.test',
  })

const TABLES = ['tenants', 'users', 'memberships', 'pools', 'pool_sources', 'routes', 'user_tokens']

test('makes a tenant, a way out, and an owner with a link, in one record', async () => {
  const { store, all } = await openTestStore()
  expect((await prepare(store)).setupToken).toMatch(/^[\w-]{43}$/)
  const counts = TABLES.map(
    (table) => all<{ n: number }>(`select count(*) as n from ${table}`)[0]?.n,
  )
  expect(counts).toEqual(TABLES.map(() => 1))
  expect(all('select email, platform_role from users')).toEqual([
    { email: 'owner@mta.test', platform_role: 'admin' },
  ])
  expect(all('select action from audit')).toEqual([{ action: 'installation.prepared' }])
})

test('is done once', async () => {
  const { store, all } = await openTestStore()
  await prepare(store)
  expect(await prepare(store)).toEqual({ setupToken: undefined })
  expect(all('select count(*) as n from users')).toEqual([{ n: 1 }])
})

test.each([
  [`insert into pools (name, created_at) values ('default', 1)`, 'after the pool'],
  [
    `insert into users (email, name, created_at) values ('owner@mta.test', 'Owner', 1)`,
    'after the owner',
  ],
  [
    `insert into sources (name, ehlo, created_at) values ('default', 'old.test', 1)`,
    'at the source',
  ],
])('takes up what an older version left when it was cut off: %s (%s)', async (sql) => {
  const { store, all } = await openTestStore()
  await store.writer.write([{ query: { sql, parameters: [] } as never }], { unaudited: 'test' })
  expect((await prepare(store)).setupToken).toBeDefined()
  expect(
    TABLES.map((table) => all<{ n: number }>(`select count(*) as n from ${table}`)[0]?.n),
  ).toEqual(TABLES.map(() => 1))
})

test('two processes at once: one prepares, and the link of that one is the one that works', async () => {
  const first = await openTestStore()
  const second = await makeTestStore({ dataDir: first.dataDir })
  try {
    const answers = await Promise.all([prepare(first.store), prepare(second.store)])
    expect(answers.filter(({ setupToken }) => setupToken !== undefined)).toHaveLength(1)
    expect(first.all('select count(*) as n from user_tokens')).toEqual([{ n: 1 }])
  } finally {
    await second.close()
  }
})

test('a write that fails leaves nothing behind', async () => {
  const { store, all } = await openTestStore()
  // The last table of the write refuses.
  const sql = `create trigger cut_off before insert on memberships begin select raise(abort, 'cut off'); end`
  await store.writer.write([{ query: { sql, parameters: [] } as never }], { unaudited: 'test' })
  await expect(prepare(store)).rejects.toThrow()
  const left = TABLES.map((table) => all<{ n: number }>(`select count(*) as n from ${table}`)[0]?.n)
  expect(left).toEqual(TABLES.map(() => 0))
  const undo = { sql: 'drop trigger cut_off', parameters: [] } as never
  await store.writer.write([{ query: undo }], { unaudited: 'test' })
  expect((await prepare(store)).setupToken).toBeDefined()
})
