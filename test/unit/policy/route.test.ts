import { describe, expect, test } from 'vitest'
import { asId } from '../../../server/core/ids.ts'
import { chooseRoute, chooseSource } from '../../../server/policy/route.ts'
import type { PoolSource, Route, RouteFacts, RouteMatch } from '../../../server/policy/route.ts'

const facts: RouteFacts = {
  tenant: asId('tenant', 7),
  stream: 'bulk',
  tags: ['spring', 'news'],
  senderDomain: 'shop.example',
  recipientDomain: 'mail.example.org',
  provider: 'google',
}

const route = (id: number, position: number, match: RouteMatch = {}): Route => ({
  id: asId('route', id),
  position,
  match,
  target: { kind: 'pool', pool: asId('pool', id) },
})

describe('a route fits when all its conditions hold', () => {
  test.each<[string, RouteMatch, boolean]>([
    ['no condition', {}, true],
    ['the tenant', { tenant: asId('tenant', 7) }, true],
    ['another tenant', { tenant: asId('tenant', 8) }, false],
    ['the stream', { stream: 'bulk' }, true],
    ['another stream', { stream: 'transactional' }, false],
    ['one of the tags', { tag: 'news' }, true],
    ['no such tag', { tag: 'autumn' }, false],
    ['the sender domain', { senderDomain: 'shop.example' }, true],
    ['a name is not its parent', { recipientDomain: 'example.org' }, false],
    ['every name below', { recipientDomain: '*.example.org' }, true],
    ['the star does not stand for the domain itself', { senderDomain: '*.shop.example' }, false],
    ['the star stops at a dot', { recipientDomain: '*.ample.org' }, false],
    ['the provider', { provider: 'google' }, true],
    ['another provider', { provider: 'yahoo' }, false],
    ['two of two', { stream: 'bulk', provider: 'google' }, true],
    ['one of two', { stream: 'bulk', provider: 'yahoo' }, false],
  ])('%s', (_why, match, expected) => {
    expect(chooseRoute([route(1, 1, match)], facts) !== undefined).toBe(expected)
  })

  test('a condition on what is not known does not hold', () => {
    const bare = { ...facts, provider: undefined, tags: undefined }
    expect(chooseRoute([route(1, 1, { provider: 'google' })], bare)).toBeUndefined()
    expect(chooseRoute([route(1, 1, { tag: 'news' })], bare)).toBeUndefined()
  })
})

describe('the first by position wins', () => {
  test.each([
    ['whatever the order of the list', [route(1, 9), route(2, 3), route(3, 5)], 2],
    ['the smaller id at equal positions', [route(4, 1), route(3, 1)], 3],
    ['one that does not fit is passed over', [route(1, 1, { tag: 'no' }), route(2, 2)], 2],
    ['none fits', [route(1, 1, { tag: 'no' })], undefined],
  ])('%s', (_why, routes, expected) => {
    expect(chooseRoute(routes, facts)?.id).toBe(expected)
  })
})

const member = (id: number, weight = 1, state: PoolSource['state'] = 'active'): PoolSource => ({
  source: asId('source', id),
  weight,
  state,
})
const KEYS = Array.from({ length: 20_000 }, (_, i) => 7_000_000_000_000_000 + i)
const assign = (members: readonly PoolSource[]) =>
  KEYS.map((stickyKey) => chooseSource(members, { stickyKey }))

describe('the source of a delivery', () => {
  test('is the same each time, in any order of the pool', () => {
    const pool = [member(1), member(2), member(3)]
    expect(assign(pool.toReversed())).toEqual(assign(pool))
  })

  test('follows the weights within 2 %', () => {
    const chosen = assign([member(1, 1), member(2, 2), member(3, 5)])
    const share = (id: number) => chosen.filter((source) => source === id).length / KEYS.length
    expect(share(1)).toBeCloseTo(1 / 8, 1.7)
    expect(share(2)).toBeCloseTo(2 / 8, 1.7)
    expect(share(3)).toBeCloseTo(5 / 8, 1.7)
  })

  test('a source that goes out of service moves only its own deliveries, to all the others', () => {
    const before = assign([member(1), member(2), member(3), member(4)])
    const after = assign([member(1), member(2), member(3, 1, 'unhealthy'), member(4)])
    const moved = KEYS.map((_, i) => i).filter((i) => before[i] !== after[i])
    expect(moved.every((i) => before[i] === 3)).toBe(true)
    expect(moved).toHaveLength(before.filter((source) => source === 3).length)
    expect(new Set(moved.map((i) => after[i])).size).toBe(3)
  })

  test('a source that gains weight only takes', () => {
    const before = assign([member(1), member(2)])
    const after = assign([member(1), member(2, 3)])
    expect(KEYS.every((_, i) => before[i] === after[i] || after[i] === 2)).toBe(true)
  })

  test('words are keys as well', () => {
    const pool = [member(1), member(2)]
    const chosen = KEYS.slice(0, 1000).map((n) => chooseSource(pool, { stickyKey: `a${n}@b.test` }))
    const first = chosen.filter((source) => source === 1).length
    expect(first).toBeGreaterThan(430)
    expect(first).toBeLessThan(570)
  })

  test.each([
    ['an empty pool', []],
    ['all out of service', [member(1, 1, 'suspended'), member(2, 1, 'unhealthy')]],
    ['no weight', [member(1, 0), member(2, NaN)]],
  ])('there is none in %s', (_why, pool) => {
    expect(chooseSource(pool, { stickyKey: 1 })).toBeUndefined()
  })
})
