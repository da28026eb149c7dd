/**
 * How long the answer to a wrong login waits: longer with each failure from the same client, over all its
 * connections. Right logins never wait. In memory and bounded; it locks nobody out.
 */
import { clientKey } from '../core/network.ts'
import type { Clock } from '../core/ports.ts'

export interface AuthThrottle {
  /** Notes a failure; returns the milliseconds its answer has to wait. */
  fail(address: string): number
  succeed(address: string): void
}

/** The first failure waits this long, each further one twice as long: 0.25 s, 0.5 s, 1 s … 8 s. */
const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 8_000
/** After this long without another failure a client starts afresh. */
const FORGET_MS = 15 * 60_000
const MAX_CLIENTS = 10_000

export function makeAuthThrottle(clock: Clock): AuthThrottle {
  // In order of the last failure, so that the oldest goes first when there are too many.
  const failures = new Map<string, { readonly count: number; readonly at: number }>()
  return {
    fail(address) {
      const key = clientKey(address)
      const now = clock.now()
      const known = failures.get(key)
      const count = known !== undefined && now - known.at < FORGET_MS ? known.count + 1 : 1
      failures.delete(key)
      failures.set(key, { count, at: now })
      if (failures.size > MAX_CLIENTS) {
        for (const oldest of failures.keys()) {
          failures.delete(oldest)
          break
        }
      }
      return Math.min(FIRST_DELAY_MS * 2 ** (count - 1), MAX_DELAY_MS)
    },
    succeed: (address) => {
      failures.delete(clientKey(address))
    },
  }
}
