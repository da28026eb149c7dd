/**
 * Where an address is thought to be, by databases on this machine: nobody is asked over the network. Unless told
 * otherwise by a country database that comes along; operators may put any MaxMind database in its place.
 */
import { createRequire } from 'node:module'
import { UNKNOWN_PLACE, makePlace } from '../../core/place.ts'
import type { Place } from '../../core/place.ts'
import { networkTest } from '../../core/network.ts'
import type { Clock, Log, Timer } from '../../core/ports.ts'
import { isPrivateAddress } from '../../delivery/private-address.ts'
import { canonicalAddress } from '../../policy/anomaly-network.ts'
import { openPlaceFile } from './place-file.ts'
import type { PlaceFile } from './place-file.ts'
import { joinParts, partsOf } from './place-record.ts'

export interface PlaceFiles {
  /** City or Country; not set: the country database that comes along. */
  readonly cityFile?: string | undefined
  readonly asnFile?: string | undefined
  /** Connection-Type or Anonymous-IP. */
  readonly typeFile?: string | undefined
}

export interface PlaceSource {
  readonly path: string
  /** `GeoLite2-City`. */
  readonly type: string
  /** Epoch ms. */
  readonly builtAt: number
}

export interface Places {
  /** Never throws; `{}` for private addresses, unknown ones, and texts that are none. */
  readonly placeOf: (ip: string) => Place
  /** What is in use, for health and the settings page. */
  readonly files: () => readonly PlaceSource[]
  /** Looks now whether a file has changed, instead of at the next full hour of the program. */
  readonly refresh: () => Promise<void>
  readonly close: () => void
}

export interface PlacesOptions extends PlaceFiles {
  readonly clock: Clock
  readonly log: Log
}

const LOOK_EVERY_MS = 3_600_000
const MOST_RECENT = 10_000

/** With IPv4 and IPv6 in one file; the package's files of one family answer for the other with nonsense. */
const DEFAULT_FILE = '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb'
const defaultFile = (): string => createRequire(import.meta.url).resolve(DEFAULT_FILE)

/** Throws CONFIG_INVALID for a file that is missing or broken. The caller closes. */
export async function openPlaces(options: PlacesOptions): Promise<Places> {
  const { clock, log, cityFile, asnFile, typeFile } = options
  const open = (name: string, path: string): Promise<PlaceFile> =>
    openPlaceFile(path, { setting: `security.geoip.${name}`, log })
  // The last one has the last word where two know the same.
  const files: readonly PlaceFile[] = await Promise.all([
    cityFile === undefined
      ? openPlaceFile(defaultFile(), { setting: undefined, log })
      : open('cityFile', cityFile),
    ...(asnFile === undefined ? [] : [open('asnFile', asnFile)]),
    ...(typeFile === undefined ? [] : [open('typeFile', typeFile)]),
  ])
  const refresh = async (): Promise<void> => {
    await Promise.all(files.map((file) => file.refresh()))
    recent.clear()
  }
  // Every request of an API client asks where it comes from, and few clients make most of the requests.
  const recent = new Map<string, Place>()
  let isClosed = false
  let timer: Timer = clock.after(LOOK_EVERY_MS, look)
  function look(): void {
    void refresh().then(() => {
      if (!isClosed) timer = clock.after(LOOK_EVERY_MS, look)
    })
  }
  return {
    placeOf(ip) {
      const kept = recent.get(ip)
      if (kept !== undefined) return kept
      const address = canonicalAddress(ip)
      if (address === undefined) return UNKNOWN_PLACE
      const place = placeIn(files, address)
      if (recent.size >= MOST_RECENT) recent.clear()
      recent.set(ip, place)
      return place
    },
    files: () =>
      files.map(({ path, type, builtAt }) => ({ path, type: type(), builtAt: builtAt() })),
    refresh,
    close() {
      isClosed = true
      timer.cancel()
    },
  }
}

/** Set aside for documentation; nobody is there. */
const isExample = networkTest([
  '192.0.2.0/24',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '2001:db8::/32',
  '3fff::/20',
])

function placeIn(files: readonly PlaceFile[], address: string): Place {
  // Databases made of registries' lists name a country for networks that are everywhere, such as 192.168.0.0/16.
  if (isPrivateAddress(address) || isExample(address)) return UNKNOWN_PLACE
  const parts = joinParts(files.map((file) => partsOf(file.recordOf(address))))
  const place = makePlace(parts)
  // Such a database lists all that hide somebody: who is not in it is ordinary, if the address is a public one at all.
  const isListed = place.networkType !== undefined || place.country === undefined
  if (isListed || !files.some((file) => file.type().includes('Anonymous'))) return place
  return { ...place, networkType: 'ordinary' }
}
