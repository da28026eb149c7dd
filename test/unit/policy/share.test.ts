import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { asId } from '../../../server/core/ids.ts'
import { shareOut } from '../../../server/policy/share.ts'

const tenant = (n: number) => asId('tenant', n)
const demand = (due: Readonly<Record<number, number>>) =>
  Object.entries(due).map(([n, count]) => ({ tenant: tenant(Number(n)), due: count }))

test.each([
  ['a million does not starve ten', { 1: 1_000_000, 2: 10 }, 100, { 1: 90, 2: 10 }],
  ['equal turns', { 1: 50, 2: 50 }, 20, { 1: 10, 2: 10 }],
  [
    'what the small ones leave goes to the big ones',
    { 1: 1, 2: 2, 3: 99 },
    60,
    { 1: 1, 2: 2, 3: 57 },
  ],
  ['nobody gets more than is due', { 1: 3, 2: 4 }, 100, { 1: 3, 2: 4 }],
  ['one tenant takes all', { 7: 1_000 }, 64, { 7: 64 }],
  ['nothing due is no entry', { 1: 0, 2: 5 }, 10, { 2: 5 }],
  ['no places', { 1: 5 }, 0, {}],
  ['nobody there', {}, 10, {}],
])('%s', (_why, due, limit, expected) => {
  const { take } = shareOut(demand(due), limit, undefined)
  expect(Object.fromEntries(take)).toEqual(expected)
})

describe('places that cannot be divided', () => {
  test('go on from the one whose turn was last', () => {
    const all = demand({ 1: 9, 2: 9, 3: 9 })
    const first = shareOut(all, 2, undefined)
    expect([...first.take.keys()]).toEqual([1, 2])
    const second = shareOut(all, 2, first.cursor)
    expect([...second.take.keys()]).toEqual([3, 1])
    expect([...shareOut(all, 2, second.cursor).take.keys()]).toEqual([2, 3])
  })

  test('a cursor whose tenant has left is no obstacle', () => {
    expect([...shareOut(demand({ 1: 9, 5: 9 }), 1, tenant(3)).take.keys()]).toEqual([5])
    expect([...shareOut(demand({ 1: 9, 5: 9 }), 1, tenant(8)).take.keys()]).toEqual([1])
  })
})

const demands = fc
  .uniqueArray(fc.record({ tenant: fc.integer({ min: 1, max: 60 }), due: fc.nat(200) }), {
    selector: (entry) => entry.tenant,
    maxLength: 20,
  })
  .map((entries) => entries.map((entry) => ({ tenant: tenant(entry.tenant), due: entry.due })))

test('all places are used that can be, and nobody gets less than another who wanted no more', () => {
  fc.assert(
    fc.property(
      demands,
      fc.nat(500),
      fc.option(fc.integer({ min: 0, max: 70 })),
      (all, limit, at) => {
        const { take } = shareOut(all, limit, at === null ? undefined : tenant(at))
        const due = all.reduce((sum, entry) => sum + entry.due, 0)
        expect([...take.values()].reduce((sum, n) => sum + n, 0)).toBe(Math.min(due, limit))
        const most = Math.max(0, ...take.values())
        for (const entry of all) {
          const got = take.get(entry.tenant) ?? 0
          expect(got).toBeLessThanOrEqual(entry.due)
          expect(got === entry.due || got >= most - 1).toBe(true)
        }
      },
    ),
  )
})

test('over many calls two tenants who always wait never differ by more than one', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.array(fc.nat(30), { minLength: 1, maxLength: 50 }),
      (count, limits) => {
        const all = Array.from({ length: count }, (_, i) => ({ tenant: tenant(i + 1), due: 1e6 }))
        const total = new Map(all.map((entry) => [entry.tenant, 0]))
        let cursor: ReturnType<typeof shareOut>['cursor']
        for (const limit of limits) {
          const shares = shareOut(all, limit, cursor)
          cursor = shares.cursor
          for (const [id, n] of shares.take) total.set(id, total.get(id)! + n)
        }
        expect(Math.max(...total.values()) - Math.min(...total.values())).toBeLessThanOrEqual(1)
      },
    ),
  )
})
