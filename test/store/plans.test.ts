/**
 * The SQL of the store beside the plans that SQLite makes of it, as snapshots, so that a review sees both change; and
 * the ban on reading a large table from end to end.
 */
import { describe, expect, test } from 'vitest'
import { asId } from '../../server/core/ids.ts'
import { writeUses } from '../../server/store/access-uses.ts'
import { loadCatalog } from '../../server/store/catalog.ts'
import { credentialById, listCredentials } from '../../server/store/credentials.ts'
import { makeAccept } from '../../server/store/hot/accept.ts'
import { makeEventLog } from '../../server/store/hot/events.ts'
import { makeLaneOps } from '../../server/store/hot/lane.ts'
import { makeLease } from '../../server/store/hot/lease.ts'
import { makeSettle } from '../../server/store/hot/settle.ts'
import { keyById, listKeys } from '../../server/store/keys.ts'
import { invitationByHash, pendingInvitations } from '../../server/store/invitations.ts'
import { domainsWithoutLane, lanesWithWork, unroutedOf } from '../../server/store/lanes.ts'
import { membershipsOf, membersOf } from '../../server/store/memberships.ts'
import type { Store } from '../../server/store/open.ts'
import { listEvents } from '../../server/store/read/events.ts'
import { getDelivery, getMessage } from '../../server/store/read/message.ts'
import { listMessages } from '../../server/store/read/messages.ts'
import { queueByLane, queueTotals } from '../../server/store/read/queue.ts'
import { quotaSteps, quotaUses } from '../../server/store/quotas.ts'
import { finishedSpools, forgetSpools, retentionSteps } from '../../server/store/retention.ts'
import { rolesOf } from '../../server/store/roles.ts'
import { listTenants } from '../../server/store/tenants.ts'
import { tokenByHash } from '../../server/store/user-tokens.ts'
import { accessMadeBy, findUser, hasSecondFactor, listUsers } from '../../server/store/users.ts'
import { aMessage } from '../support/builders.ts'
import { openTestStore } from '../support/store.ts'
import type { TestStore } from '../support/store.ts'
import { executedBy, preparedBy } from './statements.ts'
import type { Planned } from './statements.ts'

/** Tables of hundreds of rows, lists in parameters, and rows that a narrower step of the same plan has made. */
const SMALL = [
  'quotas',
  ...['lanes', 'l', 'settings', 'tenants', 'users', 'domains', 'dkim_keys', 'credentials', 'keys'],
  ...['sources', 's', 'pools', 'pool_sources', 'routes', 'limits'],
  ...['json_each', 'wanted', 'e', 'q', '(subquery-1)', '(subquery-2)', 'CONSTANT'],
]

const scansOf = ({ plan }: Planned): string[] =>
  plan
    .map((line) => line.trim())
    .filter((line) => line.startsWith('SCAN ') && !line.includes(' INDEX '))
    .filter((line) => !SMALL.includes(line.split(' ')[1]!))

const snapshotOf = (statements: readonly Planned[]): string =>
  statements
    .map(({ sql, plan }) => `${sql}\n${plan.map((line) => `--   ${line}\n`).join('')}`)
    .join('\n')

async function check(name: string, statements: readonly Planned[]): Promise<void> {
  expect(statements.length).toBeGreaterThan(0)
  expect(
    statements.flatMap((statement) => scansOf(statement).map((scan) => [scan, statement.sql])),
  ).toEqual([])
  await expect(snapshotOf(statements)).toMatchFileSnapshot(`sql/${name}.sql`)
}

describe('no statement reads a large table from end to end', () => {
  test('hot path', async () => {
    const { store } = await openTestStore()
    const statements = preparedBy(store.file, (db) => {
      const events = makeEventLog(db)
      makeAccept(db, events)
      const lanes = makeLaneOps(db, events)
      makeLease(db, lanes)
      makeSettle(db, events)
    })
    await check('hot', statements)
  })

  const tenant = asId('tenant', 1)
  const page = { before: undefined, limit: 50 }
  const READS: Record<string, (store: Store, opened: TestStore) => Promise<unknown>> = {
    'list-messages': async ({ across: { read } }) => {
      await listMessages(read, tenant, {}, page)
      await listMessages(read, tenant, { to: 'a@ok.test', tag: 'x', state: 'queued' }, page)
      await listMessages(read, tenant, { tag: 'x', from: 'shop@a.test' }, page)
      await listMessages(read, tenant, { state: 'bounced', since: 0, sandbox: false }, page)
      await listMessages(read, tenant, { state: 'delivered' }, { before: 10, limit: 50 })
    },
    'list-events': ({ across: { read } }) =>
      listEvents(read, tenant, { after: undefined, since: 5, limit: 50 }),
    message: async ({ across: { read } }, { accept }) => {
      const { id, deliveries } = await accept(aMessage())
      await getMessage(read, tenant, id, { after: 0, limit: 100 })
      await getDelivery(read, tenant, deliveries[0]!)
      await getDelivery(read, undefined, deliveries[0]!)
    },
    queue: async (store) => {
      await queueByLane(store.across.read, 0)
      await queueTotals(store.across.read)
      await lanesWithWork(store)
      await domainsWithoutLane(store)
      await unroutedOf(store, 'ok.test', { after: 0, limit: 500 })
    },
    catalog: ({ across: { read } }) => loadCatalog(read),
    quotas: (store) => quotaUses(store, tenant, 0),
    access: async (store) => {
      await listKeys(store, tenant, page)
      await listKeys(store, tenant, { before: 10, limit: 50 })
      await keyById(store, tenant, asId('key', 1))
      await listCredentials(store, tenant, { before: 10, limit: 50 })
      await credentialById(store, tenant, asId('credential', 1))
      const use = { tenant, kind: 'key', id: 1, at: 0, ip: '::1', country: 'DE' } as const
      await writeUses(store, [use], [{ ...use, isLater: true }])
    },
    people: async (store) => {
      await findUser(store, { email: 'a@x.test' })
      await listUsers(store, { after: 10, limit: 50 })
      await hasSecondFactor(store, asId('user', 1))
      await membershipsOf(store, asId('user', 1))
      await membersOf(store, tenant)
      await tokenByHash(store, 'h', 0)
      await invitationByHash(store, 'h', 0)
      await pendingInvitations(store, tenant, 0)
      await rolesOf(store, tenant)
      await listTenants(store)
      await accessMadeBy(store, 'a@x.test')
    },
    retention: async (store, { accept }) => {
      await accept(aMessage({ tags: ['x'], sandbox: true }))
      const all = Number.MAX_SAFE_INTEGER / 4096
      const cutoffs = {
        bodies: all,
        deliveries: all,
        events: all,
        idempotency: all,
        visits: all,
      }
      for (const step of retentionSteps(store, cutoffs)) await step()
      for (const step of quotaSteps(store, 0)) await step()
      await finishedSpools(store, all)
      await forgetSpools(store, [1])
    },
  }

  test.each(Object.keys(READS))('%s', async (name) => {
    const opened = await openTestStore()
    await check(name, await executedBy(opened.store, (store) => READS[name]!(store, opened)))
  })
})
