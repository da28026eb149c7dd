/**
 * Answers kept for as long as their TTL says. A hit is one Map lookup and hands out the promise that is already there;
 * questions that are asked at the same time are asked once. Bounded: what was not used lately goes first.
 */
import type { DnsAnswer, DnsRecords, DnsType, Resolver } from '../server/core/dns.ts'
import type { Clock } from '../server/core/ports.ts'

export interface TtlCacheOptions<V> {
  readonly clock: Clock
  /** Upper bound of entries; between half of it and all of it are kept once it is full. */
  readonly maxEntries: number
  /** Makes the value of a key. A rejection is passed on and not kept. */
  readonly load: (key: string) => Promise<V>
  /** How long a value may be kept, ms. */
  readonly ttlOf: (value: V) => number
}

export interface TtlCache<V> {
  get(key: string): Promise<V>
  /** The next `get` of this key loads it again. */
  forget(key: string): void
  size(): number
}

interface Entry<V> {
  readonly value: Promise<V>
  expiresAt: number
}

/**
 * Two generations instead of a list in order of use: new and used keys are in the young one; when that is full it
 * becomes the old one, and the former old one is dropped. So a hit writes nothing.
 */
export function makeTtlCache<V>(options: TtlCacheOptions<V>): TtlCache<V> {
  const { clock, load, ttlOf } = options
  const perGeneration = Math.max(1, Math.floor(options.maxEntries / 2))
  let young = new Map<string, Entry<V>>()
  let old = new Map<string, Entry<V>>()

  function keep(key: string, entry: Entry<V>): Promise<V> {
    if (young.size >= perGeneration && !young.has(key)) {
      old = young
      young = new Map()
    }
    old.delete(key)
    young.set(key, entry)
    return entry.value
  }

  function forget(key: string): void {
    young.delete(key)
    old.delete(key)
  }

  function fetch(key: string): Promise<V> {
    const value = load(key)
    // Until the answer is there the entry does not expire: whoever asks meanwhile waits with the first.
    const entry: Entry<V> = { value, expiresAt: Infinity }
    value.then(
      (loaded) => {
        entry.expiresAt = clock.now() + ttlOf(loaded)
      },
      () => {
        if ((young.get(key) ?? old.get(key)) === entry) forget(key)
      },
    )
    return keep(key, entry)
  }

  return {
    get: (key) => {
      const recent = young.get(key)
      if (recent !== undefined && recent.expiresAt > clock.now()) return recent.value
      const older = recent === undefined ? old.get(key) : undefined
      if (older !== undefined && older.expiresAt > clock.now()) return keep(key, older)
      return fetch(key)
    },
    forget,
    size: () => young.size + old.size,
  }
}

export interface DnsCacheOptions {
  readonly clock: Clock
  /** Names kept per record type. Default 50,000. */
  readonly maxEntries?: number
  /** No answer is asked for again sooner, whatever its TTL. Default 30 s. */
  readonly minTtlMs?: number
  /** Default 1 day. */
  readonly maxTtlMs?: number
  /**
   * Upper bound for "no such name" and "no such record". Default 15 min: an address refused for its domain is tried
   * once more after half an hour, and that try must see a domain that has come back.
   */
  readonly maxNegativeTtlMs?: number
  /** How long "nobody answered" is believed. Default 5 s. */
  readonly failureTtlMs?: number
}

export interface CachedResolver extends Resolver {
  /** Asks the network again at the next question for this name, for "check now" in the admin. */
  forget(name: string): void
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const DAY = 24 * 60 * MINUTE

/** Wraps a resolver. Answers are shared between callers: they are values, nobody may change them. */
export function withCache(resolver: Resolver, options: DnsCacheOptions): CachedResolver {
  const {
    clock,
    maxEntries = 50_000,
    minTtlMs = 30 * SECOND,
    maxTtlMs = DAY,
    maxNegativeTtlMs = 15 * MINUTE,
    failureTtlMs = 5 * SECOND,
  } = options

  function ttlOf(answer: DnsAnswer<unknown>): number {
    if (answer.kind === 'failed') return failureTtlMs
    const most = answer.kind === 'found' ? maxTtlMs : Math.min(maxTtlMs, maxNegativeTtlMs)
    return Math.min(Math.max(answer.ttlMs, minTtlMs), most)
  }

  const table = <T extends DnsType>(type: T): TtlCache<DnsAnswer<DnsRecords[T]>> =>
    makeTtlCache<DnsAnswer<DnsRecords[T]>>({
      clock,
      maxEntries,
      ttlOf,
      load: (name) => resolver.resolve(name, type),
    })

  const tables: { readonly [T in DnsType]: TtlCache<DnsAnswer<DnsRecords[T]>> } = {
    A: table('A'),
    AAAA: table('AAAA'),
    CNAME: table('CNAME'),
    PTR: table('PTR'),
    NS: table('NS'),
    TXT: table('TXT'),
    MX: table('MX'),
    SOA: table('SOA'),
    TLSA: table('TLSA'),
  }

  return {
    resolve: (name, type) => tables[type].get(keyOf(name)),
    forget: (name) => {
      const key = keyOf(name)
      for (const cache of Object.values(tables)) cache.forget(key)
    },
  }
}

const keyOf = (name: string): string =>
  (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase()
