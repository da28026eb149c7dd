import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { paceFrom, paceText, take } from '../../../server/policy/pace.ts'
import type { RateLimit } from '../../../server/policy/pace.ts'

const START = 1_790_000_000_000
const MINUTE = 60_000

/** Most grants in any half-open window of `length` ms. */
function densest(
  grants: readonly (readonly [at: number, count: number])[],
  length: number,
): number {
  let most = 0
  let sum = 0
  let tail = 0
  for (const [at, count] of grants) {
    sum += count
    while (grants[tail]![0] <= at - length) sum -= grants[tail++]![1]
    most = Math.max(most, sum)
  }
  return most
}

/** Asks each time the pacer says, `lateMs` late, and returns what was granted when. */
function run(limit: RateLimit, forMs: number, want: number, lateMs: () => number) {
  const grants: (readonly [number, number])[] = []
  let state = paceFrom('')
  for (let now = START; now < START + forMs;) {
    const taken = take(state, limit, now, want)
    grants.push([now, taken.granted])
    state = taken.state
    now = Math.max(now + 1, taken.nextAt + lateMs())
  }
  return grants
}
const total = (grants: readonly (readonly [number, number])[]): number =>
  grants.reduce((sum, [, count]) => sum + count, 0)

describe('the mean is the limit', () => {
  test.each<[string, RateLimit, number, number]>([
    ['600 a minute for ten minutes', { messages: 600, perMs: MINUTE }, 10 * MINUTE, 6_000],
    ['one a second', { messages: 60, perMs: MINUTE }, 10 * MINUTE, 600],
    ['7 a second, which 1,000 ms do not divide by', { messages: 7, perMs: 1_000 }, MINUTE, 420],
    ['5,000 a second', { messages: 5_000, perMs: 1_000 }, 10_000, 50_000],
    ['20 an hour for a day', { messages: 20, perMs: 60 * MINUTE }, 24 * 60 * MINUTE, 480],
  ])('%s, within 1 %%', (_why, limit, forMs, expected) => {
    const granted = total(run(limit, forMs, 1_000, () => 0))
    expect(granted).toBeGreaterThanOrEqual(expected * 0.99)
    expect(granted).toBeLessThanOrEqual(expected * 1.01)
  })

  test('late timers are caught up with', () => {
    let tick = 0
    const late = () => (tick++ % 3) * 15
    for (const limit of [
      { messages: 600, perMs: MINUTE },
      { messages: 60, perMs: MINUTE },
    ])
      expect(total(run(limit, 10 * MINUTE, 100, late))).toBeGreaterThanOrEqual(
        limit.messages * 10 * 0.99,
      )
  })
})

