import { describe, expect, test } from 'vitest'
import type { Limits, Provider } from '../../../server/core/provider.ts'
import {
  BUILT_IN_PROVIDERS,
  DEFAULT_LIMITS,
  explainLimits,
  laneLimits,
} from '../../../server/policy/shape.ts'
import type { LimitOverride } from '../../../server/policy/shape.ts'

const provider = (limits: Limits): Provider => ({
  name: 'big',
  title: 'Big Mail',
  mxSuffixes: ['big.test'],
  mxHosts: [],
  domains: [],
  limits,
  source: 'a talk',
  since: '2026-09-01',
})
const override = (
  scope: LimitOverride['scope'],
  limits: Limits,
  from: string = scope,
): LimitOverride => ({ scope, limits, from })
const perSecond = (messages: number) => ({ messages, perMs: 1000 })
const perMinute = (messages: number) => ({ messages, perMs: 60_000 })

describe('connections', () => {
  test.each<[Limits | undefined, LimitOverride[], number, string, string]>([
    [undefined, [], 10, 'built-in default', 'nothing is known'],
    [{}, [], 10, 'built-in default', 'a provider of which no number is known'],
    [{ connections: 5 }, [], 5, 'provider big (a talk)', 'the provider'],
    [{ connections: 25 }, [], 25, 'provider big (a talk)', 'the default does not hold it down'],
    [undefined, [override('default', { connections: 40 })], 40, 'default', 'another default'],
    [
      { connections: 25 },
      [override('default', { connections: 2 })],
      25,
      'provider big (a talk)',
      'the default is for unknown ones',
    ],
    [
      { connections: 5 },
      [override('provider', { connections: 20 })],
      5,
      'provider big (a talk)',
      'overrides only tighten',
    ],
    [
      { connections: 25 },
      [
        override('lane', { connections: 6 }),
        override('source', { connections: 3 }),
        override('provider', { connections: 9 }),
      ],
      3,
      'source',
      'the tightest, whoever said it',
    ],
    [
      { connections: 5 },
      [override('lane', { connections: 5 })],
      5,
      'provider big (a talk)',
      'of equal ones the general',
    ],
    [{}, [override('lane', { connections: 0 })], 1, 'lane', 'a limit does not stop a lane'],
    [{}, [override('lane', { connections: 2.9 })], 2, 'lane', 'halves are cut'],
    [{}, [override('lane', { messagesPerConnection: 1 })], 10, 'built-in default', 'other fields'],
  ])('%j with %j → %i from %s: %s', (limits, overrides, value, from) => {
    const facts = { provider: limits && provider(limits), overrides }
    expect(explainLimits(facts).connections).toEqual({ value, from })
    expect(laneLimits(facts).connections).toBe(value)
  })
})

describe('rate', () => {
  test.each<[Limits, Limits[], ReturnType<typeof perSecond> | undefined, string]>([
    [{}, [], undefined, 'nobody limits it'],
    [{ rate: perSecond(10) }, [], perSecond(10), 'the provider'],
    [{}, [{ rate: perSecond(10) }], perSecond(10), 'an override alone'],
    [{ rate: perSecond(1) }, [{ rate: perMinute(30) }], perMinute(30), 'by average: 0.5/s'],
    [{ rate: perSecond(1) }, [{ rate: perMinute(90) }], perSecond(1), 'by average: 1.5/s'],
    [
      { rate: perSecond(1) },
      [{ rate: { messages: Infinity, perMs: 1000 } }],
      perSecond(1),
      'unlimited is loosest',
    ],
  ])('%j with %j → %j: %s', (limits, overrides, expected) => {
    const facts = {
      provider: provider(limits),
      overrides: overrides.map((each) => override('lane', each)),
    }
    expect(laneLimits(facts).rate).toEqual(expected)
  })
})

describe('TLS', () => {
  test.each<[Limits['tls'], LimitOverride[], string, string]>([
    [undefined, [], 'opportunistic', 'the default'],
    ['required', [], 'required', 'the provider'],
    ['required', [override('lane', { tls: 'off' })], 'required', 'cannot be talked down'],
    [undefined, [override('source', { tls: 'required' })], 'required', 'anybody may ask for it'],
    [undefined, [override('lane', { tls: 'off' })], 'off', 'a host with broken TLS'],
    [
      'off',
      [override('lane', { tls: 'opportunistic' }), override('provider', { tls: 'off' })],
      'opportunistic',
      'the narrowest word counts',
    ],
  ])('%s with %j → %s: %s', (tls, overrides, expected) => {
    expect(laneLimits({ provider: provider({ tls }), overrides }).tls).toBe(expected)
  })
})

describe('the table', () => {
  const names = BUILT_IN_PROVIDERS.map(({ name }) => name)
  const ofName = (name: string): Provider => BUILT_IN_PROVIDERS.find((each) => each.name === name)!

  test.each<[string, number, number, string]>([
    ['google', 5, 50, 'required'],
    ['yahoo', 10, 20, 'opportunistic'],
    ['outlook', 5, 50, 'opportunistic'],
    ['office365', 5, 50, 'opportunistic'],
    ['apple', 10, 5, 'opportunistic'],
    ['comcast', 25, 1000, 'required'],
    ['orange', 2, 100, 'required'],
    ['gmx', 4, 20, 'required'],
    ['yahoo-japan', 2, 20, 'opportunistic'],
    ['proofpoint', 10, 100, 'opportunistic'],
  ])('%s: %i connections, %i messages each, TLS %s', (name, connections, messages, tls) => {
    expect(laneLimits({ provider: ofName(name), overrides: [] })).toMatchObject({
      connections,
      messagesPerConnection: messages,
      tls,
    })
  })

  test('only Yahoo Japan has a rate', () => {
    const rated = BUILT_IN_PROVIDERS.filter(({ limits }) => limits.rate !== undefined)
    expect(rated.map(({ name }) => name)).toEqual(['yahoo-japan'])
    expect(rated[0]?.limits.rate).toEqual(perSecond(10))
    expect(DEFAULT_LIMITS).toEqual({
      connections: 10,
      messagesPerConnection: 100,
      tls: 'opportunistic',
    })
  })

  test('names are unique words that can be part of a key', () => {
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
  })

  test('each has a rule, a title, a source, a day and limits of at least one', () => {
    for (const each of BUILT_IN_PROVIDERS) {
      const { name, title, source, since, limits } = each
      const rules = [...each.mxSuffixes, ...each.mxHosts, ...each.domains]
      expect(rules.length, name).toBeGreaterThan(0)
      for (const rule of rules) expect(rule, name).toMatch(/^([a-z0-9-]+\.)+[a-z]+$/)
      expect(title && source, name).not.toBe('')
      expect(since, name).toMatch(/^\d{4}-\d\d-\d\d$/)
      for (const count of [limits.connections, limits.messagesPerConnection]) {
        expect(count ?? 1, name).toBeGreaterThanOrEqual(1)
      }
    }
  })

  test('no host can belong to two of them', () => {
    const suffixes = BUILT_IN_PROVIDERS.flatMap(({ name, mxSuffixes }) =>
      mxSuffixes.map((suffix) => ({ name, suffix })),
    )
    const clashes = suffixes.filter((a) =>
      suffixes.some((b) => a !== b && `.${a.suffix}`.endsWith(`.${b.suffix}`)),
    )
    expect(clashes).toEqual([])
  })
})
