/**
 * Durations, sizes and retry schedules as people write them: `30 s`, `256 KiB`, `1m, 5m*2`.
 * Parsed once, when the configuration is loaded; the program sees milliseconds and bytes only.
 * A number without a unit is refused: nobody should have to guess whether `timeout: 30` is seconds.
 */

const DURATION_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const SIZE_BYTES = { b: 1, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3, tib: 1024 ** 4 } as const

/** A schedule is walked once per attempt; more entries than this is a typing error (`5m*2000`). */
const MAX_SCHEDULE = 200
const SHORTEST_WAIT = DURATION_MS.s
const LONGEST_WAIT = 7 * DURATION_MS.d

const QUANTITY = /^(\d{1,12}(?:\.\d{1,6})?) ?([a-z]{1,3})$/i

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = QUANTITY.exec(text.trim())
  if (match === null) return undefined
  const name = match[2]!.toLowerCase()
  if (!Object.hasOwn(units, name)) return undefined
  const value = Math.round(Number(match[1]) * units[name]!)
  return Number.isSafeInteger(value) ? value : undefined
}

/** `250 ms`, `30 s`, `5 m`, `1.5 h`, `3 d` → milliseconds; undefined when it is not a duration. */
export const parseDuration = (text: string): number | undefined => parseQuantity(text, DURATION_MS)

/** `512 B`, `256 KiB`, `25 MiB`, `2 GiB` → bytes; undefined when it is not a size. */
export const parseSize = (text: string): number | undefined => parseQuantity(text, SIZE_BYTES)

/**
 * `1m, 5m*2, 1h` → [60000, 300000, 300000, 3600000]: the waits before the second, third, … attempt. The last one
 * repeats for as long as the message may live. Undefined when it is not a schedule, or has a wait
 * under a second (which would hammer a host) or over a week.
 */
export function parseSchedule(text: string): readonly number[] | undefined {
  const waits: number[] = []
  for (const part of text.split(',')) {
    const [step = '', times = '1', ...rest] = part.split('*')
    const wait = parseDuration(step)
    if (wait === undefined || rest.length > 0) return undefined
    if (wait < SHORTEST_WAIT || wait > LONGEST_WAIT) return undefined
    if (!/^ ?[1-9]\d{0,2} ?$/.test(times)) return undefined
    const count = Number(times)
    if (waits.length + count > MAX_SCHEDULE) return undefined
    for (let i = 0; i < count; i++) waits.push(wait)
  }
  return waits
}