describe('no window has more than it may', () => {
  const limits = fc.record({
    messages: fc.integer({ min: 1, max: 20_000 }),
    perMs: fc.constantFrom(1_000, 10_000, MINUTE, 60 * MINUTE),
  })
  const steps = fc.array(
    fc.record({
      wait: fc.oneof(fc.nat(5), fc.nat(2_000), fc.nat(120_000)),
      want: fc.oneof(fc.constant(1), fc.nat(50), fc.constant(1e6)),
    }),
    { minLength: 1, maxLength: 300 },
  )
  const ceiling = (limit: RateLimit): number =>
    Math.max(limit.messages, Math.floor(limit.messages * 1.05))
  const secondCeiling = (limit: RateLimit): number => {
    const perSecond = (limit.messages * 1_000) / limit.perMs
    return perSecond >= 5 ? perSecond * 1.2 : Infinity
  }

  test('whatever is asked for, whenever', () => {
    fc.assert(
      fc.property(limits, steps, (limit, asks) => {
        const grants: (readonly [number, number])[] = []
        let state = paceFrom('')
        let now = START
        for (const { wait, want } of asks) {
          now += wait
          const taken = take(state, limit, now, want)
          expect(taken.granted).toBeLessThanOrEqual(want)
          grants.push([now, taken.granted])
          state = taken.state
        }
        expect(densest(grants, limit.perMs)).toBeLessThanOrEqual(ceiling(limit))
        expect(densest(grants, 1_000)).toBeLessThanOrEqual(secondCeiling(limit))
      }),
    )
  })

  test('a busy lane is the worst case and keeps them too', () => {
    for (const messages of [1, 4, 5, 6, 11, 19, 20, 300, 333, 600, 3_000, 30_000]) {
      const limit = { messages, perMs: MINUTE }
      const grants = run(limit, 5 * MINUTE, 1e6, () => (messages * 7) % 23)
      expect(densest(grants, MINUTE)).toBeLessThanOrEqual(ceiling(limit))
      expect(densest(grants, 1_000)).toBeLessThanOrEqual(secondCeiling(limit))
    }
  })

  test('a slow lane sends one at a time', () => {
    const grants = run({ messages: 4, perMs: 1_000 }, MINUTE, 100, () => 40)
    expect(Math.max(...grants.map(([, count]) => count))).toBe(1)
  })

  test('restarting from the text changes nothing', () => {
    fc.assert(
      fc.property(limits, steps, (limit, asks) => {
        let kept = paceFrom('')
        let text = ''
        let now = START
        for (const { wait, want } of asks) {
          now += wait
          const a = take(kept, limit, now, want)
          const b = take(paceFrom(text), limit, now, want)
          expect([b.granted, b.nextAt]).toEqual([a.granted, a.nextAt])
          kept = a.state
          text = paceText(b.state)
        }
      }),
    )
  })

  test('a clock that goes back stalls for one step at most and grants nothing more', () => {
    fc.assert(
      fc.property(
        limits,
        fc.integer({ min: 1, max: 86_400_000 }),
        fc.nat(100),
        (limit, back, at) => {
          const step = limit.perMs / limit.messages
          let state = paceFrom('')
          let wall = START
          const grants: (readonly [number, number])[] = [] // by true time
          for (let i = 0; i < 200; i++) {
            if (i === at) wall -= back
            const taken = take(state, limit, wall, 1e6)
            grants.push([i * 10, taken.granted])
            state = taken.state
            expect(taken.nextAt - wall).toBeLessThanOrEqual(Math.ceil(step))
            wall += 10
          }
          // 44 is not more than 1.2 × 36.67, whatever the last bit says.
          const rounding = 1e-9
          expect(densest(grants, 1_000)).toBeLessThanOrEqual(secondCeiling(limit) + rounding)
          expect(densest(grants, limit.perMs)).toBeLessThanOrEqual(ceiling(limit) + rounding)
        },
      ),
    )
  })

  test('nextAt is the first moment that grants one', () => {
    fc.assert(
      fc.property(limits, (limit) => {
        const { state, nextAt } = take(paceFrom(''), limit, START, 1e6)
        expect(nextAt).toBeGreaterThan(START)
        expect(take(state, limit, nextAt, 1).granted).toBe(1)
        expect(take(state, limit, nextAt - 1, 1).granted).toBe(0)
      }),
    )
  })
})

describe('the edges', () => {
  const limit = { messages: 600, perMs: MINUTE }
  test('no limit grants all', () => {
    expect(take(paceFrom(''), { messages: Infinity, perMs: 1 }, START, 500).granted).toBe(500)
  })
  test('a limit of nothing grants nothing', () => {
    expect(take(paceFrom(''), { messages: 0, perMs: MINUTE }, START, 5)).toMatchObject({
      granted: 0,
      nextAt: START + MINUTE,
    })
  })
  test('wanting nothing costs nothing', () => {
    const idle = take(paceFrom(''), limit, START, 0)
    expect(idle.nextAt).toBe(START)
    expect(take(idle.state, limit, START, 100).granted).toBe(
      take(paceFrom(''), limit, START, 100).granted,
    )
  })
  test('after the limit was raised nobody waits for a step of the old one', () => {
    const slow = take(paceFrom(''), { messages: 1, perMs: 60 * MINUTE }, START, 1)
    expect(take(slow.state, limit, START + 1, 1).nextAt).toBeLessThanOrEqual(START + 101)
  })
  test.each(['', 'x', '1 2', '2 1790000000000 5', '1 -5 3', '1 1 NaN', '1 1790000000000 5 6'])(
    'a text that is not ours starts afresh: %j',
    (text) => {
      expect(paceFrom(text)).toEqual({ at: 0, aheadMs: 0 })
    },
  )
})
