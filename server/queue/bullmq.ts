/**
 * The jobs engine over Redis or Valkey: BullMQ carries, stalls and re-runs; the wish of each job is kept beside it (see
 * bullmq-scripts.ts), because BullMQ ignores an id that exists. It must never throw for a lost broker, and relies on the
 * database lease, not on its own locks, for "one owner at a time".
 */
import { setMaxListeners } from 'node:events'
import { Job as Carrier, DelayedError, Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { Clock, Log } from '../core/ports.ts'
import { backoffMs } from './backoff.ts'
import { makeOutbox, type OutboxEntry } from './bullmq-outbox.ts'
import { wishScripts, type WishAnswer, type WishScripts } from './bullmq-scripts.ts'
import {
  JOB_KINDS,
  type Job,
  type JobContext,
  type JobHandler,
  type JobKind,
  type Jobs,
} from './jobs.ts'

const QUEUE = 'jobs'
/** A process that is silent this long has lost its jobs; others find them within as much again. */
const LOCK_MS = 10_000
const CROWD_POLL_MS = 200
/** A command without an answer for this long means that the broker is gone, whatever the socket says. */
const COMMAND_TIMEOUT_MS = 5_000
/** For the goodbyes of the connections after the handlers ended. */
const HANG_UP_MS = 2_000

/** Tells BullMQ's worker to leave the carrier alone; one for all, for a stack trace each is not free. */
const MOVED = new DelayedError()

export interface BullmqOptions {
  /** `redis://` or `rediss://`, as ioredis takes it. */
  readonly url: string
  /** In front of every key; processes with the same prefix share jobs. */
  readonly prefix: string
  readonly clock: Clock
  readonly log: Log
  /** Lock of a running job, default 10 s. */
  readonly lockMs?: number
}

export interface BullmqJobs extends Jobs {
  /** Settings of the broker that put jobs at risk; empty when there are none. */
  warnings(): readonly string[]
}

type Handlers = Readonly<Record<JobKind, JobHandler>>
type Bull = Carrier<string, undefined>

// Node's error for "none of the addresses answered" has a code and an empty message.
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message !== '') return error.message
  return 'code' in error ? String(error.code) : error.name
}

