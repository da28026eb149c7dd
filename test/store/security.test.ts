/** Attempts to sign in, and the security log, in a real database. */
import { expect, test } from 'vitest'
import type { Actor } from '../../server/core/audit.ts'
import { asId } from '../../server/core/ids.ts'
import type { TenantId, UserId } from '../../server/core/ids.ts'
import type { NewSecurityEvent } from '../../server/core/security.ts'
import { makeSecurityLog } from '../../server/services/security-log.ts'
import type { SecurityViewer } from '../../server/store/security-events.ts'
import {
  HISTORY_ROWS,
  failuresFromNetwork,
  failuresOfUser,
  forgetSignIns,
  insertSignIn,
  signInHistory,
} from '../../server/store/sign-ins.ts'
import type { NewSignIn } from '../../server/store/sign-ins.ts'
import { TEST_START } from '../support/clock.ts'
import { openTestStore } from '../support/store.ts'
import { executedBy } from './statements.ts'

const MINUTE = 60_000
const ann = asId('user', 1)
const bob = asId('user', 2)

const attempt = (over: Partial<NewSignIn> = {}): NewSignIn => ({
  who: ann,
  at: TEST_START,
  ip: '192.0.2.7',
  network: '192.0.2.0/24',
  place: { country: 'DE' },
  device: 'Firefox on Linux',
  outcome: 'ok',
  ...over,
})

test('a history holds what went well, of one person, newest first', async () => {
  const { store } = await openTestStore()
  await insertSignIn(store, attempt({ at: TEST_START + 1, place: { country: 'FR', city: 'Lyon' } }))
  await insertSignIn(store, attempt({ at: TEST_START + 3, ip: '2001:db8::1' }))
  await insertSignIn(store, attempt({ at: TEST_START + 2, outcome: 'wrong' }))
  await insertSignIn(store, attempt({ at: TEST_START + 4, outcome: 'challenged' }))
  await insertSignIn(store, attempt({ at: TEST_START + 5, who: bob }))
  expect(await signInHistory(store, ann)).toEqual([
    {
      at: TEST_START + 3,
      ip: '2001:db8::1',
      place: { country: 'DE' },
      device: 'Firefox on Linux',
    },
    {
      at: TEST_START + 1,
      ip: '192.0.2.7',
      place: { country: 'FR', city: 'Lyon' },
      device: 'Firefox on Linux',
    },
  ])
})

test('a history is bounded, and failures do not push anything out of it', async () => {
  const { store } = await openTestStore()
  for (let i = 0; i < HISTORY_ROWS + 5; i++) await insertSignIn(store, attempt({ at: i + 1 }))
  await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      insertSignIn(store, attempt({ at: 1000 + i, outcome: 'wrong' })),
    ),
  )
  const history = await signInHistory(store, ann)
  expect(history).toHaveLength(HISTORY_ROWS)
  expect(history.at(0)?.at).toBe(HISTORY_ROWS + 5)
})

test('failures from a network are counted by account, those that do not exist too', async () => {
  const { store, all } = await openTestStore()
  const wrong = (over: Partial<NewSignIn>) =>
    insertSignIn(store, attempt({ outcome: 'wrong', ...over }))
  await wrong({ who: ann })
  await wrong({ who: ann, ip: '192.0.2.200' })
  await wrong({ who: bob })
  await wrong({ who: { unknownAddress: 'Nobody@example.test' } })
  await wrong({ who: { unknownAddress: ' nobody@EXAMPLE.test' } })
  await wrong({ who: { unknownAddress: 'hunter2' } })
  await wrong({ who: { unknownAddress: 'old@example.test' }, at: TEST_START - 1 })
  await wrong({ who: { unknownAddress: 'elsewhere@example.test' }, network: '198.51.100.0/24' })
  await insertSignIn(store, attempt({ who: bob }))
  expect(await failuresFromNetwork(store, '192.0.2.0/24', TEST_START)).toEqual({
    failures: 6,
    accounts: 4,
  })
  expect(await failuresFromNetwork(store, '203.0.113.0/24', TEST_START)).toEqual({
    failures: 0,
    accounts: 0,
  })
  // People type their password where the address belongs; it must not be found in any row.
  expect(JSON.stringify(all('select * from sign_ins'))).not.toMatch(/hunter2|nobody/i)
})

