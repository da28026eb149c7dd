/** Ends one request early, once and for one reason: its time is over, or we gave it up. */
import type { Clock, Timer } from '../../core/ports.ts'
import { failure } from './fault.ts'
import type { FetchFailure } from './fault.ts'

export interface Cut {
  readonly isOver: boolean
  /** Calls back when the request is cut, at once if it is already. The result takes the wish back. */
  onCut(callback: (failure: FetchFailure) => void): () => void
  /** Cuts after `ms` unless the result is called before. */
  within(ms: number, what: string): () => void
  /** The value, or why it was not waited for; what comes too late goes to `late`. */
  orCut<T>(value: Promise<T>, late: (value: T) => void): Promise<T | FetchFailure>
  /** Stops the clocks. Nothing is cut afterwards. */
  end(): void
}

export function makeCut(clock: Clock, signal: AbortSignal | undefined): Cut {
  const listeners = new Set<(failure: FetchFailure) => void>()
  const timers = new Set<Timer>()
  let because: FetchFailure | undefined

  function cut(reason: FetchFailure): void {
    if (because !== undefined) return
    because = reason
    for (const listener of [...listeners]) listener(reason)
  }
  const abort = (): void => cut(failure('closed', 'given up'))

  function onCut(callback: (failure: FetchFailure) => void): () => void {
    if (because !== undefined) callback(because)
    else listeners.add(callback)
    return () => void listeners.delete(callback)
  }

  if (signal?.aborted === true) abort()
  signal?.addEventListener('abort', abort)

  return {
    get isOver() {
      return because !== undefined
    },
    onCut,
    within(ms, what) {
      const timer = clock.after(ms, () => cut(failure('timeout', `${what} took over ${ms} ms`)))
      timers.add(timer)
      return () => {
        timer.cancel()
        timers.delete(timer)
      }
    },
    orCut: (value, late) =>
      new Promise((resolve, reject) => {
        let open = true
        const stop = onCut((reason) => {
          open = false
          resolve(reason)
        })
        value.then((arrived) => {
          stop()
          if (open) resolve(arrived)
          else late(arrived)
        }, reject)
      }),
    end() {
      signal?.removeEventListener('abort', abort)
      for (const timer of timers) timer.cancel()
      listeners.clear()
    },
  }
}
