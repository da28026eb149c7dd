import { describe, expect, test } from 'vitest'
import type { Random } from '../../../server/core/ports.ts'
import { nextAttempt } from '../../../server/policy/retry.ts'
import type { RetryFacts } from '../../../server/policy/retry.ts'
import { loadConfig } from '../../../server/config/load.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const START = 1_790_000_000_000

const always = (value: number): Random => ({ next: () => value, bytes: (n) => Buffer.alloc(n) })
const middle = always(0.5)

/** As an installation that sets nothing has them. */
const { retry } = loadConfig({ file: undefined, env: {}, flags: {}, hostname: 'mx.test' }).delivery
const bulk = { schedule: retry.bulk.schedule, jitter: retry.jitter }
const transactional = { schedule: retry.transactional.schedule, jitter: retry.jitter }

const facts = (over: Partial<RetryFacts>): RetryFacts => ({
  ...bulk,
  attempts: 1,
  verdict: { category: 'remote-system' },
  queuedAt: START,
  expiresAt: START + 72 * HOUR,
  ...over,
})

/** Minutes after the first attempt of each later one, until the delivery expires. */
function life(over: Partial<RetryFacts>, lifetime: number): readonly number[] {
  const times: number[] = []
  let now = START
  for (let attempts = 1; attempts < 1_000; attempts++) {
    const next = nextAttempt(facts({ ...over, attempts, expiresAt: START + lifetime }), now, middle)
    if (next.kind === 'expire') return times
    now = next.at
    times.push((now - START) / MINUTE)
  }
  throw new Error('never expires')
}

describe('the default schedules', () => {
  test('bulk is tried after 5, 15, 35 minutes … then every 4 hours for 72 hours', () => {
    const times = life({}, retry.bulk.maxAge)
    expect(times.slice(0, 9)).toEqual([5, 15, 35, 75, 135, 255, 495, 735, 975])
    expect(times.at(-1)).toBe(72 * 60 - 1)
    expect(times).toHaveLength(23)
  })

  test('transactional is tried within a minute, each 30 minutes to 3 hours, then hourly for 48', () => {
    const times = life(transactional, retry.transactional.maxAge)
    expect(times.slice(0, 12)).toEqual([1, 3, 8, 18, 38, 68, 98, 128, 158, 188, 248, 308])
    expect(times.at(-1)).toBe(48 * 60 - 1)
    expect(times).toHaveLength(55)
  })
})

describe('one retry', () => {
  test.each([
    ['the shortest jitter is 20 % less', always(0), 4 * MINUTE],
    ['no jitter in the middle', middle, 5 * MINUTE],
    ['the longest jitter is 20 % more', always(0.999_999_999), 6 * MINUTE],
  ])('%s', (_why, random, wait) => {
    expect(nextAttempt(facts({}), START, random)).toEqual({ kind: 'retry', at: START + wait })
  })

  test.each([
    ['waits at least 5 minutes on the fast schedule', 1, always(0), 5 * MINUTE],
    ['and up to 6', 1, always(0.999_999_999), 6 * MINUTE],
    ['later waits are the schedule’s', 6, middle, 30 * MINUTE],
  ])('greylisting %s', (_why, attempts, random, wait) => {
    const greylisted = facts({
      ...transactional,
      verdict: { category: 'greylisted' },
      attempts,
    })
    expect(nextAttempt(greylisted, START, random)).toEqual({ kind: 'retry', at: START + wait })
  })
})

describe('the configuration may say otherwise', () => {
  test.each([
    ['another schedule', { schedule: [7_000] }, always(0.5), 7_000],
    ['no jitter', { jitter: 0 }, always(0), 5 * MINUTE],
    ['more jitter', { jitter: 0.5 }, always(0), 2.5 * MINUTE],
  ])('%s', (_why, over, random, wait) => {
    expect(nextAttempt(facts(over), START, random)).toEqual({ kind: 'retry', at: START + wait })
  })
})

describe('the end of time', () => {
  const at = (minutes: number) => ({ kind: 'retry', at: START + minutes * MINUTE })
  const next = (minutesLeft: number, over: Partial<RetryFacts> = {}) =>
    nextAttempt(
      facts({ queuedAt: START - HOUR, expiresAt: START + minutesLeft * MINUTE, ...over }),
      START,
      middle,
    )

  test.each([
    ['a retry that fits is left alone', 6, at(5)],
    ['one that would come too late is moved to a minute before the end', 5, at(4)],
    ['also when that is much sooner', 2, at(1)],
    ['but not if that would be nearly at once', 1.9, { kind: 'expire' }],
    ['a delivery past its time expires', -1, { kind: 'expire' }],
  ])('%s', (_why, minutesLeft, expected) => {
    expect(next(minutesLeft)).toEqual(expected)
  })

  test('a one-time code with ten minutes to live gets its last try before it dies', () => {
    expect(life(transactional, 10 * MINUTE)).toEqual([1, 3, 8, 9.5])
  })

  test('a mail that lives for a minute gets a second try as well', () => {
    expect(life(transactional, MINUTE)).toEqual([0.95])
  })

  test('the move happens once', () => {
    const expiresAt = START + 4 * MINUTE
    const moved = nextAttempt(facts({ queuedAt: START - HOUR, expiresAt }), START, middle)
    expect(moved).toEqual(at(3))
    const after = facts({ queuedAt: START - HOUR, expiresAt, attempts: 2 })
    expect(nextAttempt(after, START + 3 * MINUTE, middle)).toEqual({ kind: 'expire' })
  })
})
