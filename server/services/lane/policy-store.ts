/** Keeps MTA-STS policies in the database: the shape that delivery asks for, over rows. */
import type { KeptPolicy, PolicyStore } from '../../delivery/mta-sts.ts'
import { loadPolicy, savePolicy } from '../../store/mta-sts-cache.ts'
import type { PolicyRow } from '../../store/mta-sts-cache.ts'
import type { Store } from '../../store/open.ts'
import { stringsOf } from '../../store/read/messages.ts'

export const makePolicyStore = (store: Store): PolicyStore => ({
  async load(domain) {
    const row = await loadPolicy(store, domain)
    return row === undefined ? undefined : fromRow(row)
  },
  save: (domain, { id, policy, fetchedAt, expiresAt }) =>
    savePolicy(store, {
      domain,
      policy_id: id,
      mode: policy.mode,
      mx: JSON.stringify(policy.mx),
      fetched_at: fetchedAt,
      expires_at: expiresAt,
    }),
})

const fromRow = (row: PolicyRow): KeptPolicy => ({
  id: row.policy_id,
  policy: { mode: row.mode, mx: stringsOf(row.mx), maxAgeMs: row.expires_at - row.fetched_at },
  fetchedAt: row.fetched_at,
  expiresAt: row.expires_at,
})
