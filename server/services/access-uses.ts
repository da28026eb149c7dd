/**
 * Notes when and from where keys and logins are used: in memory at once, in the database at most every ten seconds, so
 * that no request waits for it. What a crash loses is the last seconds of "last used". Tells when one is used from a
 * country it was never used from.
 */
import type { Clock, Log, Timer } from '../core/ports.ts'
import { writeUses } from '../store/access-uses.ts'
import type { AccessUse, NotedCountry } from '../store/access-uses.ts'
import type { Store } from '../store/open.ts'
import type { Places } from './auth/authenticate.ts'

const FLUSH_MS = 10_000

export interface Use extends AccessUse {
  /** Of the key, or the user name. */
  readonly name: string
  readonly ip: string
}

/** A key or login that was used before is now used from `country` for the first time. */
export interface NewCountryUse extends Use {
  readonly country: string
  readonly at: number
}

export interface AccessUses {
  /** Takes a microsecond, and never throws. */
  note(use: Use): void
  /** Writes what was noted. Never rejects: what could not be written waits for the next time. */
  flush(): Promise<void>
  /** The last flush; idempotent. */
  close(): Promise<void>
}

export interface AccessUsesDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly places: Places
  /** Called up to ten seconds late. Must not throw. */
  readonly onNewCountry: (event: NewCountryUse) => void
}

interface Entry {
  use: Use
  at: number
  country: string | undefined
  isDirty: boolean
  /** Noted since the start; the database knows all. */
  readonly countries: Set<string>
}

/** Keys and logins are rows of the database, so memory is bounded by them. */
export function makeAccessUses(deps: AccessUsesDeps): AccessUses {
  const { store, clock, log, places, onNewCountry } = deps
  const entries = { key: new Map<number, Entry>(), credential: new Map<number, Entry>() }
  let dirty: Entry[] = []
  let fresh: (NotedCountry & Use)[] = []
  let timer: Timer | undefined
  let isClosed = false
  let last = Promise.resolve()

  function locate(entry: Entry, isLater: boolean): void {
    const { use, at, countries } = entry
    const { country } = places.placeOf(use.ip)
    entry.country = country
    if (country === undefined || countries.has(country)) return
    countries.add(country)
    fresh.push({ ...use, country, at, isLater })
  }
  function schedule(): void {
    if (timer !== undefined || isClosed) return
    timer = clock.after(FLUSH_MS, () => {
      timer = undefined
      void flush()
    })
  }
  async function writeAll(): Promise<void> {
    const entriesNow = dirty
    const countries = fresh
    if (entriesNow.length === 0) return
    dirty = []
    fresh = []
    const uses = entriesNow.map((entry) => {
      entry.isDirty = false
      const { tenant, kind, id, ip } = entry.use
      return { tenant, kind, id, ip, at: entry.at, country: entry.country }
    })
    try {
      for (const { tenant, kind, id, name, ip, country, at } of await writeUses(
        store,
        uses,
        countries,
      ))
        onNewCountry({ tenant, kind, id, name, ip, country, at })
    } catch (error) {
      log.warn({ err: error, count: uses.length }, 'last uses of keys could not be written')
      for (const entry of entriesNow) if (!entry.isDirty) makeDirty(entry)
      fresh = [...countries, ...fresh]
    }
  }
  function makeDirty(entry: Entry): void {
    entry.isDirty = true
    dirty.push(entry)
    schedule()
  }
  const flush = (): Promise<void> => (last = last.then(writeAll))

  return {
    note(use) {
      const at = clock.now()
      const byId = entries[use.kind]
      let entry = byId.get(use.id)
      if (entry === undefined) {
        entry = { use, at, country: undefined, isDirty: false, countries: new Set() }
        byId.set(use.id, entry)
        locate(entry, false)
      } else {
        const isElsewhere = entry.use.ip !== use.ip
        entry.use = use
        entry.at = at
        if (isElsewhere) locate(entry, true)
      }
      if (!entry.isDirty) makeDirty(entry)
    },
    flush,
    close() {
      isClosed = true
      timer?.cancel()
      return flush()
    },
  }
}
