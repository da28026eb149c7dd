/** One fsync for many callers, and a failure only for the caller it belongs to. */
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { insertTenant } from '../../server/store/tenants.ts'
import { insertPool, insertRoute } from '../../server/store/egress.ts'
import { aMessage, aSettlement } from '../support/builders.ts'
import { openTestStore } from '../support/store.ts'
import { refusedWith } from '../contract/writer.bench.ts'

const TAKEN = { name: 'taken', settings: '{}' }

test('thousands of callers share few commits', async () => {
  const { accept, store } = await openTestStore()
  const before = { ...store.writer.counts }
  await Promise.all(Array.from({ length: 2_000 }, () => accept(aMessage())))
  expect(store.writer.counts.ops - before.ops).toBe(2_000)
  expect(store.writer.counts.batches - before.batches).toBeLessThan(20)
  expect(store.writer.counts.waiting).toBe(0)
})

describe('a failing operation', () => {
  test('rejects its caller only, and the rest of the batch is kept once, in one commit', async () => {
    const { accept, all, store } = await openTestStore()
    await store.writer.write(insertTenant(store, TAKEN, 0), { unaudited: 'test' })
    const before = store.writer.counts.batches
    const results = await Promise.allSettled(
      Array.from({ length: 300 }, (_, i) =>
        i % 100 === 50
          ? store.writer.write(insertTenant(store, TAKEN, 0), { unaudited: 'test' })
          : accept(aMessage({ subject: `${i}` })),
      ),
    )
    expect(store.writer.counts.batches - before).toBeLessThan(5)
    const rejected = results.flatMap((result) => (result.status === 'rejected' ? [result] : []))
    expect(rejected.map(({ reason }) => (reason as { code: string }).code)).toEqual(
      Array(3).fill('NAME_TAKEN'),
    )
    const subjects = all<{ subject: string }>('select subject from messages order by id')
    expect(subjects.map(({ subject }) => Number(subject))).toEqual(
      Array.from({ length: 300 }, (_, i) => i).filter((i) => i % 100 !== 50),
    )
    expect(all('select id from events')).toHaveLength(297)
  })

  test('keeps nothing of a write whose later statement fails', async () => {
    const { all, store } = await openTestStore()
    const insert = (name: string) => ({
      query: store.build.insertInto('settings').values({ name, value: '' }).compile(),
    })
    const [failed, kept] = await Promise.allSettled([
      store.writer.write([insert('a'), insert('b'), insert('a')], { unaudited: 'test' }),
      store.writer.write([insert('c')], { unaudited: 'test' }),
    ])
    expect([failed.status, kept.status]).toEqual(['rejected', 'fulfilled'])
    expect(all('select name from settings where name in (?, ?, ?)', 'a', 'b', 'c')).toEqual([
      { name: 'c' },
    ])
  })

  test('an unmet expectation undoes the write with the code it names', async () => {
    const { all, store } = await openTestStore()
    const insert = store.build.insertInto('settings').values({ name: 'x', value: '' }).compile()
    const change = store.build.updateTable('settings').set({ value: '1' }).where('name', '=', 'y')
    const expectation = { changes: 1, orElse: 'STATE_CONFLICT' } as const
    await refusedWith(
      'STATE_CONFLICT',
      store.writer.write([{ query: insert }, { query: change.compile(), expect: expectation }], {
        unaudited: 'test',
      }),
    )
    expect(all("select name from settings where name = 'x'")).toEqual([])
  })

  test.each([
    [
      'a name that is taken',
      'NAME_TAKEN',
      'insert into settings (name, value) values (1, 1), (1, 1)',
    ],
    ['a row that others need', 'STATE_CONFLICT', 'delete from pools'],
    [
      'a value the table refuses',
      'INTERNAL',
      'insert into settings (name, value) values (null, 1)',
    ],
    ['a statement that is none', 'INTERNAL', 'selct 1'],
  ] as const)('says what it was: %s', async (_what, code, text) => {
    const { store } = await openTestStore()
    const pool = await insertPool(store, 'main', { now: 0, record: { unaudited: 'test' } })
    const route = { position: 1, name: 'all', match: '{}', pool, nextHop: undefined }
    await insertRoute(store, route, { now: 0, record: { unaudited: 'test' } })
    const query = {
      sql: text,
      parameters: [],
      query: { kind: 'RawNode' },
      queryId: { queryId: '' },
    }
    await refusedWith(code, store.writer.write([{ query: query as never }], { unaudited: 'test' }))
  })
})

describe('closing', () => {
  test('commits what waits, refuses what comes, and may be asked twice', async () => {
    const { accept, dataDir, store } = await openTestStore()
    const waiting = Array.from({ length: 500 }, () => accept(aMessage()))
    const closed = [store.writer.close(), store.writer.close()]
    await refusedWith('SHUTTING_DOWN', accept(aMessage()))
    expect(await Promise.all(waiting)).toHaveLength(500)
    await Promise.all(closed)
    await refusedWith('SHUTTING_DOWN', accept(aMessage()))
    const again = await openTestStore({ dataDir })
    expect(again.all('select id from messages')).toHaveLength(500)
  })

  test('an answer that asks for more does not leave it unanswered', async () => {
    const { accept, lane, lease, store } = await openTestStore()
    const at = await lane()
    await accept(aMessage({ lane: at }))
    const [delivery] = await lease(at)
    const chain = store.writer
      .settle('worker', [aSettlement(delivery!)])
      .then(() => store.writer.release(at, 'worker', ''))
    const closed = store.writer.close()
    await refusedWith('SHUTTING_DOWN', chain)
    await closed
  })

  test('leaves one file, with no log beside it', async () => {
    const { accept, dataDir, store } = await openTestStore()
    await accept(aMessage())
    await store.close()
    expect(readdirSync(dataDir)).toEqual(['posthorn.sqlite'])
  })
})
