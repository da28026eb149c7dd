/** Sign-ins that are like a person's others, and those that are not. */
import { describe, expect, test } from 'vitest'
import type { Place } from '../../../server/core/place.ts'
import type { Decision, FindingKind } from '../../../server/core/security.ts'
import { isBurst, judgeSignIn, placeChanged } from '../../../server/policy/anomaly.ts'
import type { AnomalySettings, SignIn, SignInFacts } from '../../../server/policy/anomaly.ts'
import { BERLIN, HOUR, MINUTE, TOKYO, defaults } from './sign-in-builders.ts'
import { earlier, facts, inCountry, kinds, signIn } from './sign-in-builders.ts'

describe('nothing is found', () => {
  test.each<[string, Partial<SignInFacts>]>([
    ['as always', {}],
    ['the first sign-in ever', { history: [], signIn: signIn(inCountry('JP')) }],
    ['an unknown place, after known ones', { signIn: signIn({ place: {} }) }],
    ['a known place, after unknown ones', { history: [earlier(MINUTE, { place: {} })] }],
    [
      'unknown after unknown',
      { signIn: signIn({ place: {} }), history: [earlier(1, { place: {} })] },
    ],
    ['an unknown device', { signIn: signIn({ device: '' }) }],
    ['a known device, after unknown ones', { history: [earlier(HOUR, { device: '' })] }],
    [
      'another city, as far as one travels',
      {
        signIn: signIn({ place: TOKYO }),
        history: [earlier(11 * HOUR, { place: BERLIN }), earlier(999 * HOUR, { place: TOKYO })],
      },
    ],
    [
      'another country, after the window',
      {
        signIn: signIn(inCountry('FR')),
        history: [earlier(2 * HOUR, inCountry('DE')), earlier(999 * HOUR, inCountry('FR'))],
      },
    ],
    [
      'from home to the mobile network: residential to mobile',
      {
        signIn: signIn({ place: { country: 'DE', networkType: 'mobile' } }),
        history: [earlier(HOUR, { place: { country: 'DE', networkType: 'residential' } })],
      },
    ],
    [
      'a data centre, where no type was known before',
      { signIn: signIn({ place: { country: 'DE', networkType: 'hosting' } }) },
    ],
    ['some failures before', { failures: defaults.failures - 1 }],
    [
      'failures of a few accounts, however many',
      { network: { failures: 1000, accounts: defaults.burstAccounts - 1 } },
    ],
  ])('%s', (_why, given) => {
    expect(judgeSignIn(facts(given), defaults)).toEqual({
      score: 0,
      decision: 'allow',
      findings: [],
    })
  })
})

describe('one thing alone, with a second factor and without', () => {
  const without = (seen: Partial<Place>): readonly SignIn[] => [
    earlier(24 * HOUR, { place: { country: 'DE', ...seen } }),
  ]
  test.each<[FindingKind, Partial<SignInFacts>, string, number, Decision, Decision]>([
    [
      'new-country',
      { signIn: signIn(inCountry('FR')) },
      'First sign-in from FR; before: DE.',
      50,
      'challenge',
      'notify',
    ],
    [
      'impossible-travel',
      {
        signIn: signIn(inCountry('FR')),
        history: [earlier(30 * MINUTE), earlier(99 * HOUR, inCountry('FR'))],
      },
      'DE and FR within 30 min: two countries in less than 2 h.',
      75,
      'challenge',
      'lock',
    ],
    [
      'impossible-travel',
      {
        signIn: signIn({ place: TOKYO }),
        history: [earlier(HOUR, { place: BERLIN }), earlier(99 * HOUR, { place: TOKYO })],
      },
      'Berlin, DE and Tokyo, JP within 60 min: at least 8877 km, 8877 km/h; nobody travels faster than 900 km/h.',
      75,
      'challenge',
      'lock',
    ],
    [
      'network-type-change',
      {
        signIn: signIn({ place: { country: 'DE', networkType: 'vpn', network: 'Example VPN' } }),
        history: without({ networkType: 'residential' }),
      },
      'First sign-in through a network of type vpn of Example VPN; before: residential.',
      30,
      'notify',
      'notify',
    ],
    [
      'new-device',
      { signIn: signIn({ device: 'phone' }) },
      'A device that none of the last 2 sign-ins came from.',
      20,
      'notify',
      'notify',
    ],
    [
      'burst-from-network',
      { network: { failures: 31, accounts: 12 } },
      '81.2.69.0/24 failed 31 times at 12 accounts within 15 min.',
      60,
      'challenge',
      'notify',
    ],
    [
      'failures-before-success',
      { failures: 9 },
      '9 failures at this account within 15 min before.',
      20,
      'notify',
      'notify',
    ],
  ])('%s: %o', (kind, given, reason, score, decision, decisionWithout) => {
    const judged = judgeSignIn(facts(given), defaults)
    expect(judged).toEqual({ score, decision, findings: [{ kind, score, reason }] })
    const weak = judgeSignIn(facts({ ...given, hasSecondFactor: false }), defaults)
    expect(weak).toEqual({ ...judged, decision: decisionWithout })
  })
})

