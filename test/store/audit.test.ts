/** The audit chain: what is written hangs together, and whoever touches the database without the key leaves a trace. */
import Database from 'better-sqlite3'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import type { AuditDraft } from '../../server/core/audit.ts'
import { asId } from '../../server/core/ids.ts'
import { makeAudit } from '../../server/services/audit.ts'
import { auditHash, sealHead } from '../../server/store/audit-chain.ts'
import type { AuditRow } from '../../server/store/audit-chain.ts'
import { verifyAudit } from '../../server/store/audit.ts'
import type { Store } from '../../server/store/open.ts'
import { manualClock } from '../support/clock.ts'
import { openTestStore } from '../support/store.ts'

/** As openTestStore has it. */
const KEY = Buffer.alloc(32, 5)
const DAY_MS = 86_400_000
const NOON = Date.UTC(2026, 4, 1, 12)

const draft = (name: string, more: Partial<AuditDraft> = {}): AuditDraft => ({
  actor: SYSTEM_ACTOR,
  tenant: undefined,
  action: 'thing.changed',
  target: { kind: 'thing', id: 'one', name },
  ...more,
})

/** Three days, two records each. */
async function writtenLog(): Promise<Store> {
  const clock = manualClock(NOON)
  const { store } = await openTestStore({ clock })
  for (let day = 0; day < 3; day++) {
    await store.writer.write(
      [],
      draft(`morning ${day}`, { before: { n: day }, after: { n: day + 1 } }),
    )
    await store.writer.write([], draft(`evening ${day}`))
    await clock.advance(DAY_MS)
  }
  return store
}

/** What somebody with the file and without the program does; the triggers fall first. */
function tamper(store: Store, ...statements: string[]): void {
  const db = new Database(store.file)
  db.exec('drop trigger audit_no_update; drop trigger audit_no_delete')
  for (const statement of statements) db.exec(statement)
  db.close()
}

const kindsOf = async (store: Store): Promise<string[]> => {
  const { faults } = await verifyAudit(store, KEY)
  return [...new Set(faults.map(({ kind, id }) => `${kind} ${id}`))]
}

test('what was written is whole: days, numbers, and the last head in each first record of a day', async () => {
  const store = await writtenLog()
  const report = await verifyAudit(store, KEY)
  expect(report).toMatchObject({
    records: 6,
    days: 3,
    first: '2026-05-01',
    last: '2026-05-03',
    faults: [],
  })
  const rows = store.reader.prepare<[], AuditRow>('select * from audit order by id').all()
  expect(rows.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6])
  // The first record of a day names the head of the day before.
  expect([rows[2]?.previous, rows[4]?.previous]).toEqual([rows[1]?.hash, rows[3]?.hash])
  expect(report.head).toBe(rows[5]?.hash)
})

describe('what somebody does to the rows shows', () => {
  test.each([
    ['edited: who', "update audit set actor_name = 'nobody' where id = 3", ['edited 3']],
    ['edited: what', 'update audit set after = \'{"n":9}\' where id = 1', ['edited 1']],
    ['edited: when', 'update audit set at = at + 1 where id = 6', ['edited 6']],
    ['edited: the link alone', "update audit set previous = 'x' where id = 4", ['inserted 4']],
    ['edited: the last hash', "update audit set hash = 'x' where id = 6", ['edited 6']],
    ['deleted: in the middle', 'delete from audit where id = 3', ['missing 4']],
    ['deleted: the first', 'delete from audit where id = 1', ['missing 2']],
    ['deleted: the last', 'delete from audit where id = 6', ['cut-off 6']],
    ['deleted: a whole day at the end', 'delete from audit where id > 4', ['cut-off 6']],
    ['deleted: all', 'delete from audit', ['cut-off 6']],
    [
      'deleted and closed up',
      'delete from audit where id = 3; update audit set id = id - 1 where id > 3',
      ['inserted 3', 'edited 4', 'edited 5', 'cut-off 6'],
    ],
    [
      'two exchanged',
      'update audit set id = 99 where id = 2; update audit set id = 2 where id = 3; update audit set id = 3 where id = 99',
      ['inserted 2', 'inserted 3', 'edited 4'],
    ],
    [
      'inserted at the end, as a copy',
      `insert into audit select 7, day, at, tenant_id, actor_kind, actor_id, actor_name, means, ip, country,
         request_id, action, target_kind, target_id, target_name, before, after, hash, hash from audit where id = 6`,
      ['edited 7', 'inserted 7'],
    ],
    ['the head taken away', "delete from settings where name = 'audit.head'", ['head 6']],
    [
      'the head written anew',
      "update settings set value = '5.' || (select hash from audit where id = 5) || '.forged' where name = 'audit.head'",
      ['head 6'],
    ],
  ])('%s', async (_what, statement, faults) => {
    const store = await writtenLog()
    tamper(store, statement)
    expect((await kindsOf(store)).sort()).toEqual([...faults].sort())
  })

  test('a record made with another key is not ours, nor is a head', async () => {
    const store = await writtenLog()
    const last = store.reader
      .prepare<[], AuditRow>('select * from audit order by id desc limit 1')
      .get()
    if (last === undefined) throw new Error('There is no record.')
    const wrongKey = Buffer.alloc(32, 6)
    const forged = { ...last, id: 7, previous: last.hash, actor_name: 'forger' }
    const hash = auditHash(forged, wrongKey)
    const head = sealHead({ id: 7, hash }, wrongKey)
    tamper(
      store,
      `insert into audit select 7, day, at, tenant_id, actor_kind, actor_id, 'forger', means, ip, country,
         request_id, action, target_kind, target_id, target_name, before, after, hash, '${hash}' from audit where id = 6`,
      `update settings set value = '${head}' where name = 'audit.head'`,
    )
    expect((await kindsOf(store)).sort()).toEqual(['edited 7', 'head 7'])
    // With the key it was made with everything before it is wrong instead.
    expect((await verifyAudit(store, wrongKey)).faults.length).toBeGreaterThan(5)
  })
})

