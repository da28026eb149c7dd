/** Distances on a globe, and what counts as one network. */
import { describe, expect, test } from 'vitest'
import { formatPlace, makePlace, parsePlace, placeName } from '../../../server/core/place.ts'
import type { Place } from '../../../server/core/place.ts'
import { greatCircleKm, leastDistanceKm } from '../../../server/policy/anomaly-distance.ts'
import { canonicalAddress, networkOf } from '../../../server/policy/anomaly-network.ts'

const spot = (latitude: number, longitude: number) => ({ latitude, longitude })

test.each([
  [spot(52.52, 13.405), spot(48.8566, 2.3522), 877, 'Berlin to Paris'],
  [spot(40.7128, -74.006), spot(51.5074, -0.1278), 5570, 'New York to London'],
  [spot(-33.8688, 151.2093), spot(-36.8485, 174.7633), 2156, 'Sydney to Auckland'],
  [spot(0, 179.5), spot(0, -179.5), 111, 'over the date line'],
  [spot(-17.7, 178), spot(-13.8, -172), 1154, 'Fiji to Samoa, over the date line'],
  [spot(0, 180), spot(0, -180), 0, 'the date line, written both ways'],
  [spot(90, 0), spot(90, 123), 0, 'the north pole has all longitudes'],
  [spot(89, 0), spot(89, 180), 222, 'over the north pole'],
  [spot(-90, 0), spot(90, 0), 20_015, 'from pole to pole'],
  [spot(0, 0), spot(0, 180), 20_015, 'antipodes'],
  [spot(35.68, 139.69), spot(-35.68, -40.31), 20_015, 'antipodes, where rounding goes over 1'],
  [spot(51.5, 0), spot(51.5, 0), 0, 'the same spot'],
])('from %o to %o it is %i km (%s)', (from, to, km) => {
  expect(Math.abs(greatCircleKm(from, to) - km)).toBeLessThan(2)
  expect(greatCircleKm(to, from)).toBeCloseTo(greatCircleKm(from, to), 6)
})

const BERLIN: Place = { country: 'DE', latitude: 52.52, longitude: 13.405 }
const PARIS: Place = { country: 'FR', latitude: 48.8566, longitude: 2.3522 }
test.each<[string, Place, Place, number | undefined]>([
  ['exact places', { ...BERLIN, accuracyKm: 0 }, { ...PARIS, accuracyKm: 0 }, 877],
  ['both radii are taken off', { ...BERLIN, accuracyKm: 100 }, { ...PARIS, accuracyKm: 200 }, 577],
  ['without a radius a city is assumed', BERLIN, PARIS, 777],
  ['circles that meet', { ...BERLIN, accuracyKm: 500 }, { ...PARIS, accuracyKm: 500 }, 0],
  ['no coordinates here', { country: 'DE' }, PARIS, undefined],
  ['no coordinates there', BERLIN, {}, undefined],
  ['half a pair', { latitude: 1 }, PARIS, undefined],
])('the least distance: %s', (_what, from, to, km) => {
  const least = leastDistanceKm(from, to)
  expect(least === undefined ? undefined : Math.round(least)).toBe(km)
})

test.each<[string, string, string]>([
  ['192.0.2.7', '192.0.2.0/24', 'IPv4'],
  ['192.0.2.255', '192.0.2.0/24', 'the same'],
  ['::ffff:192.0.2.7', '192.0.2.0/24', 'on a dual-stack socket'],
  ['::ffff:c000:207', '192.0.2.0/24', 'in hexadecimal'],
  ['0:0:0:0:0:FFFF:192.0.2.7', '192.0.2.0/24', 'written out'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48', 'IPv6'],
  ['2001:db8:1::', '2001:db8:1::/48', 'short'],
  ['2001:0DB8:0001:ffff::1', '2001:db8:1::/48', 'with zeros and capitals'],
  ['2001:db8::1', '2001:db8:0::/48', 'with a gap at the place of the prefix'],
  ['2001:db8:0:1::1', '2001:db8:0::/48', 'the same'],
  ['fe80::1%eth0', 'fe80:0:0::/48', 'with a zone'],
  ['::1', '0:0:0::/48', 'loopback'],
  ['nonsense', 'nonsense', 'no address'],
  ['', '', 'nothing'],
])('%s is in %s (%s)', (ip, network) => {
  expect(networkOf(ip)).toBe(network)
})

test.each([
  ['::FFFF:1.2.3.4', '1.2.3.4'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['1.2.3.04', undefined],
  ['1.2.3.4:25', undefined],
  ['[::1]', undefined],
  ["1.2.3.4'", undefined],
])('%s in one way: %s', (ip, canonical) => {
  expect(canonicalAddress(ip)).toBe(canonical)
})

describe('a place in a row', () => {
  const full: Place = {
    country: 'DE',
    city: 'Berlin',
    latitude: 52.52,
    longitude: 13.4,
    accuracyKm: 20,
    asn: 64_500,
    network: 'Example',
    networkType: 'business',
  }
  test.each<[string, Place]>([
    ['full', full],
    ['unknown', {}],
    ['a country', { country: 'FR' }],
    ['a network', { asn: 64_500, network: 'Example' }],
  ])('comes back as it went: %s', (_what, place) => {
    expect(parsePlace(formatPlace(place))).toEqual(place)
  })

  test.each<[string, string, Place]>([
    ['nothing', '', {}],
    ['no JSON', '{country', {}],
    ['null', 'null', {}],
    ['a list', '["DE"]', {}],
    ['a number', '7', {}],
    ['a later version, with more in it', '{"country":"DE","planet":"Earth"}', { country: 'DE' }],
    ['a type of a later version', '{"country":"DE","networkType":"neural"}', { country: 'DE' }],
    ['other types', '{"country":49,"city":{},"latitude":"1","asn":1.5}', {}],
    ['hostile', '{"__proto__":{"country":"DE"},"constructor":1}', {}],
    ['lower case', '{"country":"de"}', { country: 'DE' }],
    ['coordinates out of range', '{"latitude":91,"longitude":1}', {}],
  ])('is read as far as it is one: %s', (_what, text, place) => {
    expect(parsePlace(text)).toEqual(place)
  })

  test('a name as long as a book is cut', () => {
    const parts = { ...full, city: 'x'.repeat(10_000) }
    expect(makePlace(parts as Record<keyof Place, unknown>).city).toHaveLength(100)
  })

  test.each<[Place, string]>([
    [full, 'Berlin, DE'],
    [{ country: 'DE' }, 'DE'],
    [{ city: 'Berlin' }, 'Berlin'],
    [{ asn: 1 }, 'unknown'],
    [{}, 'unknown'],
  ])('%o is called %s', (place, name) => {
    expect(placeName(place)).toBe(name)
  })
})
