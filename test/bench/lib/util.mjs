/** Small things that every row needs: a free port, waiting for a condition, medians. */
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

/** Asks again every few milliseconds; rejects when it has not become true in time. */
export async function until(condition, what, { everyMs = 10, withinMs = 120_000 } = {}) {
  const giveUpAt = performance.now() + withinMs
  for (;;) {
    const value = await condition()
    if (value) return value
    if (performance.now() > giveUpAt) throw new Error(`Timed out waiting for ${what}.`)
    await sleep(everyMs)
  }
}

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

/** `share` 0.99: the value that 99 of 100 do not exceed. */
export const percentile = (values, share) => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN
}
