/** Lets one loop sleep until something happens or a time has come; a ring while nobody sleeps is not lost. */
import type { Clock } from '../../core/ports.ts'

export interface Bell {
  ring(): void
  /** Resolves at the next ring, or after `ms`. */
  wait(ms: number): Promise<void>
}

export function makeBell(clock: Clock): Bell {
  let rung = false
  let sleeper: (() => void) | undefined
  return {
    ring() {
      rung = true
      sleeper?.()
    },
    wait: (ms) =>
      new Promise((resolve) => {
        const timer = clock.after(rung ? 0 : ms, wake)
        function wake(): void {
          timer.cancel()
          sleeper = undefined
          rung = false
          resolve()
        }
        sleeper = wake
      }),
  }
}
