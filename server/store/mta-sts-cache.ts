/** MTA-STS policies of recipient domains, kept so that a restart does not forget what is still in force. */
import type { Schema } from './schema.ts'
import type { Store } from './open.ts'

export type PolicyRow = Schema['mta_sts_policies']

/** Undefined when none is kept; it may have expired. */
export async function loadPolicy(store: Store, domain: string): Promise<PolicyRow | undefined> {
  return store.read
    .selectFrom('mta_sts_policies')
    .selectAll()
    .where('domain', '=', domain)
    .executeTakeFirst()
}

/** Replaces what is kept of the domain, and drops what had expired by the time this one was fetched. */
export async function savePolicy(store: Store, row: PolicyRow): Promise<void> {
  const expired = store.build
    .deleteFrom('mta_sts_policies')
    .where('expires_at', '<=', row.fetched_at)
    .compile()
  const kept = store.build
    .insertInto('mta_sts_policies')
    .values(row)
    .onConflict((conflict) => conflict.column('domain').doUpdateSet(row))
    .compile()
  await store.writer.write([{ query: expired }, { query: kept }], {
    unaudited: 'a remote domain published it',
  })
}
