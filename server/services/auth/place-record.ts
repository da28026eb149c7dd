/**
 * What a database says of an address, made into a Place. Knows MaxMind's nested records (City, Country, ASN,
 * Connection-Type, Anonymous-IP, Enterprise) and the flat ones of free databases; what it does not know it leaves out.
 */
import type { NetworkType, Place } from '../../core/place.ts'

type Parts = Readonly<Record<keyof Place, unknown>>

/** Walks own properties only; a record is foreign data. */
function at(record: unknown, ...path: readonly string[]): unknown {
  let value = record
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = Object.getOwnPropertyDescriptor(value, name)?.value
  }
  return value
}

const firstOf = (record: unknown, ...paths: readonly (readonly string[])[]): unknown =>
  paths.map((path) => at(record, ...path)).find((value) => value !== undefined && value !== '')

/** Flat databases write numbers as texts at times, and `AS64500`. */
function numberOf(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const digits = value.replace(/^AS(?=\d)/, '')
  return /^-?\d+(?:\.\d+)?$/.test(digits) ? Number(digits) : undefined
}

/** `connection_type` and `user_type` of MaxMind → ours. */
const TYPES: Readonly<Record<string, NetworkType>> = {
  'Cable/DSL': 'residential',
  Dialup: 'residential',
  Cellular: 'mobile',
  Corporate: 'business',
  Satellite: 'satellite',
  residential: 'residential',
  cellular: 'mobile',
  business: 'business',
  hosting: 'hosting',
  content_delivery_network: 'hosting',
}

/** The flags of Anonymous-IP, the most telling first. */
const FLAGS: readonly (readonly [string, NetworkType])[] = [
  ['is_tor_exit_node', 'tor'],
  ['is_anonymous_vpn', 'vpn'],
  ['is_public_proxy', 'proxy'],
  ['is_residential_proxy', 'proxy'],
  ['is_hosting_provider', 'hosting'],
  ['is_anonymous', 'proxy'],
]

function typeOf(record: unknown): NetworkType | undefined {
  const isSet = ([flag]: readonly [string, NetworkType]): boolean =>
    at(record, flag) === true || at(record, 'traits', flag) === true
  const flagged = FLAGS.find(isSet)
  if (flagged !== undefined) return flagged[1]
  const name = firstOf(
    record,
    ['connection_type'],
    ['traits', 'user_type'],
    ['traits', 'connection_type'],
  )
  return typeof name === 'string' && Object.hasOwn(TYPES, name) ? TYPES[name] : undefined
}

/** One record → the parts of a place it knows; unchecked, `makePlace` does that. */
export function partsOf(record: unknown): Parts {
  return {
    // Where the address is registered is not where it is.
    country: firstOf(record, ['country', 'iso_code'], ['country_code']),
    city: firstOf(record, ['city', 'names', 'en'], ['city']),
    latitude: numberOf(firstOf(record, ['location', 'latitude'], ['latitude'])),
    longitude: numberOf(firstOf(record, ['location', 'longitude'], ['longitude'])),
    accuracyKm: at(record, 'location', 'accuracy_radius'),
    asn: numberOf(
      firstOf(
        record,
        ['autonomous_system_number'],
        ['traits', 'autonomous_system_number'],
        ['asn'],
      ),
    ),
    network: firstOf(
      record,
      ['autonomous_system_organization'],
      ['traits', 'autonomous_system_organization'],
      ['as_name'],
    ),
    networkType: typeOf(record),
  }
}

/** The parts of several records; of two that know a part, the later one. */
export function joinParts(parts: readonly Parts[]): Parts {
  const known = (name: keyof Place): unknown =>
    parts.findLast((one) => one[name] !== undefined)?.[name]
  return {
    country: known('country'),
    city: known('city'),
    latitude: known('latitude'),
    longitude: known('longitude'),
    accuracyKm: known('accuracyKm'),
    asn: known('asn'),
    network: known('network'),
    networkType: known('networkType'),
  }
}