test('the database itself refuses to change or remove a record', async () => {
  const store = await writtenLog()
  const db = new Database(store.file)
  onTestFinished(() => void db.close())
  expect(() => db.exec("update audit set actor_name = 'x'")).toThrow('append-only')
  expect(() => db.exec('delete from audit')).toThrow('append-only')
})

test('a change and its record are one: neither is there without the other', async () => {
  const store = await writtenLog()
  const now = 5
  const insert = (name: string) => ({
    query: store.build
      .insertInto('pools')
      .values({ id: null as never, name, created_at: now })
      .returning('id')
      .compile(),
  })
  const made = draft('p', {
    action: 'pool.added',
    target: { kind: 'pool', id: undefined, name: 'p' },
  })
  await store.writer.write([insert('p')], made)
  await expect(store.writer.write([insert('p')], made)).rejects.toMatchObject({
    code: 'NAME_TAKEN',
  })
  const audit = makeAudit({ store, key: KEY })
  const records = await audit.list(
    { tenant: undefined, action: 'pool.*' },
    { before: undefined, limit: 10 },
  )
  // The row's own key is in the record, though nobody knew it before.
  expect(records.map(({ target }) => target)).toEqual([
    { kind: 'pool', id: 'pol_00000000001', name: 'p' },
  ])
  expect((await verifyAudit(store, KEY)).faults).toEqual([])
})

test('two programs on one database write one chain', async () => {
  const first = await openTestStore({})
  const second = await openTestStore({ dataDir: first.dataDir })
  const stores = [first.store, second.store]
  await Promise.all(
    Array.from({ length: 40 }, (_, i) => stores[i % 2]!.writer.write([], draft(`n ${i}`))),
  )
  const report = await verifyAudit(first.store, KEY)
  expect(report).toMatchObject({ records: 40, faults: [] })
})

test('a clock that is set back dates no record before the one ahead of it', async () => {
  let now = NOON
  const { store } = await openTestStore({ clock: { ...manualClock(NOON), now: () => now } })
  await store.writer.write([], draft('before'))
  now -= 3 * DAY_MS
  await store.writer.write([], draft('after'))
  expect((await verifyAudit(store, KEY)).faults).toEqual([])
})

test('the export has every record of the tenant, and says that it was made', async () => {
  const store = await writtenLog()
  const tenant = asId('tenant', 1)
  await store.writer.write([], draft('of the tenant', { tenant }))
  const audit = makeAudit({ store, key: KEY })
  let text = ''
  for await (const lines of audit.export(SYSTEM_ACTOR, tenant)) text += lines
  const records = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { action: string; hash: string; previous: string })
  expect(records.map(({ action }) => action)).toEqual(['thing.changed', 'audit.exported'])
  expect(records[1]?.previous).toBe(records[0]?.hash)
})