test('failures of a person count from the last success', async () => {
  const { store } = await openTestStore()
  const wrong = (at: number) => insertSignIn(store, attempt({ outcome: 'wrong', at }))
  for (const at of [1, 2, 3, 8, 9]) await wrong(at)
  expect(await failuresOfUser(store, ann, 0)).toBe(5)
  expect(await failuresOfUser(store, ann, 3)).toBe(3)
  await insertSignIn(store, attempt({ at: 5 }))
  expect(await failuresOfUser(store, ann, 0)).toBe(2)
  expect(await failuresOfUser(store, bob, 0)).toBe(0)
})

test('old attempts go in steps, but never the last good one of a person', async () => {
  const { store, all } = await openTestStore()
  for (const at of [1, 2, 3]) await insertSignIn(store, attempt({ at }))
  await insertSignIn(store, attempt({ at: 4, outcome: 'wrong' }))
  await insertSignIn(
    store,
    attempt({ at: 4, who: { unknownAddress: 'x@y.test' }, outcome: 'wrong' }),
  )
  await insertSignIn(store, attempt({ at: 2, who: bob }))
  await insertSignIn(store, attempt({ at: 90, who: bob }))
  expect(await forgetSignIns(store, { before: 50, limit: 3 })).toBe(3)
  expect(await forgetSignIns(store, { before: 50, limit: 100 })).toBe(2)
  expect(await forgetSignIns(store, { before: 50, limit: 100 })).toBe(0)
  expect(all('select user_id, at, outcome from sign_ins order by at')).toEqual([
    { user_id: 1, at: 3, outcome: 'ok' },
    { user_id: 2, at: 90, outcome: 'ok' },
  ])
})

const actor: Actor = {
  kind: 'user',
  id: 9,
  name: 'admin@example.test',
  means: 'session',
  ip: undefined,
  country: undefined,
  requestId: undefined,
}

async function openLog() {
  const opened = await openTestStore()
  const { store, clock, log } = opened
  const now = clock.now()
  const insert = (table: 'tenants' | 'memberships', values: object) => ({
    query: store.build
      .insertInto(table)
      .values(values as never)
      .compile(),
  })
  const tenantRow = (id: number) => ({ id, name: `t${id}`, created_at: now })
  const member = (tenant: number, user: UserId, at = now) =>
    insert('memberships', { tenant_id: tenant, user_id: user, role: 'admin', created_at: at })
  await store.writer.write(
    [
      insert('tenants', tenantRow(101)),
      insert('tenants', tenantRow(102)),
      member(101, ann),
      member(102, bob),
      member(101, bob, now + 10 * MINUTE),
    ],
    { unaudited: 'test' },
  )
  return { ...opened, securityLog: makeSecurityLog({ store, clock, log }) }
}
const one: TenantId = asId('tenant', 101)
const two: TenantId = asId('tenant', 102)

const event = (over: Partial<NewSecurityEvent> = {}): NewSecurityEvent => ({
  kind: 'new-country',
  score: 50,
  decision: 'notify',
  tenant: undefined,
  user: undefined,
  ip: '192.0.2.7',
  country: 'FR',
  data: { before: ['DE'] },
  ...over,
})

test('a tenant sees its own events and those of its people since they joined, and no others', async () => {
  const { securityLog } = await openLog()
  const ofOne = await securityLog.record(event({ tenant: one, kind: 'key-used-from-new-country' }))
  const ofTwo = await securityLog.record(event({ tenant: two, kind: 'key-used-from-new-country' }))
  const ofAnn = await securityLog.record(event({ user: ann }))
  const ofBob = await securityLog.record(event({ user: bob }))
  const ofAll = await securityLog.record(event({ kind: 'audit-chain-broken' }))
  const ids = async (scope: SecurityViewer | { user: UserId }) =>
    (await securityLog.list({ scope, limit: 100 })).items.map(({ id }) => id)
  expect(await ids({ tenant: one })).toEqual([ofAnn, ofOne])
  expect(await ids({ tenant: two })).toEqual([ofBob, ofTwo])
  expect(await ids({ user: bob })).toEqual([ofBob])
  expect(await ids('installation')).toEqual([ofAll, ofBob, ofAnn, ofTwo, ofOne])
})