/** The engine over the broker at `url`. Returns at once; connecting and reconnecting go on behind. */
export function bullmqJobs({
  url,
  prefix,
  clock,
  log,
  lockMs = LOCK_MS,
}: BullmqOptions): BullmqJobs {
  // Wishes fail fast and stay in the outbox; a run that ended waits for the broker, for it has nowhere else to go.
  const retryStrategy = (times: number): number => Math.min(times * 100, 2_000)
  const eager = new Redis(url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
    retryStrategy,
  })
  const drain = new AbortController()
  // Every running handler may listen to the one signal.
  setMaxListeners(0, drain.signal)
  const context: JobContext = {
    signal: drain.signal,
    crowded: () => active() >= slots && crowd > 0,
  }

  let queue: Queue<string, undefined> | undefined
  let wishes: WishScripts | undefined
  let patient: Redis | undefined
  let worker: Worker<string, undefined> | undefined
  let handlers: Handlers | undefined
  let slots = 0
  let crowd = 0
  let trouble: string | undefined = 'redis: connecting'
  let warnings: readonly string[] = []
  let closed = false
  let closing: Promise<void> | undefined
  let drained: (() => void) | undefined
  /** Running here: BullMQ job id → lock token. */
  const held = new Map<string, string>()
  const active = (): number => held.size
  /** Handlers under way; a job whose handler ended may still wait for the broker to take it back. */
  let busy = 0

  const outbox = makeOutbox({
    clock,
    deliver,
    onFailure: (error) => (eager.status === 'ready' ? report(error) : reportLoss()),
  })

  /** A lost broker repeats itself every second; each new reason is told once. */
  function report(error: unknown): void {
    const reason = `redis: ${messageOf(error)}`
    if (reason === trouble || closed) return
    trouble = reason
    log.warn({ evt: 'jobs-trouble', reason }, 'job broker does not answer')
  }

  /** Only when no better reason is known: the socket's own error came first. */
  function reportLoss(): void {
    if (trouble === undefined) report(new Error('connection lost'))
  }

  eager.on('error', report)
  eager.on('close', reportLoss)
  eager.on('ready', () => {
    if (closed) return
    // Its set-up may have died with the last connection, so each connection gets a new one.
    void queue?.close().catch(report)
    queue = new Queue(QUEUE, {
      connection: eager,
      prefix,
      skipVersionCheck: true,
      streams: { events: { maxLen: 1_000 } },
    })
    queue.on('error', report)
    const { toKey } = queue
    wishes = wishScripts(eager, toKey)
    trouble = undefined
    log.info({ evt: 'jobs-connected' }, 'job broker connected')
    void checkPolicy().catch(report)
    takeJobs()
    outbox.resume()
  })

  /** A broker that evicts keys loses jobs silently; the reconciler would hide it as slowness. */
  async function checkPolicy(): Promise<void> {
    const policy = /^maxmemory_policy:(\S+)/m.exec(await eager.info('memory'))?.[1]
    warnings =
      policy === undefined || policy === 'noeviction'
        ? []
        : [`redis: maxmemory-policy is ${policy}; it must be noeviction, or jobs get lost`]
    for (const warning of warnings) log.warn({ evt: 'jobs-warning', warning }, 'job broker setting')
  }

  async function deliver(batch: readonly OutboxEntry[]): Promise<readonly OutboxEntry[]> {
    if (queue === undefined || wishes === undefined || eager.status !== 'ready') {
      throw new Error('not connected')
    }
    const answers = await wishes.wish('wish', batch)
    const moved = batch.filter((_, i) => answers[i]?.act === 'add' || answers[i]?.act === 'hasten')
    if (moved.length > 0) {
      await carryOut(queue, batch, answers)
      await carryOut(queue, moved, await wishes.wish('align', moved))
    }
    trouble = undefined
    return batch.filter((_, i) => answers[i]?.act === 'ask-again')
  }

  async function carryOut(
    to: Queue<string, undefined>,
    batch: readonly OutboxEntry[],
    answers: readonly WishAnswer[],
  ): Promise<void> {
    const now = clock.now()
    const added: Parameters<typeof to.addBulk>[0] = []
    const hastened: Promise<void>[] = []
    batch.forEach(({ id, job }, i) => {
      const answer = answers[i]!
      if (!('at' in answer)) return
      const delay = Math.max(0, answer.at - now)
      if (answer.act === 'add') {
        const opts = { jobId: id, delay, removeOnComplete: true, removeOnFail: true }
        added.push({ name: job.kind, data: job.key, opts })
      } else {
        const carrier = new Carrier(to, job.kind, job.key, {}, id)
        // "Not delayed any more" is as good: it became due meanwhile.
        hastened.push(
          carrier.changeDelay(delay).catch((error: unknown) => {
            if (eager.status !== 'ready') throw error
          }),
        )
      }
    })
    if (added.length > 0) await to.addBulk(added)
    await Promise.all(hastened)
  }

  function takeJobs(): void {
    if (worker !== undefined || handlers === undefined || closed) return
    const given = handlers
    const connection = new Redis(url, { maxRetriesPerRequest: null, retryStrategy })
    connection.on('error', report)
    patient = connection
    const taker = new Worker<string, undefined>(
      QUEUE,
      async (carrier, token) => work(carrier, token ?? '', runs, given),
      {
        connection,
        prefix,
        concurrency: slots,
        lockDuration: lockMs,
        // BullMQ marks a job in one look and takes it back in the next.
        stalledInterval: lockMs / 2,
        // A lane lives for years; it may lose its process any number of times.
        maxStalledCount: Number.MAX_SAFE_INTEGER,
        // BullMQ drops the renewal of a job that comes back to the same process at once; ours knows what runs.
        skipLockRenewal: true,
        runRetryDelay: 1_000,
      },
    )
    const runs = wishScripts(connection, taker.toKey)
    taker.on('error', report)
    worker = taker
    every(lockMs / 3, () => renewLocks(taker))
    every(CROWD_POLL_MS, measureCrowd)
  }

  /** One carrier in hand. Ends by throwing: the carrier has been moved or removed here already. */
  async function work(
    carrier: Bull,
    token: string,
    runs: WishScripts,
    given: Handlers,
  ): Promise<undefined> {
    const kind = JOB_KINDS.find((known) => known === carrier.name)
    const { id } = carrier
    if (kind === undefined || id === undefined) return
    const job: Job = { kind, key: carrier.data }
    const entry = outbox.enter(job)
    if (entry === undefined) {
      // The lock was lost while the run goes on here: no second run, but one more afterwards.
      outbox.wake(job, clock.now())
      return
    }
    held.set(id, token)
    // What the carrier could not take along, for whatever reason, goes out as a wish.
    let rest = clock.now()
    try {
      const failures = await runs.begin(id)
      // Taken in the moment of closing: back, untried.
      const { next, backoffUntil } = closed
        ? { next: clock.now(), backoffUntil: undefined }
        : await attempt(job, given[kind], failures)
      rest = Math.min(next, outbox.take(entry))
      const due = await runs.finish(id, rest < Infinity ? Math.ceil(rest) : undefined, backoffUntil)
      rest = due ?? Infinity
      if (due === undefined) await carrier.moveToCompleted(undefined, token, false)
      else await carrier.moveToDelayed(due, token)
      rest = Infinity
    } catch (error) {
      if (!closed) log.warn({ evt: 'job-astray', job, error }, 'job lost its carrier')
    } finally {
      held.delete(id)
      outbox.leave(entry, rest)
    }
    throw MOVED
  }

  async function attempt(
    job: Job,
    handler: JobHandler,
    failures: number,
  ): Promise<{ next: number; backoffUntil: number | undefined }> {
    busy++
    try {
      return { next: (await handler(job, context)) ?? Infinity, backoffUntil: undefined }
    } catch (error) {
      const pause = backoffMs(failures + 1)
      log.error({ evt: 'job-failed', job, error, retryInMs: pause }, 'job handler threw')
      const until = clock.now() + pause
      return { next: until, backoffUntil: until }
    } finally {
      busy--
      if (closed && busy === 0) drained?.()
    }
  }

  async function renewLocks(taker: Worker<string, undefined>): Promise<void> {
    if (held.size === 0) return
    const lost = await taker.extendJobLocks([...held.keys()], [...held.values()], lockMs)
    // Jobs that ended while the command was under way are no loss.
    const jobs = lost.filter((id) => held.has(id))
    if (jobs.length > 0) log.warn({ evt: 'jobs-lock-lost', jobs }, 'lock of a running job was lost')
  }

  async function measureCrowd(): Promise<void> {
    if (active() < slots || queue === undefined || eager.status !== 'ready') {
      crowd = 0
      return
    }
    const [waiting, due] = await Promise.all([
      queue.getWaitingCount(),
      queue.getDelayedCount(clock.now()),
    ])
    crowd = waiting + due
  }

  /** Runs `task` each `ms` until the engine closed, never twice at once. */
  function every(ms: number, task: () => Promise<void>): void {
    clock.after(ms, () => {
      if (closed && held.size === 0) return
      void task()
        .catch(report)
        .finally(() => every(ms, task))
    })
  }

  async function shutDown(graceMs: number): Promise<void> {
    closed = true
    drain.abort()
    const lastWishes = outbox.close()
    // Takes no more from here on, and resolves when the handlers ended and the connections closed.
    const stopped = worker?.close().catch(() => undefined)
    // Stops BullMQ's timer of the stalled check, which an unfinished close leaves running.
    void worker?.pause(true).catch(() => undefined)
    if (busy > 0) {
      await new Promise<void>((resolve) => {
        const grace = clock.after(graceMs, () => {
          log.warn({ evt: 'jobs-abandoned', active: busy }, 'handlers did not end in time')
          resolve()
        })
        drained = () => {
          grace.cancel()
          resolve()
        }
      })
    }
    if (eager.status === 'ready') {
      await within(HANG_UP_MS, Promise.all([lastWishes, busy === 0 ? stopped : undefined]))
    }
    void worker?.disconnect().catch(() => undefined)
    patient?.disconnect()
    eager.disconnect()
  }

  async function within(ms: number, work: Promise<unknown>): Promise<void> {
    const enough = new AbortController()
    await Promise.race([work.finally(() => enough.abort()), clock.sleep(ms, enough.signal)])
  }

  return {
    wake: (job, at) => outbox.wake(job, at),

    start(given, options) {
      handlers = given
      slots = options.concurrency
      if (eager.status === 'ready' && queue !== undefined) takeJobs()
    },

    async depth() {
      // Without the broker, what this process knows.
      const local = { waiting: outbox.size(), delayed: 0, active: active() }
      if (queue === undefined || eager.status !== 'ready') return local
      try {
        const [counts, due] = await Promise.all([
          queue.getJobCounts('wait', 'delayed', 'active'),
          queue.getDelayedCount(clock.now()),
        ])
        const { wait = 0, delayed = 0, active: running = 0 } = counts
        return { waiting: wait + due, delayed: Math.max(0, delayed - due), active: running }
      } catch (error) {
        report(error)
        return local
      }
    },

    problem: () => (closed ? undefined : trouble),
    warnings: () => warnings,
    close: (graceMs) => (closing ??= shutDown(graceMs)),
  }
}
