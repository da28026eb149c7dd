/** The clock and random ports for DNS and MX tests: real time for sockets, or time that stands until it is moved. */
import { randomBytes } from 'node:crypto'
import type { Clock, Random } from '../../../server/core/ports.ts'

export const realClock: Clock = {
  now: () => Date.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms)
    return { cancel: () => clearTimeout(timer) }
  },
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
}

/** Only `now` moves, by hand. */
export function standingClock(): Clock & { advance(ms: number): void } {
  let now = 1_750_000_000_000
  return { ...realClock, now: () => now, advance: (ms) => void (now += ms) }
}

/** `next` walks through the given numbers again and again. */
export function scriptedRandom(...numbers: readonly number[]): Random {
  let at = 0
  return { next: () => numbers[at++ % numbers.length] ?? 0, bytes: randomBytes }
}

export const anyRandom = scriptedRandom(0.42, 0.17, 0.93, 0.61)
