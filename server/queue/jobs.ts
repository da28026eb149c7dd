/**
 * The jobs contract. The queue engine only wakes: a job names a row or a lane and carries no mail. Losing every
 * job costs seconds, because the reconciler derives each wake-up from the database again.
 */

/** `lane` a lane with due deliveries · `route` a recipient domain with deliveries that have no lane yet. */
export const JOB_KINDS = ['lane', 'route'] as const
export type JobKind = (typeof JOB_KINDS)[number]

export interface Job {
  readonly kind: JobKind
  /** Lane id or domain; without `:`, which BullMQ refuses in job ids (the engine must encode what it may not carry). */
  readonly key: string
}

export interface JobContext {
  /** Aborts when the engine drains: finish what is in hand, put back the rest, return. */
  readonly signal: AbortSignal
  /** Other jobs wait for a slot: an idle worker should yield instead of lingering. */
  crowded(): boolean
}

/** Returns when to be woken again (epoch ms), or undefined when nothing is left to do. */
export type JobHandler = (job: Job, context: JobContext) => Promise<number | undefined>

export interface Jobs {
  /**
   * Asks for a run at `at` (epoch ms; past means now). Idempotent per job: the earliest wish wins. A wish that
   * arrives while the job runs causes another run afterwards. Never rejects for a lost broker: it logs, counts and
   * leaves the matter to the reconciler.
   */
  wake(job: Job, at: number): void
  /**
   * Starts working. At most one run of one job at a time over all processes of this engine (best effort for the
   * BullMQ engine after a stalled process; the database lease is the fence). A handler that throws is logged and
   * woken again after a back-off of 1 s doubling to 60 s.
   */
  start(handlers: Readonly<Record<JobKind, JobHandler>>, options: { concurrency: number }): void
  /** What waits and what runs, for metrics and health. */
  depth(): Promise<{ waiting: number; delayed: number; active: number }>
  /** Undefined when the engine works; else why it does not. */
  problem(): string | undefined
  /** Stops taking jobs, aborts contexts, waits for handlers up to `graceMs`, closes connections. Idempotent. */
  close(graceMs: number): Promise<void>
}
