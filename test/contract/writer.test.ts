/** The writer contract against SQLite. */
import { sql } from 'kysely'
import { suspendLane } from '../../server/store/lanes.ts'
import type { AttemptsTable, DeliveriesTable, EventsTable } from '../../server/store/schema.ts'
import type { QuotaUsesTable } from '../../server/store/schema-control.ts'
import { manualClock } from '../support/clock.ts'
import { makeTestStore } from '../support/store.ts'
import { writerContract } from './writer.contract.ts'

writerContract('sqlite', async () => {
  const clock = manualClock()
  const opened = await makeTestStore({ clock })
  const { store, all } = opened
  return {
    writer: store.writer,
    clock,
    lane: (site) => opened.lane(site),
    suspend: (lane, until, because) =>
      suspendLane(store, lane, { until, because }, { unaudited: 'test' }),
    async suppress(tenant, address) {
      const query = store.build
        .insertInto('suppressions')
        .columns(['tenant_id', 'address', 'reason', 'created_at'])
        .values({ tenant_id: tenant, address, reason: 'bounced', created_at: 0 } as never)
        .compile()
      await store.writer.write([{ query }], { unaudited: 'test' })
    },
    body: async (message) =>
      all<{ bytes: Buffer }>('select bytes from bodies where message_id = ?', message)[0]?.bytes,
    delivery: async (id) => all<DeliveriesTable>('select * from deliveries where id = ?', id)[0]!,
    attempts: async (id) =>
      all<AttemptsTable>('select * from attempts where delivery_id = ? order by number', id),
    events: async (id) =>
      all<EventsTable>('select * from events where delivery_id = ? order by id', id),
    quotaUses: async (tenant) =>
      all<QuotaUsesTable>(
        'select * from quota_uses where tenant_id = ? order by scope, scope_id, unit, start',
        tenant,
      ),
    fail: () =>
      store.writer.write(
        [
          {
            query: sql`insert into settings (name, value) values ('x', null)`.compile(store.build),
          },
        ],
        { unaudited: 'test' },
      ),
    close: () => opened.close(),
  }
})
