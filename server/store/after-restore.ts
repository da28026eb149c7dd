/** Changes to everything at once, right after a restore, when nothing else works on the database. */
import { sql } from 'kysely'
import type { AuditDraft } from '../core/audit.ts'
import { bumpCatalog } from './catalog.ts'
import type { Store } from './open.ts'

/**
 * Suspends every lane, and lets what has no lane yet wait as long. Resolves with how many there were of each. New
 * lanes, for destinations that were never used before, are not held: only mail that comes in later can need one.
 */
export async function holdAllMail(
  store: Store,
  hold: { readonly until: number; readonly because: string },
): Promise<{ readonly lanes: number; readonly unrouted: number }> {
  const lanes = store.across.build
    .updateTable('lanes')
    .set({
      suspended_until: hold.until,
      suspended_because: hold.because,
      owner: null,
      owned_until: 0,
    })
    .compile()
  const unrouted = sql`update deliveries indexed by deliveries_unrouted set next_at = ${hold.until}
    where lane_id is null and state in ('queued', 'deferred')`.compile(store.across.build)
  const [suspended, waiting] = await store.writer.write(
    [{ query: lanes }, { query: unrouted }, bumpCatalog(store)],
    { unaudited: 'part of a restore, which is audited' },
  )
  return { lanes: suspended?.changes ?? 0, unrouted: waiting?.changes ?? 0 }
}

/** Nobody is signed in any more. `record` tells why. */
export async function endAllSessions(store: Store, now: number, record: AuditDraft): Promise<void> {
  const query = store.across.build
    .updateTable('sessions')
    .set({ ended_at: now, ended_because: 'restored' })
    .where('ended_at', 'is', null)
    .compile()
  await store.writer.write([{ query }], record)
}
