/**
 * Derives every wake-up from the database again, at start and each minute, so that a crash, a FLUSHALL or a lost job
 * costs seconds. It only wishes: a job that already waits or runs is not disturbed by one wish more.
 */
import type { Clock, Log, Timer } from '../core/ports.ts'
import type { Job, Jobs } from './jobs.ts'

export interface WakeUp {
  readonly job: Job
  /** Epoch ms. */
  readonly at: number
}

export interface ReconcilerOptions {
  readonly jobs: Pick<Jobs, 'wake'>
  readonly clock: Clock
  /** Between two rounds, from the end of one to the start of the next. */
  readonly everyMs: number
  /** All wake-ups that the database asks for. A rejection ends the round and is logged. */
  readonly due: () => AsyncIterable<WakeUp> | Promise<readonly WakeUp[]>
  readonly log: Log
}

export interface Reconciler {
  /** The first round at once, then one each `everyMs`. */
  start(): void
  /** No more rounds; resolves when the one under way has ended. */
  stop(): Promise<void>
  /** One round, joining the one under way if there is one. Resolves with the number of wishes. */
  runOnce(): Promise<number>
}

/** A reconciler that does nothing until it is started. */
export function makeReconciler({ jobs, clock, everyMs, due, log }: ReconcilerOptions): Reconciler {
  let stopped = true
  let timer: Timer | undefined
  let round: Promise<number> | undefined

  async function wakeAll(): Promise<number> {
    const since = clock.now()
    let wished = 0
    try {
      for await (const { job, at } of await due()) {
        jobs.wake(job, at)
        wished++
      }
    } catch (error) {
      log.error({ evt: 'reconcile-failed', error, wished }, 'wake-ups could not be read')
    }
    log.debug({ evt: 'reconciled', wished, ms: clock.now() - since }, 'wake-ups derived')
    return wished
  }

  function runOnce(): Promise<number> {
    round ??= wakeAll().finally(() => {
      round = undefined
    })
    return round
  }

  function next(): void {
    void runOnce().then(() => {
      if (stopped) return
      timer?.cancel()
      timer = clock.after(everyMs, next)
    })
  }

  return {
    start() {
      if (!stopped) return
      stopped = false
      next()
    },
    async stop() {
      stopped = true
      timer?.cancel()
      await round
    },
    runOnce,
  }
}
