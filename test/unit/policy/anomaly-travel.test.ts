/** Journeys that nobody can have made, and those that only look like it. */
import { describe, expect, test } from 'vitest'
import type { Place } from '../../../server/core/place.ts'
import type { FindingKind } from '../../../server/core/security.ts'
import { judgeSignIn } from '../../../server/policy/anomaly.ts'
import type { SignIn } from '../../../server/policy/anomaly.ts'
import { BERLIN, HOUR, MINUTE, PARIS, defaults } from './sign-in-builders.ts'
import { earlier, facts, inCountry, kinds, signIn } from './sign-in-builders.ts'

describe('times out of order', () => {
  test.each<[string, readonly SignIn[], readonly FindingKind[]]>([
    [
      'a clock that was put back: the other sign-in is 10 minutes later',
      [earlier(-10 * MINUTE, inCountry('FR')), earlier(99 * HOUR)],
      ['impossible-travel'],
    ],
    [
      'later by more than the window',
      [earlier(-3 * HOUR, inCountry('FR')), earlier(99 * HOUR)],
      [],
    ],
    [
      'the nearest in time counts, wherever it stands in the list',
      [earlier(99 * HOUR, inCountry('FR')), earlier(5 * HOUR, inCountry('FR')), earlier(MINUTE)],
      [],
    ],
    [
      'an unknown place in between hides nothing',
      [earlier(MINUTE, { place: {} }), earlier(HOUR, inCountry('FR')), earlier(99 * HOUR)],
      ['impossible-travel'],
    ],
    [
      'at the same moment',
      [earlier(0, inCountry('FR')), earlier(99 * HOUR)],
      ['impossible-travel'],
    ],
  ])('%s', (_why, history, expected) => {
    expect(kinds(facts({ history }))).toEqual(expected)
  })

  test('at the same moment in two cities is fast, not infinitely fast', () => {
    const history = [earlier(0, { place: PARIS }), earlier(99 * HOUR, { place: BERLIN })]
    const { findings } = judgeSignIn(
      facts({ signIn: signIn({ place: BERLIN }), history }),
      defaults,
    )
    expect(findings[0]?.reason).toMatch(/within 0 min: at least 83\d km, 50\d{3} km\/h/)
  })
})

describe('coordinates come before countries', () => {
  const border: Place = { country: 'CH', latitude: 47.56, longitude: 7.59, accuracyKm: 10 }
  const beyond: Place = { country: 'DE', latitude: 47.62, longitude: 7.66, accuracyKm: 10 }
  test.each<[string, Place, Place, number, boolean]>([
    ['two countries, but next to each other', border, beyond, MINUTE, false],
    [
      'one country, but too far',
      { ...BERLIN },
      { ...BERLIN, latitude: 47.99, longitude: 7.85 },
      20 * MINUTE,
      true,
    ],
    [
      'within their accuracy',
      { ...BERLIN, accuracyKm: 500 },
      { ...PARIS, country: 'DE', accuracyKm: 400 },
      MINUTE,
      false,
    ],
    [
      'a town further, as databases have it at times',
      BERLIN,
      { ...BERLIN, latitude: 53.55, longitude: 9.99 },
      MINUTE,
      true,
    ],
    [
      'less than the least distance',
      BERLIN,
      { ...BERLIN, latitude: 51.05, longitude: 13.74 },
      MINUTE,
      false,
    ],
    ['coordinates on one side only: countries again', { country: 'FR' }, BERLIN, HOUR, true],
    ['coordinates on one side only, same country', { country: 'DE' }, BERLIN, MINUTE, false],
  ])('%s', (_what, from, to, ms, isFound) => {
    const history = [earlier(ms, { place: from }), earlier(9999 * HOUR, { place: to })]
    const found = kinds(facts({ signIn: signIn({ place: to }), history }))
    expect(found).toEqual(isFound ? ['impossible-travel'] : [])
  })
})

describe('a network that was used often is a way out, not a journey', () => {
  const fromOffice = (ip: string, times: number): readonly SignIn[] => [
    earlier(HOUR),
    ...Array.from({ length: times }, (_, i) => earlier((i + 9) * HOUR, { ip, ...inCountry('FR') })),
  ]
  test.each<[string, string, string, number, boolean]>([
    ['IPv4, three times', '62.1.1.9', '62.1.1.200', 3, false],
    ['IPv4, twice', '62.1.1.9', '62.1.1.200', 2, true],
    ['IPv4, another /24', '62.1.1.9', '62.1.2.9', 3, true],
    ['IPv6, three times', '2a02:6b80:1:1::9', '2a02:6b80:1:ffff::1', 3, false],
    ['IPv6, another /48', '2a02:6b80:1::9', '2a02:6b80:2::9', 3, true],
    ['IPv4 on a dual-stack socket', '62.1.1.9', '::ffff:62.1.1.3', 3, false],
  ])('%s', (_what, before, now, times, isFound) => {
    const given = facts({
      signIn: signIn({ ip: now, ...inCountry('FR') }),
      history: fromOffice(before, times),
    })
    expect(kinds(given)).toEqual(isFound ? ['impossible-travel'] : [])
  })
})
