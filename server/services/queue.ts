/** The queue in an operator's hands: look, suspend, resume, retry. Works beside a running server, which notices within a second. */
import type { Actor, AuditValue, ChangeRecord } from '../core/audit.ts'
import { encodeId } from '../core/ids.ts'
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
  suspend(actor: Actor, lane: LaneId, until: number, because: string): Promise<void>
  resume(actor: Actor, lane: LaneId): Promise<void>
  /** How many a retry with this filter would touch. */
  count(filter: WaitingFilter): Promise<number>
  /** Makes them due now; resolves with how many. */
  retry(actor: Actor, filter: WaitingFilter, limit: number): Promise<number>
  /** Makes servers derive every wake-up from the database again; resolves with what there is to wake. */
  rebuild(actor: Actor): Promise<{ lanes: number; domains: number }>
}

export function makeQueue({ store, clock }: { store: Store; clock: Clock }): Queue {
  /** A server beside us reads its wake-ups anew when the catalogue's version moves. */
  const tellServers = (record: ChangeRecord) => store.writer.write([bumpCatalog(store)], record)

  async function changeLane(
    actor: Actor,
    lane: LaneId,
    suspension: { until: number; because: string | undefined },
  ): Promise<void> {
    const id = encodeId('lane', lane)
    await suspendLane(store, lane, suspension, {
      actor,
      tenant: undefined,
      action: suspension.until === 0 ? 'lane.resumed' : 'lane.suspended',
      target: { kind: 'lane', id, name: id },
      after: { until: suspension.until, because: suspension.because ?? null },
    })
    await tellServers({ unaudited: 'the change is recorded with the lane' })
  }
  const queueChange = (actor: Actor, action: string, after: AuditValue): ChangeRecord => ({
    actor,
    tenant: undefined,
    action,
    target: { kind: 'queue', id: 'queue', name: 'queue' },
    after,
  })
  return {
    lanes: () => queueByLane(store.across.read, clock.now()),
    totals: () => queueTotals(store.across.read),
    suspend: (actor, lane, until, because) => changeLane(actor, lane, { until, because }),
    resume: (actor, lane) => changeLane(actor, lane, { until: 0, because: undefined }),
    count: (filter) => countMatching(store.across.read, filter),
    async retry(actor, filter, limit) {
      let done = 0
      let after = 0
      while (done < limit) {
        const ids = await idsMatching(store.across.read, filter, {
          after,
          limit: Math.min(RETRY_BATCH, limit - done),
        })
        if (ids.length === 0) break
        await store.writer.retryNow(ids, clock.now())
        after = ids.at(-1) ?? after
        done += ids.length
      }
      if (done > 0)
        await tellServers(
          queueChange(actor, 'queue.retried', { ...filterText(filter), count: done }),
        )
      return done
    },
    async rebuild(actor) {
      const [lanes, domains] = await Promise.all([lanesWithWork(store), domainsWithoutLane(store)])
      await tellServers(queueChange(actor, 'queue.rebuilt', { lanes: lanes.length }))
      return { lanes: lanes.length, domains: domains.length }
    },
  }
}

const filterText = ({ lane, domain, state }: WaitingFilter): Record<string, string> => ({
  ...(lane === undefined ? {} : { lane: encodeId('lane', lane) }),
  ...(domain === undefined ? {} : { domain }),
  ...(state === undefined ? {} : { state }),
})
