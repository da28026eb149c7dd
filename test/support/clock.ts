/**
 * Time for tests: it stands still until it is told to move, so that three days of retries take milliseconds. What cannot
 * be told the time (Redis, sockets) runs on the real clock of server/ports.ts.
 */
import type { Clock, Timer } from '../../server/core/ports.ts'

/** 2026-01-01T00:00:00Z: a round time that is plausible as "now". */
export const TEST_START = Date.UTC(2026, 0, 1)

export interface ManualClock extends Clock {
  /**
   * Moves time forward by `ms`. Timers that become due run in order of their time (then of their making), each at its
   * own moment, those that they make included; promises and I/O settle after each. Resolves at the new time.
   */
  advance(ms: number): Promise<void>
  /** Lets promises, immediates and ready I/O run without moving time. */
  settle(): Promise<void>
  /** Timers that wait, for "nothing leaks" and "one timer, not one per job". */
  pending(): number
}

// A promise chain, an immediate and a socket's answer need a turn of the event loop each; chains of them a few.
const TURNS = 6

async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve))
}

interface Waiting {
  readonly at: number
  readonly turn: number
  readonly callback: () => void
}

/** A clock at `start` (epoch ms) that moves only by `advance`. */
export function manualClock(start = TEST_START): ManualClock {
  let now = start
  let turn = 0
  const waiting = new Set<Waiting>()

  function firstUntil(end: number): Waiting | undefined {
    let first: Waiting | undefined
    for (const timer of waiting) {
      if (timer.at > end) continue
      if (!first || timer.at < first.at || (timer.at === first.at && timer.turn < first.turn)) {
        first = timer
      }
    }
    return first
  }

  function after(ms: number, callback: () => void): Timer {
    const timer = { at: now + Math.max(0, ms), turn: turn++, callback }
    waiting.add(timer)
    return { cancel: () => void waiting.delete(timer) }
  }

  function sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) {
        resolve()
        return
      }
      const end = (): void => {
        timer.cancel()
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const timer = after(ms, end)
      signal?.addEventListener('abort', end)
    })
  }

  return {
    now: () => now,
    after,
    sleep,
    async advance(ms) {
      const end = now + ms
      await settle()
      for (let due = firstUntil(end); due; due = firstUntil(end)) {
        waiting.delete(due)
        now = due.at
        due.callback()
        await settle()
      }
      now = end
    },
    settle,
    pending: () => waiting.size,
  }
}
