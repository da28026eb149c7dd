/**
 * Real time that can be made to leap, for tests of the whole program: sockets, disks and threads take the time they
 * take, and what would be hours of waiting in between is skipped. `manualClock` (clock.ts) is for code without I/O.
 */
import type { Clock, Timer } from '../../server/core/ports.ts'

export interface LeapClock extends Clock {
  /**
   * Time passes at once: timers that become due meanwhile run now, in order. What is on the wire at that moment has
   * been silent for so long, and times out.
   */
  leap(ms: number): void
  /** Somebody sets the wall clock, forth or back; timers are not touched by that. */
  set(byMs: number): void
}

interface Waiting {
  readonly due: number
  readonly callback: () => void
  handle: NodeJS.Timeout | undefined
}

const LONGEST_MS = 2 ** 31 - 1

/** Starts at the system's time; `startAt` (epoch ms) starts it elsewhere. */
export function leapClock(startAt = Date.now()): LeapClock {
  let leapt = 0
  let offset = startAt - Date.now()
  const waiting = new Set<Waiting>()
  const passed = (): number => performance.now() + leapt

  function arm(timer: Waiting): void {
    const ms = Math.min(Math.max(0, timer.due - passed()), LONGEST_MS)
    timer.handle = setTimeout(() => {
      waiting.delete(timer)
      timer.callback()
    }, ms)
    timer.handle.unref()
  }
  function after(ms: number, callback: () => void): Timer {
    const timer: Waiting = { due: passed() + ms, callback, handle: undefined }
    waiting.add(timer)
    arm(timer)
    return {
      cancel() {
        waiting.delete(timer)
        clearTimeout(timer.handle)
      },
    }
  }

  return {
    now: () => Date.now() + leapt + offset,
    after,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) {
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
      }),
    leap(ms) {
      leapt += Math.round(ms)
      for (const timer of [...waiting].sort((a, b) => a.due - b.due)) {
        clearTimeout(timer.handle)
        arm(timer)
      }
    },
    set(byMs) {
      offset += byMs
    },
  }
}
