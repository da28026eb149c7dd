/**
 * Forgets what is over: bodies of finished messages, old deliveries with their attempts, events, idempotency keys. In
 * small steps with pauses, in the background, for as long as the program runs.
 */
import type { Clock, Log, Timer } from '../core/ports.ts'
import type { Bodies } from '../store/body.ts'
import type { Store } from '../store/open.ts'
import { quotaSteps } from '../store/quotas.ts'
import { finishedSpools, forgetSpools, retentionSteps } from '../store/retention.ts'
import type { RetentionStep } from '../store/retention.ts'

/** What strange sign-ins are told by looks back no further. */
const VISITS_MS = 90 * 86_400_000

export interface RetentionSettings {
  readonly bodiesMs: number
  readonly deliveriesMs: number
  readonly eventsMs: number
  readonly idempotencyMs: number
}

export interface Retention {
  /** One full round; resolves with how many rows went. */
  runOnce(): Promise<number>
  start(): void
  stop(): Promise<void>
}

const EVERY_MS = 10 * 60_000
const PAUSE_MS = 20
/** A spool file without a row is that old before it counts as left behind by a crash. */
const ORPHAN_AGE_MS = 3_600_000

export function makeRetention(deps: {
  store: Store
  bodies: Bodies
  clock: Clock
  log: Log
  settings: RetentionSettings
}): Retention {
  const { store, clock, settings } = deps
  /** A round of millions ends at its next step. */
  let stopping = false
  let timer: Timer | undefined
  let round: Promise<unknown> = Promise.resolve()

  /** Rows go first: a file without its row is swept, a row without its file would be a body that cannot be had. */
  async function forgetSpooled(before: number): Promise<number> {
    let total = 0
    while (!stopping) {
      const rows = await finishedSpools(store, before)
      if (rows.length === 0) break
      await forgetSpools(
        store,
        rows.map((row) => row.id),
      )
      for (const row of rows) await deps.bodies.unspool(row.spool)
      total += rows.length
      await clock.sleep(PAUSE_MS)
    }
    return total
  }

  async function repeat(step: RetentionStep): Promise<number> {
    let total = 0
    while (!stopping) {
      const removed = await step()
      if (removed === 0) break
      total += removed
      await clock.sleep(PAUSE_MS)
    }
    return total
  }

  async function runOnce(): Promise<number> {
    const now = clock.now()
    const cutoffs = {
      bodies: now - settings.bodiesMs,
      deliveries: now - settings.deliveriesMs,
      events: now - settings.eventsMs,
      idempotency: now - settings.idempotencyMs,
      visits: now - VISITS_MS,
    }
    let total = await forgetSpooled(cutoffs.bodies)
    for (const step of [...retentionSteps(store, cutoffs), ...quotaSteps(store, now)])
      total += await repeat(step)
    deps.bodies.forgetBefore(cutoffs.bodies)
    const orphans = await deps.bodies.sweep(now - ORPHAN_AGE_MS)
    if (total + orphans.length > 0)
      deps.log.info({ rows: total, files: orphans.length }, 'retention removed what is over')
    return total
  }

  function again(): void {
    if (stopping) return
    timer = clock.after(EVERY_MS, () => {
      round = runOnce().then(again, (error: unknown) => {
        deps.log.error({ err: error }, 'retention failed')
        again()
      })
    })
  }

  return {
    runOnce,
    start() {
      stopping = false
      again()
    },
    async stop() {
      stopping = true
      timer?.cancel()
      await round
    },
  }
}
