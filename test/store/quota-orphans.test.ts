/** Quotas end with what they were for: row keys are given out again. */
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { TEST_START } from '../support/clock.ts'
import { openTestStore } from '../support/store.ts'

test('a new domain does not begin with the quota of one that had its key', async () => {
  const { store, all } = await openTestStore()
  await store.writer.write(
    [
      `insert into tenants (id, name, created_at) values (1, 'acme', 0), (2, 'other', 0)`,
      `insert into domains (id, tenant_id, name, created_at) values (1, 1, 'a.test', 0)`,
      `insert into quotas (tenant_id, scope, scope_id, day, over, changed_at) values
         (1, 'domain', 1, 5, 'delay', 0), (1, 'credential', 1, 5, 'delay', 0),
         (2, 'domain', 2, 5, 'delay', 0)`,
      `insert into quota_uses (tenant_id, scope, scope_id, unit, start, used) values
         (1, 'domain', 1, 'day', ${TEST_START}, 3), (1, 'tenant', 1, 'day', ${TEST_START}, 3)`,
      `delete from domains where id = 1`,
    ].map((text) => ({ query: sql.raw(text).compile(store.build) })),
    { unaudited: 'test' },
  )
  expect(all('select tenant_id, scope from quotas order by tenant_id')).toEqual([
    { tenant_id: 1, scope: 'credential' },
    { tenant_id: 2, scope: 'domain' },
  ])
  expect(all('select scope from quota_uses')).toEqual([{ scope: 'tenant' }])
})
