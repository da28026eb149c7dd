/** What waits in the queue, as lanes and domains, for the reconciler: a worker knows services, not the store. */
import type { LaneId } from '../core/ids.ts'
import { domainsWithoutLane, lanesWithWork } from '../store/lanes.ts'
import type { Store } from '../store/open.ts'

export type PendingSource = Store

export async function pendingWork(
  store: PendingSource,
): Promise<{ lanes: LaneId[]; domains: { domain: string; at: number }[] }> {
  return { lanes: await lanesWithWork(store), domains: await domainsWithoutLane(store) }
}
