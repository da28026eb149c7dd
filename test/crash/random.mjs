/** Chance that can be repeated: everything the crash suite throws dice for comes from one printed seed. */

/** mulberry32: small, fast, and good enough to choose moments and sizes. */
export function makeRandom(seed) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    /** Uniform in [0, 1). */
    next,
    /** Whole number, both ends included. */
    whole: (least, most) => least + Math.floor(next() * (most - least + 1)),
    between: (least, most) => least + next() * (most - least),
    chance: (share) => next() < share,
    pick: (list) => list[Math.floor(next() * list.length)],
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Settles as `promise` does, or resolves with undefined after `ms`. */
export async function within(ms, promise) {
  let timer
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** Polls until `isTrue` says so; resolves with whether it did within `ms`. */
export async function until(isTrue, ms, everyMs = 50) {
  const end = Date.now() + ms
  for (;;) {
    if (await isTrue()) return true
    if (Date.now() >= end) return false
    await sleep(everyMs)
  }
}
