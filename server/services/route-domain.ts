/**
 * The router's job: gives the deliveries of one recipient domain their lanes. A domain that cannot be resolved now is
 * an attempt that failed at stage `dns`, with the retry schedule of any other.
 */
import type { LaneId } from '../core/ids.ts'
import { asId } from '../core/ids.ts'
import type { Clock, Log, Random } from '../core/ports.ts'
import type { Assignment, LeasedDelivery, Settlement } from '../core/work.ts'
import type { MxFailure } from '../delivery/mx.ts'
import { unroutedOf } from '../store/lanes.ts'
import type { UnroutedRow } from '../store/lanes.ts'
import type { Store } from '../store/open.ts'
import { dnsOutcome } from './lane/hosts.ts'
import { settlementOf } from './lane/judge.ts'
import type { LaneSettings } from './lane/run.ts'
import type { Metrics } from './metrics.ts'
import type { Routing } from './routing.ts'

export interface RouteDomainDeps {
  readonly store: Store
  readonly routing: Routing
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
  readonly settings: Pick<LaneSettings, 'schedules' | 'jitter'>
  readonly wakeLane: (lane: LaneId) => void
}

const BATCH = 500
/** A route that is missing is an operator's matter; looking again costs little. */
const NO_ROUTE_MS = 60_000

/** Resolves with when to look again (epoch ms), or undefined when nothing of the domain waits without a lane. */
export async function routeDomain(
  domain: string,
  deps: RouteDomainDeps,
): Promise<number | undefined> {
  const { store, clock } = deps
  let after = 0
  let again: number | undefined
  const sooner = (at: number): void => {
    again = again === undefined ? at : Math.min(again, at)
  }
  for (;;) {
    const rows = await unroutedOf(store, domain, { after, limit: BATCH })
    if (rows.length === 0) return again
    after = rows.at(-1)!.id
    const assignments: Assignment[] = []
    const settlements: Settlement[] = []
    for (const row of rows) {
      if (row.next_at > clock.now() && row.attempts > 0) {
        sooner(row.next_at)
        continue
      }
      const routed = await deps.routing.find(factsOf(row))
      // Scheduled mail, or mail that waits for its quota: an attempt now would bring it out of its time.
      if (routed.kind !== 'lane' && row.next_at > clock.now()) {
        sooner(row.next_at)
        continue
      }
      switch (routed.kind) {
        case 'lane':
          assignments.push({ delivery: asId('delivery', row.id), lane: routed.lane })
          break
        case 'failed': {
          const settlement = failedAttempt(row, routed.failure, deps)
          settlements.push(settlement)
          if (settlement.nextAt !== undefined) sooner(settlement.nextAt)
          break
        }
        case 'no-route':
          deps.log.warn({ detail: routed.detail }, 'delivery without a route')
          settlements.push(noRoute(row, clock.now()))
          sooner(clock.now() + NO_ROUTE_MS)
      }
    }
    await store.writer.assign(assignments)
    if (settlements.length > 0) await store.writer.settle(undefined, settlements)
    for (const lane of new Set(assignments.map((one) => one.lane))) deps.wakeLane(lane)
  }
}

const factsOf = (row: UnroutedRow): Parameters<Routing['find']>[0] => ({
  tenant: asId('tenant', row.tenant_id),
  stream: row.stream,
  tags: row.tags,
  senderDomain: row.header_from.slice(row.header_from.lastIndexOf('@') + 1),
  recipient: row.recipient,
  recipientDomain: row.domain,
})

function failedAttempt(row: UnroutedRow, failure: MxFailure, deps: RouteDomainDeps): Settlement {
  const now = deps.clock.now()
  const delivery: LeasedDelivery = {
    id: asId('delivery', row.id),
    message: asId('message', row.message_id),
    tenant: asId('tenant', row.tenant_id),
    stream: row.stream,
    recipient: row.recipient,
    domain: row.domain,
    mailFrom: '',
    headerFrom: row.header_from,
    messageIdHeader: '',
    size: 0,
    spool: undefined,
    smtpUtf8: false,
    copies: 1,
    attempt: row.attempts + 1,
    expiresAt: row.expires_at,
  }
  const settlement = settlementOf(delivery, dnsOutcome(failure, now), {
    provider: undefined,
    now,
    random: deps.random,
    schedules: deps.settings.schedules,
    jitter: deps.settings.jitter,
  })
  deps.metrics.attempt(settlement, delivery)
  return settlement
}

/** Waits for an operator, as long as it may live. */
function noRoute(row: UnroutedRow, now: number): Settlement {
  const isOver = row.expires_at <= now
  return {
    delivery: asId('delivery', row.id),
    message: asId('message', row.message_id),
    tenant: asId('tenant', row.tenant_id),
    attempt: row.attempts + 1,
    to: isOver ? 'expired' : row.attempts > 0 ? 'deferred' : 'queued',
    reason: isOver ? 'max-age' : 'no-route',
    nextAt: isOver ? undefined : now + NO_ROUTE_MS,
    outcome: undefined,
    verdict: undefined,
    event: isOver ? 'expired' : undefined,
    unroute: false,
  }
}
