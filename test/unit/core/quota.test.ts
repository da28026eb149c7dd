/** Windows of the calendar in UTC, and plans that keep every quota: a line for each rule. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  LOOK_AHEAD_MS,
  QUOTA_UNITS,
  SPREAD_MS,
  levelReached,
  planQuota,
  windowEnd,
  windowStart,
} from '../../../server/core/quota.ts'
import type { QuotaCounter, QuotaPlan, QuotaUnit } from '../../../server/core/quota.ts'

const at = (text: string): number => Date.parse(text.length === 10 ? `${text}T00:00Z` : text)
const iso = (time: number): string => new Date(time).toISOString().slice(0, 16)

test.each<[QuotaUnit, string, string, string, string]>([
  ['hour', '2026-01-01T09:59:59.999Z', '2026-01-01T09:00', '2026-01-01T10:00', 'last ms of it'],
  ['hour', '2026-01-01T10:00Z', '2026-01-01T10:00', '2026-01-01T11:00', 'begin belongs to it'],
  ['hour', '2026-12-31T23:30Z', '2026-12-31T23:00', '2027-01-01T00:00', 'end of the year'],
  ['day', '2026-03-29T01:30Z', '2026-03-29T00:00', '2026-03-30T00:00', 'summer time is not UTC'],
  ['day', '2028-02-28T23:59Z', '2028-02-28T00:00', '2028-02-29T00:00', 'before a leap day'],
  ['day', '2028-02-29T12:00Z', '2028-02-29T00:00', '2028-03-01T00:00', 'a leap day'],
  ['month', '2026-01-31T23:59Z', '2026-01-01T00:00', '2026-02-01T00:00', 'last day of 31'],
  ['month', '2026-02-28T23:59Z', '2026-02-01T00:00', '2026-03-01T00:00', 'February of 28'],
  ['month', '2028-02-29T23:59Z', '2028-02-01T00:00', '2028-03-01T00:00', 'February of 29'],
  ['month', '2100-02-28T23:59Z', '2100-02-01T00:00', '2100-03-01T00:00', 'no leap year'],
  ['month', '2026-12-15T00:00Z', '2026-12-01T00:00', '2027-01-01T00:00', 'end of the year'],
])('%s of %s: from %s to %s (%s)', (unit, time, start, end) => {
  expect([iso(windowStart(unit, at(time))), iso(windowEnd(unit, at(time)))]).toEqual([start, end])
})

test.each<[number, number, number, number | undefined, string]>([
  [0, 79, 100, undefined, 'below'],
  [0, 80, 100, 80, 'reached exactly'],
  [79, 85, 100, 80, 'passed'],
  [80, 99, 100, undefined, 'reached before'],
  [99, 100, 100, 100, 'used up'],
  [0, 100, 100, 100, 'both at once: the higher one'],
  [100, 130, 100, undefined, 'used up before (the limit was lowered)'],
  [0, 1, 1, 100, 'a quota of one'],
  [3, 4, 5, 80, 'a fifth is left'],
])('from %i to %i of %i reaches %s (%s)', (before, after, limit, level) => {
  expect(levelReached(before, after, limit)).toBe(level)
})

/** `['day', 100, {'2026-01-01': 70}]` */
type Wish = readonly [
  unit: QuotaUnit,
  limit: number,
  used?: Readonly<Record<string, number>>,
  over?: 'refuse',
]
const counterOf = ([unit, limit, used = {}, over]: Wish): QuotaCounter => ({
  unit,
  limit,
  over: over ?? 'delay',
  used: new Map(Object.entries(used).map(([start, count]) => [at(start), count])),
  full: { from: 0, until: 0 },
})
const NOON = at('2026-01-01T12:00Z')
const plan = (want: number, wishes: readonly Wish[], from = NOON): QuotaPlan =>
  planQuota({ want, from, counters: wishes.map(counterOf) })
const slotsOf = (result: QuotaPlan): (string | number)[][] => {
  if (result.kind === 'over') return [['over', result.counter, iso(result.at)]]
  return result.slots.map((slot) => [slot.count, iso(slot.at)])
}