describe('several things together', () => {
  const stranger = signIn({ device: 'phone', ...inCountry('BR') })
  const hidden = signIn({ device: 'phone', place: { country: 'BR', networkType: 'hosting' } })
  const home = (ms: number): SignIn =>
    earlier(ms, { place: { country: 'DE', networkType: 'residential' } })
  test.each<[string, Partial<SignInFacts>, number, Decision, Decision]>([
    ['on a journey, with a new device', { signIn: stranger }, 70, 'challenge', 'notify'],
    [
      'far away too soon in a new country: a place counts once',
      { signIn: signIn(inCountry('BR')), history: [earlier(HOUR)] },
      75,
      'challenge',
      'lock',
    ],
    [
      'the same with a new device',
      { signIn: stranger, history: [earlier(HOUR)] },
      95,
      'challenge',
      'lock',
    ],
    [
      'the same after guessing: it ends at 100',
      { signIn: stranger, history: [earlier(HOUR)], failures: 50 },
      100,
      'lock',
      'lock',
    ],
    [
      'a phished second factor: new country, data centre, new device',
      { signIn: hidden, history: [home(24 * HOUR)] },
      100,
      'lock',
      'lock',
    ],
    [
      'a new device on a network that was guessing',
      { signIn: signIn({ device: 'phone' }), network: { failures: 99, accounts: 40 } },
      80,
      'challenge',
      'lock',
    ],
    [
      'a new phone and a forgotten password',
      { signIn: signIn({ device: 'phone' }), failures: 6 },
      40,
      'notify',
      'notify',
    ],
  ])('%s', (_what, given, score, decision, decisionWithout) => {
    expect(judgeSignIn(facts(given), defaults)).toMatchObject({ score, decision })
    const weak = judgeSignIn(facts({ ...given, hasSecondFactor: false }), defaults)
    expect(weak).toMatchObject({ score, decision: decisionWithout })
  })

  test('the gravest comes first', () => {
    const given = facts({ signIn: stranger, history: [earlier(HOUR)], failures: 50 })
    expect(kinds(given)).toEqual([
      'impossible-travel',
      'new-country',
      'new-device',
      'failures-before-success',
    ])
  })
})

describe('settings', () => {
  const france = facts({ signIn: signIn(inCountry('FR')) })
  const scores = (over: Partial<AnomalySettings['scores']>): AnomalySettings => ({
    ...defaults,
    scores: { ...defaults.scores, ...over },
  })
  test.each<[string, AnomalySettings, number, Decision]>([
    ['a score of its own', scores({ newCountry: 15 }), 15, 'allow'],
    ['a score of 0 turns a finding off', scores({ newCountry: 0 }), 0, 'allow'],
    ['a score of 100 locks', scores({ newCountry: 100 }), 100, 'lock'],
    ['a lower threshold', { ...defaults, lockAt: 50 }, 50, 'lock'],
    ['never a challenge', { ...defaults, challengeAt: 101 }, 50, 'notify'],
    ['never a word', { ...defaults, notifyAt: 101, challengeAt: 101, lockAt: 101 }, 50, 'allow'],
  ])('%s', (_what, settings, score, decision) => {
    expect(judgeSignIn(france, settings)).toMatchObject({ score, decision })
  })

  test('who cannot be challenged is at least told, even when mails begin later', () => {
    const settings = { ...defaults, notifyAt: 90 }
    const weak = judgeSignIn({ ...france, hasSecondFactor: false }, settings)
    expect(weak.decision).toBe('notify')
  })

  test('nothing is locked when that is turned off', () => {
    const settings = { ...defaults, lockAt: 101, lockWithoutSecondFactorAt: 101 }
    const worst = facts({ signIn: signIn({ device: 'x', ...inCountry('FR') }), failures: 99 })
    expect(judgeSignIn(worst, settings)).toMatchObject({ score: 90, decision: 'challenge' })
    const weak = judgeSignIn({ ...worst, hasSecondFactor: false }, settings)
    expect(weak.decision).toBe('notify')
  })
})

test('a data centre that was used before is nothing new', () => {
  const place: Place = { country: 'DE', networkType: 'hosting' }
  const history = [
    earlier(HOUR, { place }),
    earlier(9 * HOUR, { place: { ...place, networkType: 'residential' } }),
  ]
  expect(kinds(facts({ signIn: signIn({ place }), history }))).toEqual([])
  const vpn = signIn({ place: { ...place, networkType: 'vpn' } })
  expect(kinds(facts({ signIn: vpn, history }))).toEqual(['network-type-change'])
})

test('a burst is counted by accounts, not by failures', () => {
  expect(isBurst({ failures: 900, accounts: 4 }, defaults)).toBe(false)
  expect(isBurst({ failures: 5, accounts: 5 }, defaults)).toBe(true)
})

test.each([
  ['DE', 'FR', true],
  ['DE', 'DE', false],
  [undefined, 'FR', false],
  ['DE', undefined, false],
  [undefined, undefined, false],
])('a key that was used in %s and is now in %s has moved: %s', (former, now, moved) => {
  expect(placeChanged(former, now)).toBe(moved)
})
