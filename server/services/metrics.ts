/** What the product counts, for Prometheus. Label sets are closed: no addresses, no recipient domains. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { DeliveryState } from '../core/delivery.ts'
import type { BackupCounts } from './backup/contract.ts'
import type { QuotaCounts } from './quota-watch.ts'
import type { SecurityKind } from '../core/security.ts'
import type { LeasedDelivery, Settlement } from '../core/work.ts'

export type SubmissionCounts = Readonly<
  Record<
    'connections' | 'connectionsRefused' | 'authFailures' | 'messages' | 'refused' | 'cut',
    number
  >
>

const SUBMISSION_GAUGES = [
  ['connections', 'connections', 'Submission connections since start.'],
  ['connections_refused', 'connectionsRefused', 'Connections turned away at the door since start.'],
  ['auth_failures', 'authFailures', 'Failed SMTP logins since start.'],
  ['messages', 'messages', 'Messages accepted over SMTP since start.'],
  ['refused', 'refused', 'SMTP transactions refused since start.'],
  ['cut', 'cut', 'SMTP sessions ended for being slow, too large or in error since start.'],
] as const

const QUOTA_COUNTERS = [
  ['nearly_used', 'nearlyUsed', 'Windows that reached 80 % of their quota.'],
  ['used_up', 'usedUp', 'Windows of quotas that were used up.'],
  ['delayed', 'delayed', 'Recipients whose mail was accepted and has to wait for a quota.'],
  ['refused', 'refused', 'Requests that were not taken for want of room in a quota.'],
] as const

const BACKUP_GAUGES = [
  ['made', 'made', 'Backups made since start.'],
  ['failed', 'failed', 'Backups that could not be made since start.'],
  ['damaged', 'damaged', 'Backups that did not prove themselves since start.'],
  ['last_bytes', 'lastBytes', 'Size of the last backup.'],
] as const

export type SignInOutcome = 'ok' | 'wrong' | 'challenged' | 'locked'

export interface Gauges {
  /** Operations waiting for the writer, batches committed, operations committed. */
  writer(): { waiting: number; batches: number; ops: number }
  lanesAtWork(): number
  smtpSessions(): number
  freeDiskBytes(): number
  /** Counted since start. */
  submission(): SubmissionCounts
  quotas(): QuotaCounts
  backups(): BackupCounts
}

export interface Metrics {
  readonly inDoubt: Counter
  /** An attempt that ended, with its verdict. */
  attempt(settlement: Settlement, delivery: LeasedDelivery): void
  /** A try to sign in: ok, wrong, challenged (the second factor is asked for), locked. */
  signIn(outcome: SignInOutcome): void
  securityEvent(kind: SecurityKind): void
  /** An answered request; `route` is the pattern, so that the label set stays closed. */
  request(facts: { method: string; route: string; status: number; ms: number }): void
  /** Prometheus text format. */
  text(): Promise<string>
  /** Wires values that are read when somebody asks. */
  observe(gauges: Gauges): void
}

export function makeMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry, prefix: 'posthorn_' })
  const attempts = new Counter({
    name: 'posthorn_attempts_total',
    help: 'Delivery attempts by the state they led to, stream and verdict category.',
    labelNames: ['state', 'stream', 'category'],
    registers,
  })
  const unclassified = new Counter({
    name: 'posthorn_unclassified_replies_total',
    help: 'Refusals that no rule knew; they were taken as temporary or by their basic code.',
    registers,
  })
  const requests = new Histogram({
    name: 'posthorn_http_request_seconds',
    help: 'HTTP requests by method, route pattern and status.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers,
  })
  const signIns = new Counter({
    name: 'posthorn_sign_ins_total',
    help: 'Tries of people to sign in, by what came of them.',
    labelNames: ['outcome'],
    registers,
  })
  const securityEvents = new Counter({
    name: 'posthorn_security_events_total',
    help: 'Entries of the security log, by kind.',
    labelNames: ['kind'],
    registers,
  })
  const children = new Map<string, { inc(): void }>()
  return {
    inDoubt: new Counter({
      name: 'posthorn_deliveries_in_doubt_total',
      help: 'Deliveries whose worker vanished before the outcome was written; they may arrive twice.',
      registers,
    }),
    attempt({ to, verdict }, { stream }) {
      const category = verdict?.category ?? 'unknown'
      const key = `${to}/${stream}/${category}`
      let child = children.get(key)
      if (child === undefined) {
        const state: DeliveryState = to
        child = attempts.labels({ state, stream, category })
        children.set(key, child)
      }
      child.inc()
      if (verdict?.category === 'unknown') unclassified.inc()
    },
    signIn: (outcome) => signIns.inc({ outcome }),
    securityEvent: (kind) => securityEvents.inc({ kind }),
    request({ method, route, status, ms }) {
      requests.observe({ method, route, status }, ms / 1_000)
    },
    text: () => registry.metrics(),
    observe(gauges) {
      gauge(
        'posthorn_writer_waiting',
        'Operations that wait for the writer thread.',
        () => gauges.writer().waiting,
      )
      gauge('posthorn_writer_batches', 'Group commits since start.', () => gauges.writer().batches)
      gauge(
        'posthorn_writer_operations',
        'Operations committed since start.',
        () => gauges.writer().ops,
      )
      gauge('posthorn_lanes_at_work', 'Lanes that this process owns.', () => gauges.lanesAtWork())
      gauge('posthorn_smtp_sessions', 'Open submission sessions.', () => gauges.smtpSessions())
      gauge('posthorn_disk_free_bytes', 'Room left on the data disk.', () => gauges.freeDiskBytes())
      for (const [name, field, help] of SUBMISSION_GAUGES)
        gauge(`posthorn_submission_${name}`, help, () => gauges.submission()[field])
      for (const [name, field, help] of QUOTA_COUNTERS)
        counter(`posthorn_quota_${name}_total`, help, () => gauges.quotas()[field])
      for (const [name, field, help] of BACKUP_GAUGES)
        gauge(`posthorn_backup_${name}`, help, () => gauges.backups()[field])
      gauge(
        'posthorn_backup_last_good_timestamp_seconds',
        'When the last backup that proved itself was made; 0: none since start.',
        () => gauges.backups().lastGoodAt / 1_000,
      )
    },
  }

  /** For what is counted elsewhere. */
  function counter(name: string, help: string, read: () => number): void {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  }

  function gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  }
}