const LATER = '2026-01-01T12:00'
test.each<[string, number, Wish[], (string | number)[][]]>([
  ['no quota in any unit', 5, [], [[5, LATER]]],
  ['room for all', 10, [['day', 10]], [[10, LATER]]],
  [
    'room for some: the rest the day after',
    1_000,
    [['day', 300]],
    [
      [300, LATER],
      [300, '2026-01-02T00:00'],
      [300, '2026-01-03T00:00'],
      [100, '2026-01-04T00:00'],
    ],
  ],
  [
    'what is used is used',
    10,
    [['day', 10, { '2026-01-01': 4 }]],
    [
      [6, LATER],
      [4, '2026-01-02T00:00'],
    ],
  ],
  [
    'used up, and tomorrow partly planned',
    10,
    [['day', 10, { '2026-01-01': 10, '2026-01-02': 7 }]],
    [
      [3, '2026-01-02T00:00'],
      [7, '2026-01-03T00:00'],
    ],
  ],
  [
    'over the limit (it was lowered): as used up',
    1,
    [['day', 10, { '2026-01-01': 30 }]],
    [[1, '2026-01-02T00:00']],
  ],
  [
    'an hour that is full in a day that is not',
    3,
    [
      ['hour', 2],
      ['day', 10],
    ],
    [
      [2, LATER],
      [1, '2026-01-01T13:00'],
    ],
  ],
  [
    'a day that is full: the hours of the next',
    3,
    [
      ['hour', 2],
      ['day', 2],
    ],
    [
      [2, LATER],
      [1, '2026-01-02T00:00'],
    ],
  ],
  [
    'hours of one day share its room',
    6,
    [
      ['hour', 2],
      ['day', 5],
    ],
    [
      [2, LATER],
      [2, '2026-01-01T13:00'],
      [1, '2026-01-01T14:00'],
      [1, '2026-01-02T00:00'],
    ],
  ],
  [
    'a month that is full',
    5,
    [
      ['day', 10],
      ['month', 100, { '2026-01-01': 98 }],
    ],
    [
      [2, LATER],
      [3, '2026-02-01T00:00'],
    ],
  ],
  [
    'two quotas of one unit: the tighter one',
    5,
    [
      ['day', 10],
      ['day', 3],
    ],
    [
      [3, LATER],
      [2, '2026-01-02T00:00'],
    ],
  ],
  [
    'a gap between full days is used',
    2,
    [['day', 1, { '2026-01-01': 1, '2026-01-03': 1 }]],
    [
      [1, '2026-01-02T00:00'],
      [1, '2026-01-04T00:00'],
    ],
  ],
  ['refuse with room', 3, [['day', 3, {}, 'refuse']], [[3, LATER]]],
  ['refuse without: nothing at all', 4, [['day', 3, {}, 'refuse']], [['over', 0, LATER]]],
  [
    'the one that refuses is named',
    4,
    [
      ['day', 9],
      ['hour', 3, {}, 'refuse'],
    ],
    [['over', 1, LATER]],
  ],
  [
    'refuse does not mind what another delays',
    4,
    [
      ['day', 2],
      ['hour', 2, {}, 'refuse'],
    ],
    [
      [2, LATER],
      [2, '2026-01-02T00:00'],
    ],
  ],
  [
    'refuse when the later window has no room',
    4,
    [
      ['day', 2],
      ['day', 2, { '2026-01-02': 1 }, 'refuse'],
    ],
    [['over', 1, '2026-01-02T00:00']],
  ],
  ['a quota of nothing is never free', 1, [['month', 0]], [['over', 0, LATER]]],
])('%s', (_why, want, wishes, expected) => {
  expect(slotsOf(plan(want, wishes))).toEqual(expected)
})

describe('at the ends of months', () => {
  test.each<[string, string, Wish, string]>([
    [
      'the last hour of January',
      '2026-01-31T23:30Z',
      ['hour', 1, { '2026-01-31T23:00Z': 1 }],
      '2026-02-01T00:00',
    ],
    [
      '28 February of a leap year: the 29th',
      '2028-02-28T12:00Z',
      ['day', 1, { '2028-02-28': 1 }],
      '2028-02-29T00:00',
    ],
    [
      '28 February of another: March',
      '2026-02-28T12:00Z',
      ['day', 1, { '2026-02-28': 1 }],
      '2026-03-01T00:00',
    ],
    [
      'a month from its 31st to the 1st, not the 3rd',
      '2026-01-31T12:00Z',
      ['month', 1, { '2026-01-01': 1 }],
      '2026-02-01T00:00',
    ],
    [
      'December to January',
      '2026-12-31T12:00Z',
      ['month', 1, { '2026-12-01': 1 }],
      '2027-01-01T00:00',
    ],
  ])('%s', (_why, from, wish, expected) => {
    expect(slotsOf(plan(1, [wish], at(from)))).toEqual([[1, expected]])
  })
})

