/** The queue in an operator's hands: look, suspend, resume, retry. Works beside a running server, which notices within a second. */
import type { LaneId } from '../core/ids.ts'
import type { Clock } from '../core/ports.ts'
import { bumpCatalog } from '../store/catalog.ts'
import { domainsWithoutLane, lanesWithWork, suspendLane } from '../store/lanes.ts'
import { countMatching, idsMatching, queueByLane, queueTotals } from '../store/read/queue.ts'
import type { LaneQueue, WaitingFilter } from '../store/read/queue.ts'
import type { Store } from '../store/open.ts'

/** One write each, so that mail which is accepted meanwhile never waits long behind a retry of millions. */
const RETRY_BATCH = 1_000

export interface Queue {
  lanes(): Promise<LaneQueue[]>
  totals(): Promise<{ unrouted: number; waiting: number }>
  suspend(lane: LaneId, until: number, because: string): Promise<void>
  resume(lane: LaneId): Promise<void>
  /** How many a retry with this filter would touch. */
  count(filter: WaitingFilter): Promise<number>
  /** Makes them due now; resolves with how many. */
  retry(filter: WaitingFilter, limit: number): Promise<number>
  /** Makes servers derive every wake-up from the database again; resolves with what there is to wake. */
  rebuild(): Promise<{ lanes: number; domains: number }>
}

export function makeQueue({ store, clock }: { store: Store; clock: Clock }): Queue {
  /** A server beside us reads its wake-ups anew when the catalogue's version moves. */
  const tellServers = () => store.writer.write([bumpCatalog(store)])

  async function changeLane(lane: LaneId, until: number, because: string | undefined) {
    await suspendLane(store, lane, { until, because })
    await tellServers()
  }
  return {
    lanes: () => queueByLane(store.read, clock.now()),
    totals: () => queueTotals(store.read),
    suspend: changeLane,
    resume: (lane) => changeLane(lane, 0, undefined),
    count: (filter) => countMatching(store.read, filter),
    async retry(filter, limit) {
      let done = 0
      let after = 0
      while (done < limit) {
        const ids = await idsMatching(store.read, filter, {
          after,
          limit: Math.min(RETRY_BATCH, limit - done),
        })
        if (ids.length === 0) break
        await store.writer.retryNow(ids, clock.now())
        after = ids.at(-1) ?? after
        done += ids.length
      }
      if (done > 0) await tellServers()
      return done
    },
    async rebuild() {
      const [lanes, domains] = await Promise.all([lanesWithWork(store), domainsWithoutLane(store)])
      await tellServers()
      return { lanes: lanes.length, domains: domains.length }
    },
  }
}