test('an event comes back as it was recorded, and in the log without its data', async () => {
  const { securityLog, log, clock } = await openLog()
  const id = await securityLog.record(event({ user: ann, data: { reasons: ['a', 'b'] } }))
  const { items } = await securityLog.list({ scope: { user: ann }, limit: 1 })
  expect(items).toEqual([
    {
      ...event({ user: ann, data: { reasons: ['a', 'b'] } }),
      id,
      at: clock.now(),
      handled: undefined,
    },
  ])
  expect(log.of('security')).toMatchObject([{ level: 'warn', fields: { kind: 'new-country' } }])
  expect(log.of('security')[0]?.fields).not.toHaveProperty('data')
})

test('pages follow each other without gaps, and know their end', async () => {
  const { securityLog } = await openLog()
  const made: number[] = []
  for (let i = 0; i < 5; i++)
    made.push(await securityLog.record(event(i % 2 === 0 ? { tenant: one } : { user: ann })))
  const seen: number[] = []
  let cursor: string | undefined
  let pages = 0
  do {
    const page = await securityLog.list({ scope: { tenant: one }, limit: 2, cursor })
    seen.push(...page.items.map(({ id }) => id))
    cursor = page.next
    pages++
  } while (cursor !== undefined)
  expect(seen).toEqual(made.toReversed())
  expect(pages).toBe(3)
  await expect(
    securityLog.list({ scope: 'installation', limit: 2, cursor: 'bWVzc2FnZXM6MQ' }),
  ).rejects.toMatchObject({ code: 'CURSOR_INVALID' }) // of the list of messages
})

test('an event is handled once, by those who see it, and the audit log says by whom', async () => {
  const { securityLog, clock, all } = await openLog()
  const id = await securityLog.record(event({ user: ann }))
  const seenByTwo = { id, viewer: { tenant: two } }
  await expect(securityLog.handle(actor, seenByTwo, 'mine now')).rejects.toMatchObject({
    code: 'NOT_FOUND',
  })
  const seenByOne = { id, viewer: { tenant: one } }
  await securityLog.handle(actor, seenByOne, 'On holiday; she confirmed it.')
  await expect(securityLog.handle(actor, seenByOne, 'again')).rejects.toMatchObject({
    code: 'STATE_CONFLICT',
  })
  const list = { scope: { tenant: one }, limit: 10 }
  const [handled] = (await securityLog.list(list)).items
  expect(handled?.handled).toEqual({
    at: clock.now(),
    by: 'admin@example.test',
    note: 'On holiday; she confirmed it.',
  })
  expect((await securityLog.list({ ...list, unhandled: true })).items).toEqual([])
  expect(all('select action, actor_name, tenant_id from audit')).toEqual([
    { action: 'security-event.handled', actor_name: 'admin@example.test', tenant_id: 101 },
  ])
})

test('the questions asked at every sign-in are answered by an index alone, without sorting', async () => {
  const { store } = await openTestStore()
  const ran = await executedBy(store, async (watched) => {
    await signInHistory(watched, ann)
    await failuresFromNetwork(watched, '192.0.2.0/24', 1)
    await failuresOfUser(watched, ann, 1)
    await forgetSignIns(watched, { before: 1, limit: 500 })
  })
  const plans = ran.map(({ plan }) => plan.join('\n'))
  expect(plans).toHaveLength(4)
  for (const plan of plans) {
    expect(plan).toMatch(/USING (?:COVERING )?INDEX sign_ins_/)
    expect(plan).not.toMatch(/SCAN (?:sign_ins|old)|FOR ORDER BY/)
  }
})