describe('how far ahead', () => {
  const days = LOOK_AHEAD_MS / 86_400_000
  const fullDays = (count: number): Record<string, number> =>
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [
        new Date(at('2026-01-01') + i * 86_400_000).toISOString(),
        1,
      ]),
    )
  test('the last day of the look-ahead is still used', () => {
    expect(slotsOf(plan(1, [['day', 1, fullDays(days)]]))).toEqual([
      [1, iso(at('2026-01-01') + LOOK_AHEAD_MS)],
    ])
  })
  test('beyond it the plan is over, and says that it is for that', () => {
    expect(plan(1, [['day', 1, fullDays(days + 1)]])).toMatchObject({
      kind: 'over',
      counter: 0,
      at: NOON,
      isPlannedAhead: true,
    })
  })
  test('more than fits in all of it is over as a whole', () => {
    expect(plan(days + 2, [['day', 1]])).toMatchObject({ kind: 'over', isPlannedAhead: true })
    expect(plan(days + 1, [['day', 1]]).kind).toBe('planned')
  })
})

describe('what waits is spread', () => {
  const dueTimes = (result: QuotaPlan, slot: number): number[] => {
    if (result.kind === 'over') throw new Error('There is no room.')
    const { at: start, count, firstMs, stepMs } = result.slots[slot]!
    return Array.from({ length: count }, (_, i) => start + firstMs + i * stepMs)
  }
  test('nothing that does not wait is', () => {
    expect(dueTimes(plan(3, [['day', 3]]), 0)).toEqual([NOON, NOON, NOON])
  })
  test('evenly over the beginning of the window, and never beyond it', () => {
    const times = dueTimes(plan(1_300, [['day', 300]]), 1)
    const start = at('2026-01-02')
    expect(times[0]).toBe(start)
    expect(times[150]).toBe(start + SPREAD_MS.day / 2)
    expect(times.at(-1)).toBeLessThan(start + SPREAD_MS.day)
  })
  test('behind what is planned for the window already', () => {
    const used = { '2026-01-01': 300, '2026-01-02': 100 }
    expect(dueTimes(plan(1, [['day', 300, used]]), 0)).toEqual([
      at('2026-01-02') + SPREAD_MS.day / 3,
    ])
  })
  test('inside the finest window, or an hour would get more than its share', () => {
    const wishes: Wish[] = [
      ['hour', 10],
      ['day', 10, { '2026-01-01': 10 }],
    ]
    expect(dueTimes(plan(10, wishes), 0).at(-1)).toBeLessThan(at('2026-01-02T01:00Z'))
  })
})

test('the quota that makes it wait longest is named, with a time when it was full', () => {
  const result = plan(1, [
    ['hour', 1, { '2026-01-01T12:00Z': 1, '2026-01-02T00:00Z': 1 }],
    ['day', 1, { '2026-01-01': 1 }],
  ])
  if (result.kind === 'over') throw new Error('There is no room.')
  const [slot] = result.slots
  expect(iso(slot!.at)).toBe('2026-01-02T01:00')
  expect(slot!.because).toEqual({ counter: 1, at: at('2026-01-01T13:00Z') })
})

test('what was found full is not looked at again, and a later plan goes on behind it', () => {
  let looks = 0
  const full = Array.from({ length: 1_000 }, (_, i): [number, number] => [NOON + i * 3_600_000, 5])
  class Watched extends Map<number, number> {
    override get(start: number): number | undefined {
      looks++
      return super.get(start)
    }
  }
  const counter: QuotaCounter = { ...counterOf(['hour', 5]), used: new Watched(full) }
  const first = planQuota({ want: 1, from: NOON, counters: [counter] })
  expect(slotsOf(first)).toEqual([[1, iso(NOON + 1_000 * 3_600_000)]])
  expect(looks).toBeGreaterThan(1_000)
  looks = 0
  expect(planQuota({ want: 1, from: NOON, counters: [counter] })).toEqual(first)
  expect(looks).toBeLessThan(10)
})

test('each moment lies in one window of a unit, and the next begins where it ends', () => {
  const moment = fc.integer({ min: 0, max: at('2100-01-01') })
  fc.assert(
    fc.property(fc.constantFrom(...QUOTA_UNITS), moment, (unit, time) => {
      const [start, end] = [windowStart(unit, time), windowEnd(unit, time)]
      expect(start <= time && time < end).toBe(true)
      expect([windowStart(unit, start), windowStart(unit, end - 1)]).toEqual([start, start])
      expect(windowStart(unit, end)).toBe(end)
    }),
  )
})

