/**
 * The jobs engine inside this process: nothing to install, nothing on disk. One entry per job, whatever the number of
 * wishes, and one clock timer for the earliest of them. It must never run a handler inside `wake`, which sits on the
 * hot path, and never run one job twice at once.
 */
import { setMaxListeners } from 'node:events'
import type { Clock, Log, Timer } from '../core/ports.ts'
import { backoffMs } from './backoff.ts'
import type { Job, JobContext, JobHandler, JobKind, Jobs } from './jobs.ts'
import { makeWishHeap, type Wish } from './wish-heap.ts'

/** Node's timers overflow at 2^31 ms; a longer wait is armed again. */
const LONGEST_TIMER_MS = 24 * 3_600_000
/** Earlier than any wish: the entry waits for a slot, and no wish can hasten it. */
const DUE = -Infinity

interface Entry extends Wish {
  readonly job: Job
  running: boolean
  /** Earliest wish that arrived during the run; Infinity: none. */
  again: number
  failures: number
  /** End of the back-off; wishes before it are moved to it, so that a hot lane cannot undo the pause. */
  notBefore: number
}

export interface EmbeddedOptions {
  readonly clock: Clock
  readonly log: Log
}

/** The in-process engine. `wake` on a job that already waits or runs costs one map lookup. */
export function embeddedJobs({ clock, log }: EmbeddedOptions): Jobs {
  const entries: Readonly<Record<JobKind, Map<string, Entry>>> = {
    lane: new Map(),
    route: new Map(),
  }
  const delayed = makeWishHeap<Entry>()
  const drain = new AbortController()
  // Every running handler may listen to the one signal.
  setMaxListeners(0, drain.signal)
  const context: JobContext = {
    signal: drain.signal,
    crowded: () => active >= slots && readyCount() > 0,
  }

  // First in, first out; a consumed head is cut off in bulk, because shift() on a long array copies it.
  let ready: Entry[] = []
  let head = 0
  const readyCount = (): number => ready.length - head

  let handlers: Readonly<Record<JobKind, JobHandler>> | undefined
  let slots = 0
  let active = 0
  let pumping = false
  let closed = false
  let closing: Promise<void> | undefined
  let drained: (() => void) | undefined
  let timer: Timer | undefined
  let armedFor = Infinity

  function pumpSoon(): void {
    if (pumping || closed || active >= slots || readyCount() === 0) return
    pumping = true
    // A fresh turn of the event loop: a job that is due at once, again and again, must not starve the sockets.
    setImmediate(pump)
  }

  function pump(): void {
    pumping = false
    if (closed || handlers === undefined) return
    while (active < slots && readyCount() > 0) {
      const entry = ready[head]!
      head++
      if (head > 1024 && head * 2 > ready.length) {
        ready = ready.slice(head)
        head = 0
      }
      active++
      void run(entry, handlers[entry.job.kind])
    }
  }

  async function run(entry: Entry, handler: JobHandler): Promise<void> {
    entry.running = true
    entry.again = Infinity
    let next: number
    try {
      next = (await handler(entry.job, context)) ?? Infinity
      entry.failures = 0
      entry.notBefore = 0
    } catch (error) {
      entry.failures++
      const pause = backoffMs(entry.failures)
      next = entry.notBefore = clock.now() + pause
      log.error({ evt: 'job-failed', job: entry.job, error, retryInMs: pause }, 'job handler threw')
    }
    entry.running = false
    active--
    next = Math.min(next, entry.again)
    if (next < Infinity && !closed) schedule(entry, next)
    else entries[entry.job.kind].delete(entry.job.key)
    if (closed && active === 0) drained?.()
    pumpSoon()
  }

  /** Puts an entry that neither waits for a slot nor runs where it belongs, or moves it forward. */
  function schedule(entry: Entry, at: number): void {
    const now = clock.now()
    const wished = Math.max(at, entry.notBefore)
    if (wished <= now && entry.place === -1) {
      makeReady(entry)
      return
    }
    entry.at = wished
    delayed.put(entry)
    promote(now)
  }

  function makeReady(entry: Entry): void {
    entry.at = DUE
    ready.push(entry)
    pumpSoon()
  }

  function promote(now: number): void {
    for (
      let first = delayed.peek();
      first !== undefined && first.at <= now;
      first = delayed.peek()
    ) {
      delayed.pop()
      makeReady(first)
    }
    arm(now)
  }

  /** Keeps exactly one timer, for the earliest wish. */
  function arm(now: number): void {
    const first = delayed.peek()?.at ?? Infinity
    if (first === armedFor) return
    timer?.cancel()
    armedFor = first
    timer =
      first === Infinity
        ? undefined
        : clock.after(Math.min(Math.ceil(first - now), LONGEST_TIMER_MS), () => {
            armedFor = Infinity
            promote(clock.now())
          })
  }

  return {
    wake(job, at) {
      const known = entries[job.kind].get(job.key)
      if (known !== undefined) {
        if (known.running) {
          if (at < known.again) known.again = at
        } else if (at < known.at && known.notBefore < known.at) schedule(known, at)
        return
      }
      // `!(at < Infinity)` also refuses NaN: neither is a time.
      if (closed || !(at < Infinity)) return
      const entry: Entry = {
        job,
        at: Infinity,
        place: -1,
        turn: 0,
        running: false,
        again: Infinity,
        failures: 0,
        notBefore: 0,
      }
      entries[job.kind].set(job.key, entry)
      schedule(entry, at)
    },

    start(given, options) {
      handlers = given
      slots = options.concurrency
      pumpSoon()
    },

    depth: () =>
      Promise.resolve({ waiting: readyCount(), delayed: delayed.size(), active: active }),

    problem: () => undefined,

    close(graceMs) {
      closing ??= (async () => {
        closed = true
        timer?.cancel()
        ready = []
        head = 0
        delayed.clear()
        drain.abort()
        if (active === 0) return
        await new Promise<void>((resolve) => {
          const grace = clock.after(graceMs, () => {
            log.warn({ evt: 'jobs-abandoned', active }, 'handlers did not end in time')
            resolve()
          })
          drained = () => {
            grace.cancel()
            resolve()
          }
        })
      })()
      return closing
    },
  }
}
