/**
 * Where on earth, and in what kind of network, an address is thought to be. A guess by a database: good enough to ask
 * once more who somebody is, never good enough to say who somebody is. An unknown place is `{}`.
 */

/** `ordinary`: not known as any of those that hide who is behind them. */
export const NETWORK_TYPES = [
  'residential',
  'mobile',
  'business',
  'satellite',
  'ordinary',
  'hosting',
  'vpn',
  'proxy',
  'tor',
] as const
export type NetworkType = (typeof NETWORK_TYPES)[number]

export interface Place {
  /** ISO 3166-1 alpha-2, upper case. */
  readonly country?: string | undefined
  /** In English. */
  readonly city?: string | undefined
  /** Degrees; both or neither. */
  readonly latitude?: number | undefined
  readonly longitude?: number | undefined
  /** The true place is within so many kilometres, more or less. */
  readonly accuracyKm?: number | undefined
  /** Number of the autonomous system. */
  readonly asn?: number | undefined
  /** Whose network it is. */
  readonly network?: string | undefined
  readonly networkType?: NetworkType | undefined
}

export const UNKNOWN_PLACE: Place = {}

/** What databases write where they know no country, and regions that are none. */
const NO_COUNTRIES: ReadonlySet<string> = new Set(['ZZ', 'XX', 'EU', 'AP'])

/** `de` → `DE`; undefined for everything that is no country. */
export function countryOf(value: unknown): string | undefined {
  if (typeof value !== 'string' || !/^[a-z]{2}$/i.test(value)) return undefined
  const code = value.toUpperCase()
  return NO_COUNTRIES.has(code) ? undefined : code
}

const networkTypes: ReadonlySet<unknown> = new Set(NETWORK_TYPES)
const isNetworkType = (value: unknown): value is NetworkType => networkTypes.has(value)

/** Names come from databases and rows; longer ones are cut. */
const NAME_LENGTH = 100
const nameOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value.slice(0, NAME_LENGTH) : undefined

const numberIn = (value: unknown, least: number, most: number): number | undefined =>
  typeof value === 'number' && value >= least && value <= most ? value : undefined

/** A place made of whatever was found: what does not fit is left out, so that it equals its own JSON read back. */
export function makePlace(parts: Readonly<Record<keyof Place, unknown>>): Place {
  const latitude = numberIn(parts.latitude, -90, 90)
  const longitude = numberIn(parts.longitude, -180, 180)
  // Databases write 0, 0 where they know nothing; nobody signs in from that spot in the sea.
  const isSpot = latitude !== undefined && longitude !== undefined && (latitude || longitude) !== 0
  const accuracyKm = isSpot ? numberIn(parts.accuracyKm, 0, 20_100) : undefined
  const country = countryOf(parts.country)
  const city = nameOf(parts.city)
  const asn = Number.isInteger(parts.asn) ? numberIn(parts.asn, 1, 4_294_967_295) : undefined
  const network = nameOf(parts.network)
  return {
    ...(country === undefined ? {} : { country }),
    ...(city === undefined ? {} : { city }),
    ...(isSpot ? { latitude, longitude } : {}),
    ...(accuracyKm === undefined ? {} : { accuracyKm }),
    ...(asn === undefined ? {} : { asn }),
    ...(network === undefined ? {} : { network }),
    ...(isNetworkType(parts.networkType) ? { networkType: parts.networkType } : {}),
  }
}

/** As it stands in a row. */
export const formatPlace = (place: Place): string => JSON.stringify(place)

/** The other way. Never throws: what is no place, or one of a later version, is as much of a place as can be read. */
export function parsePlace(text: string): Place {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return UNKNOWN_PLACE
  }
  if (typeof value !== 'object' || value === null) return UNKNOWN_PLACE
  const part = (name: keyof Place): unknown => {
    const own = Object.getOwnPropertyDescriptor(value, name)
    const found: unknown = own?.value
    return found
  }
  return makePlace({
    country: part('country'),
    city: part('city'),
    latitude: part('latitude'),
    longitude: part('longitude'),
    accuracyKm: part('accuracyKm'),
    asn: part('asn'),
    network: part('network'),
    networkType: part('networkType'),
  })
}

/** `Paris, FR`, `FR`, `unknown`: for people. */
export const placeName = (place: Place): string =>
  [place.city, place.country].filter((part) => part !== undefined).join(', ') || 'unknown'