describe('whatever the quotas and the requests', () => {
  const counter = fc
    .tuple(
      fc.constantFrom(...QUOTA_UNITS),
      fc.integer({ min: 1, max: 60 }),
      fc.constantFrom<QuotaCounter['over']>('delay', 'delay', 'delay', 'refuse'),
    )
    .map(([unit, limit, over]) => ({ unit, limit, over }))
  const counters = fc.array(counter, { minLength: 1, maxLength: 5 })
  /** How many, how long after the one before, and how much later it is wished. */
  const request = fc.tuple(
    fc.integer({ min: 1, max: 80 }),
    fc.integer({ min: 0, max: 5 * 3_600_000 }),
    fc.integer({ min: 0, max: 2 }).map((days) => days * 86_400_000),
  )
  const requests = fc.array(request, { minLength: 1, maxLength: 15 })
  const start = fc.integer({ min: at('2026-01-01'), max: at('2028-12-31') })
  type Mutable = QuotaCounter & { readonly used: Map<number, number> }

  /** Plans one after the other, as the store does: what is over is not counted. */
  function run(
    wishes: readonly Pick<QuotaCounter, 'unit' | 'limit' | 'over'>[],
    asked: readonly (readonly [number, number, number])[],
    { begin, forgets }: { readonly begin: number; readonly forgets: boolean },
  ) {
    const all = wishes.map((wish): Mutable => ({
      ...wish,
      used: new Map(),
      full: { from: 0, until: 0 },
    }))
    let now = begin
    const plans = asked.map(([want, pause, ahead]) => {
      now += pause
      const from = now + ahead
      if (forgets) for (const { full } of all) full.until = full.from
      const result = planQuota({ want, from, counters: all })
      if (result.kind === 'planned')
        for (const { at: time, count } of result.slots)
          for (const { unit, used } of all) {
            const window = windowStart(unit, time)
            used.set(window, (used.get(window) ?? 0) + count)
          }
      return { want, from, result }
    })
    return { all, plans }
  }

  test('no window gets more than its limit, each recipient is planned once, in order', () => {
    fc.assert(
      fc.property(counters, requests, start, (wishes, asked, begin) => {
        const { all, plans } = run(wishes, asked, { begin, forgets: false })
        for (const { used, limit } of all)
          for (const count of used.values()) expect(count).toBeLessThanOrEqual(limit)
        for (const { want, from, result } of plans) {
          if (result.kind === 'over') continue
          expect(result.slots.reduce((sum, { count }) => sum + count, 0)).toBe(want)
          const times = result.slots.map((slot) => slot.at)
          expect(times).toEqual([...new Set(times)].sort((a, b) => a - b))
          expect(times[0]).toBeGreaterThanOrEqual(from)
          expect(times.at(-1)! - from).toBeLessThanOrEqual(LOOK_AHEAD_MS)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('nothing leaves the window that it was counted in by being spread', () => {
    fc.assert(
      fc.property(counters, requests, start, (wishes, asked, begin) => {
        const { all, plans } = run(wishes, asked, { begin, forgets: false })
        for (const { result } of plans) {
          if (result.kind === 'over') continue
          for (const { at: time, count, firstMs, stepMs } of result.slots)
            for (const { unit } of all)
              expect(time + firstMs + (count - 1) * stepMs).toBeLessThan(windowEnd(unit, time))
        }
      }),
      { numRuns: 300 },
    )
  })

  test('mail waits only for what is full, and is refused only for want of room', () => {
    fc.assert(
      fc.property(counters, requests, start, (wishes, asked, begin) => {
        const all = wishes.map((wish): Mutable => ({
          ...wish,
          used: new Map(),
          full: { from: 0, until: 0 },
        }))
        let now = begin
        for (const [want, pause] of asked) {
          now += pause
          const rooms = all.map(
            ({ unit, limit, used }) => limit - (used.get(windowStart(unit, now)) ?? 0),
          )
          const fits = rooms.every((room) => room >= want)
          const result = planQuota({ want, from: now, counters: all })
          const goesNow = result.kind === 'planned' && result.slots[0]!.count === want
          expect(goesNow && result.slots[0]!.at === now).toBe(fits)
          if (result.kind === 'planned')
            for (const { at: time, count } of result.slots)
              for (const { unit, used } of all) {
                const window = windowStart(unit, time)
                used.set(window, (used.get(window) ?? 0) + count)
              }
        }
      }),
      { numRuns: 300 },
    )
  })

  test('what is remembered of full windows changes nothing but the work', () => {
    fc.assert(
      fc.property(counters, requests, start, (wishes, asked, begin) => {
        const remembering = run(wishes, asked, { begin, forgets: false })
        const forgetting = run(wishes, asked, { begin, forgets: true })
        expect(remembering.plans).toEqual(forgetting.plans)
      }),
      { numRuns: 300 },
    )
  })
})
