/** From an outcome to the settlement: verdict, state, reason, event and the next try. Pure but for the random jitter. */
import type { MoveReason } from '../../core/delivery.ts'
import { idTime } from '../../core/ids.ts'
import type { Fault, Outcome, Verdict } from '../../core/outcome.ts'
import type { Random } from '../../core/ports.ts'
import type { LeasedDelivery, Settlement, Stream } from '../../core/work.ts'
import { classify } from '../../policy/classify.ts'
import { nextAttempt } from '../../policy/retry.ts'

export interface JudgeFacts {
  readonly provider: string | undefined
  readonly now: number
  readonly random: Random
  /** Waits between attempts, ms. */
  readonly schedules: Readonly<Record<Stream, readonly number[]>>
  readonly jitter: number
}

export function settlementOf(
  delivery: LeasedDelivery,
  outcome: Outcome,
  facts: JudgeFacts,
): Settlement {
  const verdict = classify(outcome, { provider: facts.provider })
  const base = {
    delivery: delivery.id,
    message: delivery.message,
    tenant: delivery.tenant,
    attempt: delivery.attempt,
    outcome,
    verdict,
    unroute: false,
  }
  switch (verdict.action) {
    case 'complete':
      return {
        ...base,
        to: 'delivered',
        reason: 'remote-accepted',
        nextAt: undefined,
        event: 'delivered',
      }
    case 'fail':
      return {
        ...base,
        to: 'bounced',
        reason: failReason(outcome),
        nextAt: undefined,
        event: 'bounced',
      }
    case 'retry':
    case 'next-host':
      return { ...base, ...retryOf(delivery, outcome, verdict, facts) }
  }
}

function retryOf(
  delivery: LeasedDelivery,
  outcome: Outcome,
  verdict: Verdict,
  facts: JudgeFacts,
): Pick<Settlement, 'to' | 'reason' | 'nextAt' | 'event'> {
  const next = nextAttempt(
    {
      queuedAt: idTime(delivery.id),
      schedule: facts.schedules[delivery.stream],
      jitter: facts.jitter,
      attempts: delivery.attempt,
      verdict,
      expiresAt: delivery.expiresAt,
    },
    facts.now,
    facts.random,
  )
  if (next.kind === 'expire')
    return { to: 'expired', reason: 'max-age', nextAt: undefined, event: 'expired' }
  return { to: 'deferred', reason: deferReason(outcome), nextAt: next.at, event: 'deferred' }
}

/** Ended without a try: its time was over before a worker came to it. */
export const expiredUntried = (delivery: LeasedDelivery): Settlement => ({
  ...untried(delivery),
  to: 'expired',
  reason: 'max-age',
  nextAt: undefined,
  event: 'expired',
})

/** Given back as it was: not an attempt, no event. */
export const putBack = (
  delivery: LeasedDelivery,
  reason: Extract<MoveReason, 'lane-released' | 'host-unreachable' | 'rerouted' | 'internal-error'>,
  nextAt: number,
): Settlement => ({
  ...untried(delivery),
  to: delivery.attempt > 1 ? 'deferred' : 'queued',
  reason,
  nextAt,
  event: undefined,
  unroute: reason === 'rerouted',
})

const untried = (delivery: LeasedDelivery) => ({
  delivery: delivery.id,
  message: delivery.message,
  tenant: delivery.tenant,
  attempt: delivery.attempt,
  outcome: undefined,
  verdict: undefined,
  unroute: false,
})

const FAULT_REASONS: Readonly<Record<Fault, MoveReason>> = {
  'dns-temporary': 'dns-temporary',
  'dns-permanent': 'dns-permanent',
  'private-target': 'private-target',
  'mx-loop': 'dns-permanent',
  'connect-refused': 'host-unreachable',
  'connect-timeout': 'host-unreachable',
  unreachable: 'host-unreachable',
  'source-unbound': 'host-unreachable',
  'tls-handshake': 'host-unreachable',
  'tls-required': 'tls-required',
  timeout: 'connection-lost',
  'connection-lost': 'connection-lost',
  protocol: 'connection-lost',
  'needs-smtputf8': 'needs-smtputf8',
  'too-big': 'content-too-big',
}

const failReason = ({ fault }: Outcome): MoveReason =>
  fault === undefined ? 'remote-refused' : FAULT_REASONS[fault]
const deferReason = ({ fault }: Outcome): MoveReason =>
  fault === undefined ? 'remote-deferred' : FAULT_REASONS[fault]
