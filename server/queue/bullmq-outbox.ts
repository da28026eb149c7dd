/**
 * Wishes on their way to Redis. A job on the hot path is woken thousands of times per second; Redis hears of it at most
 * once per window, and the last wish of a window is never dropped: another process may have run the job meanwhile. While
 * the job runs in this process its wishes stay here. Holds one entry per job, also while the broker is away.
 */
import type { Clock, Timer } from '../core/ports.ts'
import type { Job, JobKind } from './jobs.ts'

/** At most one send per job in this time. Also the longest delay of a wish that only another process can see. */
const WINDOW_MS = 50
/** Between tries while the broker is away; its return is tried at once. */
const RETRY_MS = 1_000
/** Jobs per round trip. */
const BATCH = 500

export interface OutboxEntry {
  readonly job: Job
  /** BullMQ job id. */
  readonly id: string
  /** The wish that waits to be sent or was sent last, whole epoch ms. */
  at: number
  /** Earliest wish since then that the sent one may not cover; Infinity: none. */
  later: number
  queued: boolean
  running: boolean
  /** Earliest wish during the run; Infinity: none. */
  again: number
}

export interface OutboxOptions {
  readonly clock: Clock
  /** Carries wishes to the broker; resolves with those that must be asked again shortly. A rejection keeps them all. */
  readonly deliver: (batch: readonly OutboxEntry[]) => Promise<readonly OutboxEntry[]>
  /** Called for each failed delivery. */
  readonly onFailure: (error: unknown) => void
}

export interface Outbox {
  wake(job: Job, at: number): void
  /** The job begins to run here; undefined when it already does. */
  enter(job: Job): OutboxEntry | undefined
  /** The earliest wish since the run began, taken over by the caller; Infinity: none. */
  take(entry: OutboxEntry): number
  /** The run ended; `at` is a wish of its own to send, Infinity: none. */
  leave(entry: OutboxEntry, at: number): void
  /** The broker is back: send what waits now. */
  resume(): void
  /** Jobs whose wish waits to be sent. */
  size(): number
  /** Takes no more wishes and tries once to send what waits. Never rejects. */
  close(): Promise<void>
}

// `:` separates Redis keys and BullMQ refuses it; the kind in front keeps an id from being an integer.
const idOf = ({ kind, key }: Job): string =>
  `${kind}-${key.replace(/[%:]/g, (c) => (c === '%' ? '%25' : '%3A'))}`

/** An empty outbox. */
export function makeOutbox({ clock, deliver, onFailure }: OutboxOptions): Outbox {
  const entries: Readonly<Record<JobKind, Map<string, OutboxEntry>>> = {
    lane: new Map(),
    route: new Map(),
  }
  let queue: OutboxEntry[] = []
  let sent: OutboxEntry[] = []
  let flushing = false
  let closed = false
  let windowTimer: Timer | undefined
  let retryTimer: Timer | undefined

  function entryOf(job: Job): OutboxEntry {
    const entry: OutboxEntry = {
      job,
      id: idOf(job),
      at: Infinity,
      later: Infinity,
      queued: false,
      running: false,
      again: Infinity,
    }
    entries[job.kind].set(job.key, entry)
    return entry
  }

  function forget(entry: OutboxEntry): void {
    const known = entries[entry.job.kind]
    if (known.get(entry.job.key) === entry) known.delete(entry.job.key)
  }

  function enqueue(entry: OutboxEntry, at: number): void {
    entry.at = Math.ceil(at)
    entry.later = Infinity
    if (entry.queued) return
    entry.queued = true
    queue.push(entry)
    if (flushing || retryTimer !== undefined || queue.length > 1) return
    setImmediate(() => void flush())
  }

  async function flush(): Promise<void> {
    if (flushing) return
    flushing = true
    retryTimer?.cancel()
    retryTimer = undefined
    while (queue.length > 0) {
      const taken = queue.slice(0, BATCH)
      queue = queue.slice(BATCH)
      // A run that began after the wish has granted it.
      const batch = taken.filter((entry) => !entry.running)
      for (const entry of taken) entry.queued = false
      if (batch.length === 0) continue
      try {
        for (const entry of await deliver(batch)) entry.later = Math.min(entry.later, entry.at)
      } catch (error) {
        onFailure(error)
        for (const entry of batch) {
          if (entry.queued || entry.running) continue
          entry.queued = true
          queue.push(entry)
        }
        if (!closed) retryTimer = clock.after(RETRY_MS, () => void flush())
        break
      }
      for (const entry of batch) sent.push(entry)
      windowTimer ??= clock.after(WINDOW_MS, endWindow)
    }
    flushing = false
  }

  function endWindow(): void {
    windowTimer = undefined
    const ended = sent
    sent = []
    for (const entry of ended) {
      if (entry.running || entry.queued) continue
      if (entry.later < Infinity) enqueue(entry, entry.later)
      else forget(entry)
    }
  }

  return {
    wake(job, at) {
      const known = entries[job.kind].get(job.key)
      if (known === undefined) {
        // `!(at < Infinity)` also refuses NaN: neither is a time.
        if (!closed && at < Infinity) enqueue(entryOf(job), Math.max(0, at))
      } else if (known.running) {
        if (at < known.again) known.again = at
      } else if (at < known.at) enqueue(known, Math.max(0, at))
      else if (at < known.later && !known.queued) known.later = at
    },
    enter(job) {
      const entry = entries[job.kind].get(job.key) ?? entryOf(job)
      if (entry.running) return undefined
      entry.running = true
      entry.again = entry.later = Infinity
      return entry
    },
    take(entry) {
      const at = entry.again
      entry.again = Infinity
      return at
    },
    leave(entry, at) {
      entry.running = false
      const next = Math.min(at, entry.again)
      if (next < Infinity && !closed) enqueue(entry, Math.max(0, next))
      else if (!entry.queued) forget(entry)
    },
    resume: () => void flush(),
    size: () => queue.length,
    async close() {
      closed = true
      windowTimer?.cancel()
      for (const entry of sent) if (entry.later < Infinity) enqueue(entry, entry.later)
      await flush()
      retryTimer?.cancel()
    },
  }
}
