/** Where addresses are: the database that comes along, MaxMind's kinds, and files that are broken or change. */
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openPlaces } from '../../../server/services/auth/place.ts'
import type { PlaceFiles } from '../../../server/services/auth/place.ts'
import { TEST_START, manualClock } from '../../support/clock.ts'
import { recordingLog } from '../../support/log.ts'
import { mmdb } from '../../support/mmdb.ts'
import type { MmdbOptions, MmdbValue } from '../../support/mmdb.ts'

const HOUR = 3_600_000

function folder() {
  const path = mkdtempSync(join(tmpdir(), 'posthorn-place-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  let writes = 0
  return (name: string, bytes: Buffer): string => {
    const file = join(path, name)
    writeFileSync(file, bytes)
    // Two writes within one tick of the file system must differ, as they would a day apart.
    const time = TEST_START / 1000 + writes++
    utimesSync(file, time, time)
    return file
  }
}

async function places(files: PlaceFiles = {}) {
  const clock = manualClock()
  const log = recordingLog()
  const opened = await openPlaces({ ...files, clock, log })
  onTestFinished(() => opened.close())
  return { ...opened, clock, log }
}

const city = (networks: Readonly<Record<string, MmdbValue>>, over: Partial<MmdbOptions> = {}) =>
  mmdb({ type: 'GeoLite2-City', networks, ...over })

const LONDON = {
  city: { geoname_id: 2_643_743, names: { de: 'London', en: 'London', fr: 'Londres' } },
  country: { iso_code: 'GB', names: { en: 'United Kingdom' } },
  registered_country: { iso_code: 'US' },
  location: {
    accuracy_radius: 10,
    latitude: 51.5142,
    longitude: -0.0931,
    time_zone: 'Europe/London',
  },
}
const IN_LONDON = {
  country: 'GB',
  city: 'London',
  latitude: 51.5142,
  longitude: -0.0931,
  accuracyKm: 10,
}

describe('the database that comes along', async () => {
  const clock = manualClock()
  const opened = await openPlaces({ clock, log: recordingLog() })
  test.each<[string, string | undefined, string]>([
    ['8.8.8.8', 'US', 'IPv4'],
    ['193.0.6.139', 'NL', 'IPv4'],
    ['2001:67c:2e8:22::c100:68b', 'NL', 'IPv6'],
    ['::ffff:193.0.6.139', 'NL', 'IPv4 on a dual-stack socket'],
    ['::FFFF:c100:068b', 'NL', 'the same in hexadecimal'],
    ['2001:67C:2E8:22:0:0:C100:68B%eth0', 'NL', 'IPv6 written otherwise, with a zone'],
    ['127.0.0.1', undefined, 'loopback'],
    ['10.1.2.3', undefined, 'private'],
    ['192.168.0.1', undefined, 'private'],
    ['::1', undefined, 'loopback'],
    ['172.16.0.1', undefined, 'private'],
    ['172.31.255.255', undefined, 'private'],
    ['::ffff:192.168.0.1', undefined, 'private, on a dual-stack socket'],
    ['100.64.0.1', undefined, 'behind the NAT of a provider'],
    ['203.0.113.1', undefined, 'for documentation'],
    ['198.51.100.1', undefined, 'for documentation'],
    ['fe80::1', undefined, 'link-local'],
    ['fd00::1', undefined, 'unique local'],
    ['2001:db8::1', undefined, 'for documentation'],
    ['', undefined, 'no address'],
    ['example.test', undefined, 'no address'],
    ['1.2.3', undefined, 'no address'],
    ['999.1.1.1', undefined, 'no address'],
    [':::', undefined, 'no address'],
  ])('%j is in %s (%s)', (ip, country) => {
    expect(opened.placeOf(ip)).toEqual(country === undefined ? {} : { country })
  })

  test('says what it is', () => {
    expect(opened.files()).toMatchObject([{ type: 'country ipvAll' }])
    expect(opened.files()[0]?.builtAt).toBeGreaterThan(Date.UTC(2025, 0, 1))
  })

  test('leaves no timer behind', () => {
    expect(clock.pending()).toBe(1)
    opened.close()
    expect(clock.pending()).toBe(0)
  })
})

test.each([
  { recordSize: 24, ipVersion: 6 },
  { recordSize: 28, ipVersion: 6 },
  { recordSize: 32, ipVersion: 6 },
  { recordSize: 24, ipVersion: 4 },
  { recordSize: 28, ipVersion: 4 },
] as const)('a City database with %o', async (form) => {
  const file = folder()
  const v6 = form.ipVersion === 6 ? { '2a02:6b80::/32': { country: { iso_code: 'FR' } } } : {}
  const bytes = city({ '81.2.69.0/24': LONDON, '81.2.69.192/26': {}, ...v6 }, form)
  const { placeOf } = await places({ cityFile: file('city.mmdb', bytes) })
  expect(placeOf('81.2.69.142')).toEqual(IN_LONDON)
  expect(placeOf('::ffff:81.2.69.142')).toEqual(IN_LONDON)
  expect(placeOf('81.2.69.200')).toEqual({}) // in the tree, with an empty record
  expect(placeOf('81.2.70.1')).toEqual({}) // not in the tree
  expect(placeOf('2a02:6b80::9')).toEqual(form.ipVersion === 6 ? { country: 'FR' } : {})
  // The first 32 bits are those of 81.2.69.0/24: a file of IPv4 alone would answer with London.
  expect(placeOf('5102:458e::1')).toEqual({})
})

test("the package's file of one family is not asked about the other", async () => {
  const resolve = createRequire(import.meta.url).resolve
  const base = '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country'
  const v4 = await places({ cityFile: resolve(`${base}-ipv4.mmdb`) })
  expect(v4.placeOf('193.0.6.139')).toEqual({ country: 'NL' })
  expect(v4.placeOf('2001:4860:4860::8888')).toEqual({})
  const v6 = await places({ cityFile: resolve(`${base}-ipv6.mmdb`) })
  expect(v6.placeOf('2001:67c:2e8:22::c100:68b')).toEqual({ country: 'NL' })
  expect(v6.placeOf('193.0.6.139')).toEqual({})
})

test.each<[string, MmdbValue, object]>([
  ['the flat form', { country_code: 'de' }, { country: 'DE' }],
  [
    'the flat form with a city, numbers as text',
    { city: 'Lyon', country_code: 'FR', latitude: '45.76', longitude: '4.83', postcode: '69001' },
    { country: 'FR', city: 'Lyon', latitude: 45.76, longitude: 4.83 },
  ],
  ['no country', { country_code: 'ZZ' }, {}],
  ['a region', { country: { iso_code: 'EU' } }, {}],
  ['only where it is registered', { registered_country: { iso_code: 'US' } }, {}],
  [
    'zero for unknown coordinates',
    { country_code: 'FR', latitude: 0, longitude: 0 },
    { country: 'FR' },
  ],
  [
    'on the equator',
    { country_code: 'KE', latitude: 0, longitude: 37.5 },
    { country: 'KE', latitude: 0, longitude: 37.5 },
  ],
  ['half a pair of coordinates', { country_code: 'FR', latitude: 45 }, { country: 'FR' }],
  [
    'coordinates that are none',
    { latitude: 451, longitude: 4, country_code: 'FR' },
    { country: 'FR' },
  ],
  ['other types than announced', { country: 'Germany', city: { names: 7 }, location: ['x'] }, {}],
  ['a list for a record', ['US'], {}],
  ['a text for a record', 'US', {}],
  ['hostile names', JSON.parse('{"__proto__":{"country_code":"DE"}}') as MmdbValue, {}],
  ['ASN as text', { asn: 'AS64500', as_name: 'Example' }, { asn: 64_500, network: 'Example' }],
  [
    'Enterprise',
    {
      country: { iso_code: 'US' },
      traits: {
        autonomous_system_number: 64_501,
        autonomous_system_organization: 'Example Net',
        connection_type: 'Cable/DSL',
        user_type: 'cellular',
      },
    },
    { country: 'US', asn: 64_501, network: 'Example Net', networkType: 'mobile' },
  ],
])('a record is read for what it holds: %s', async (_what, record, place) => {
  const { placeOf } = await places({
    cityFile: folder()('x.mmdb', city({ '81.2.0.0/15': record })),
  })
  expect(placeOf('81.2.0.1')).toEqual(place)
})

test('city, network and its type come from three files', async () => {
  const file = folder()
  const { placeOf, files } = await places({
    cityFile: file('city.mmdb', city({ '81.2.69.0/24': LONDON, '81.2.70.0/24': LONDON })),
    asnFile: file(
      'asn.mmdb',
      mmdb({
        type: 'GeoLite2-ASN',
        networks: {
          '81.2.64.0/20': {
            autonomous_system_number: 20_712,
            autonomous_system_organization: 'Example Ltd',
          },
        },
      }),
    ),
    typeFile: file(
      'type.mmdb',
      mmdb({
        type: 'GeoIP2-Connection-Type',
        networks: {
          '81.2.69.0/24': { connection_type: 'Corporate' },
          '81.2.70.0/24': { connection_type: 'Something new' },
        },
      }),
    ),
  })
  const both = { ...IN_LONDON, asn: 20_712, network: 'Example Ltd' }
  expect(placeOf('81.2.69.1')).toEqual({ ...both, networkType: 'business' })
  expect(placeOf('81.2.70.1')).toEqual(both)
  expect(placeOf('81.2.71.1')).toEqual({ asn: 20_712, network: 'Example Ltd' })
  expect(files().map(({ type }) => type)).toEqual([
    'GeoLite2-City',
    'GeoLite2-ASN',
    'GeoIP2-Connection-Type',
  ])
})

test.each([
  [{ is_anonymous: true, is_tor_exit_node: true, is_anonymous_vpn: true }, 'tor'],
  [{ is_anonymous: true, is_anonymous_vpn: true, is_hosting_provider: true }, 'vpn'],
  [{ is_anonymous: true, is_public_proxy: true }, 'proxy'],
  [{ is_anonymous: true, is_residential_proxy: true }, 'proxy'],
  [{ is_anonymous: true, is_hosting_provider: true }, 'hosting'],
  [{ is_anonymous: true }, 'proxy'],
  [{ is_anonymous: false }, 'ordinary'],
  [{}, 'ordinary'],
])('Anonymous-IP says %o: %s', async (record, networkType) => {
  const file = folder()
  const { placeOf } = await places({
    cityFile: file('city.mmdb', city({ '81.2.0.0/15': { country_code: 'US' } })),
    typeFile: file(
      'anonymous.mmdb',
      mmdb({ type: 'GeoIP2-Anonymous-IP', networks: { '81.2.0.0/16': record } }),
    ),
  })
  expect(placeOf('81.2.0.1')).toEqual({ country: 'US', networkType })
  expect(placeOf('81.3.0.1')).toEqual({ country: 'US', networkType: 'ordinary' }) // not listed
  expect(placeOf('10.0.0.1')).toEqual({}) // nobody knows: not even ordinary
})

const whole = city({ '81.2.69.0/24': LONDON })
const BROKEN: readonly (readonly [string, Buffer, RegExp])[] = [
  ['empty', Buffer.alloc(0), /no MaxMind database/],
  ['something else', Buffer.from('<!doctype html><title>404</title>'), /no MaxMind database/],
  ['cut short', whole.subarray(0, -400), /no MaxMind database/],
  ['cut short in its last lines', whole.subarray(0, -20), /cannot be used/],
  [
    'with another marker',
    Buffer.from(whole.toString('latin1').replace('MaxMind', 'MinMaxd'), 'latin1'),
    /no MaxMind database/,
  ],
  ['without its beginning', whole.subarray(-250), /cannot be used/],
  ['of a later format', city({}, { metadata: { binary_format_major_version: 3 } }), /format 3/],
  ['of an odd record size', city({}, { metadata: { record_size: 20 } }), /record size/],
  ['of IP version 5', city({}, { metadata: { ip_version: 5 } }), /IP version/],
  ['that says it is longer', city({}, { metadata: { node_count: 1_000_000 } }), /shorter/],
  ['without metadata', Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1'), /cannot be used/],
]

test.each(BROKEN)(
  'a file that is %s stops the start, with the way out',
  async (_what, bytes, why) => {
    const path = folder()('broken.mmdb', bytes)
    const start = places({ asnFile: path })
    await expect(start).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    await expect(start).rejects.toThrow(why)
    await expect(start).rejects.toThrow(/take security\.geoip\.asnFile out of the configuration/)
  },
)

test('a file that is missing stops the start', async () => {
  const start = places({ cityFile: '/nowhere/city.mmdb' })
  await expect(start).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  await expect(start).rejects.toThrow(/\/nowhere\/city\.mmdb.*ENOENT/)
})

const inCountry = (iso: string): Buffer => city({ '81.2.69.0/24': { country: { iso_code: iso } } })
/** The clock makes hours pass; the file system does not follow it, so the reading is awaited. */
const untilRead = async (look: () => boolean): Promise<void> => {
  await expect.poll(look, { timeout: 5000, interval: 5 }).toBe(true)
}

test('a file that was replaced is taken within the hour, without a restart', async () => {
  const file = folder()
  const cityFile = file('city.mmdb', inCountry('GB'))
  const { placeOf, clock, log } = await places({ cityFile })
  file('city.mmdb', inCountry('FR'))
  await clock.advance(HOUR - 1)
  expect(placeOf('81.2.69.1')).toEqual({ country: 'GB' })
  await clock.advance(1)
  await untilRead(() => placeOf('81.2.69.1').country === 'FR')
  expect(log.of('geoip')).toMatchObject([{ level: 'info' }])
  await untilRead(() => clock.pending() === 1) // and the next look is on its way
})

test.each(BROKEN)(
  'a file that becomes %s changes nothing, and is told once',
  async (_what, bytes) => {
    const file = folder()
    const cityFile = file('city.mmdb', inCountry('GB'))
    const { placeOf, refresh, log } = await places({ cityFile })
    file('city.mmdb', bytes)
    await refresh()
    await refresh()
    expect(placeOf('81.2.69.1')).toEqual({ country: 'GB' })
    expect(log.of('geoip')).toMatchObject([{ level: 'warn', fields: { path: cityFile } }])
    file('city.mmdb', inCountry('FR'))
    await refresh()
    expect(placeOf('81.2.69.1')).toEqual({ country: 'FR' })
  },
)

test('a file that goes away changes nothing', async () => {
  const file = folder()
  const cityFile = file('city.mmdb', inCountry('GB'))
  const { placeOf, refresh, log } = await places({ cityFile })
  rmSync(cityFile)
  await refresh()
  expect(placeOf('81.2.69.1')).toEqual({ country: 'GB' })
  expect(log.of('geoip')).toMatchObject([{ level: 'warn' }])
})

test('a database whose records are scribbled over never throws', async () => {
  const bytes = city({ '81.2.69.0/24': LONDON, '81.2.70.0/24': { country_code: 'DE' } })
  const start = bytes.indexOf(Buffer.alloc(16)) + 16
  const file = folder()
  for (let i = 0; i < 400; i++) {
    const scribbled = Buffer.from(bytes)
    // The same scribbles in every run: bytes of a short linear congruential sequence.
    for (let k = 0, x = i * 2654435761; k < 12; k++, x = (x * 1103515245 + 12345) >>> 0)
      scribbled[start + (x % (bytes.length - start))] = x >>> 24
    const opened = await openPlaces({
      cityFile: file('x.mmdb', scribbled),
      clock: manualClock(),
      log: recordingLog(),
    }).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
    })
    if (opened === undefined) continue
    expect(typeof opened.placeOf('81.2.69.142')).toBe('object')
    expect(typeof opened.placeOf('81.2.70.1')).toBe('object')
    opened.close()
  }
})
