/**
 * How often somebody may guess: per account, per address, per network. Asked before any password is hashed, and an
 * attempt counts as a failure from the moment it is let through, so that a thousand at once are not all the first.
 * Counts are kept in Redis when there is one, so that processes share them; in bounded memory otherwise.
 */
import { createHash } from 'node:crypto'
import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible'
import type { RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible'
import { AppError } from '../../core/errors.ts'
import { clientKey } from '../../core/network.ts'
import type { Log } from '../../core/ports.ts'
import type { RedisClient } from '../../queue/redis-client.ts'

export type ThrottleScope = 'account' | 'device' | 'address' | 'network'
interface Limit {
  readonly failures: number
  readonly windowS: number
}

const MINUTE_S = 60
const HOUR_S = 3_600
const DAY_S = 86_400

/** A window begins with its first failure. Several windows of one scope are how its blocks grow longer. */
export const THROTTLE_LIMITS: Readonly<Record<ThrottleScope, readonly Limit[]>> = {
  // A person who mistypes needs a handful. Whoever has all addresses of the world still gets 20 guesses a day.
  account: [
    { failures: 5, windowS: 15 * MINUTE_S },
    { failures: 10, windowS: 2 * HOUR_S },
    { failures: 20, windowS: DAY_S },
  ],
  // A browser that this person has signed in with before. A budget of its own: strangers who use up the account's
  // must not shut out its owner. It is no way around the limits either: it is got by signing in.
  device: [
    { failures: 10, windowS: 15 * MINUTE_S },
    { failures: 50, windowS: DAY_S },
  ],
  // An office behind one address has more than one person who mistypes.
  address: [{ failures: 20, windowS: HOUR_S }],
  network: [{ failures: 200, windowS: HOUR_S }],
}

/** Each scope remembers so many in memory; beyond that the one not seen for the longest is forgotten. */
const MOST_KEYS = 20_000

export interface Attempt {
  /**
   * What is being guessed. The second factor counts apart from the password: a right password must not give fresh
   * guesses at the code.
   */
  readonly step: 'password' | 'second-factor'
  /** The address typed in, whether it exists or not. Undefined where no account is named: a passkey, a link. */
  readonly account: string | undefined
  readonly ip: string
  /** Id in the signed cookie of a browser that this account has signed in with; undefined for a stranger. */
  readonly device: string | undefined
}

export interface Throttle {
  /** Lets the attempt through and counts it as failed. Throws RATE_LIMITED with `retryAfterMs`, and then counts nothing. */
  check(attempt: Attempt): Promise<void>
  /** It was right: the account starts afresh, the address gets its place back. */
  succeed(attempt: Attempt): Promise<void>
  /** It was neither right nor wrong, such as when the machine was too busy to look: all places are given back. */
  release(attempt: Attempt): Promise<void>
}

export interface ThrottleDeps {
  readonly log: Log
  /** Shared counts. While it fails this process counts for itself. */
  readonly redis?: RedisClient | undefined
  /** In front of every key in Redis. */
  readonly prefix?: string
  /** For tests: keys of one scope in memory. */
  readonly mostKeys?: number
}

interface Counter extends Limit {
  readonly shared: RateLimiterAbstract | undefined
  readonly own: RateLimiterAbstract
  /** Keys of `own`, the one not used for the longest first. */
  readonly used: Set<string>
}
interface Place {
  readonly counter: Counter
  readonly key: string
}

export function makeThrottle(deps: ThrottleDeps): Throttle {
  const { log, redis, prefix = 'posthorn', mostKeys = MOST_KEYS } = deps
  let isSharedDown = false

  const makeCounter = (scope: ThrottleScope, limit: Limit): Counter => {
    const options = {
      keyPrefix: `${prefix}:throttle:${scope}:${limit.windowS}`,
      points: limit.failures,
      duration: limit.windowS,
    }
    return {
      ...limit,
      shared:
        redis === undefined
          ? undefined
          : new RateLimiterRedis({
              ...options,
              storeClient: redis.connection,
              rejectIfRedisNotReady: true,
            }),
      own: new RateLimiterMemory(options),
      used: new Set(),
    }
  }
  const countersOf = (scope: ThrottleScope): readonly Counter[] =>
    THROTTLE_LIMITS[scope].map((limit) => makeCounter(scope, limit))
  const counters = {
    account: countersOf('account'),
    device: countersOf('device'),
    address: countersOf('address'),
    network: countersOf('network'),
  }

  async function shared<T>(
    { counter, key }: Place,
    ask: (limiter: RateLimiterAbstract) => Promise<T>,
  ): Promise<T> {
    if (counter.shared !== undefined) {
      try {
        const answer = await ask(counter.shared)
        isSharedDown = false
        return answer
      } catch (error) {
        if (!isSharedDown)
          log.warn({ err: error }, 'failed sign-ins are counted by each process for itself')
        isSharedDown = true
      }
    }
    remember(counter, key)
    return ask(counter.own)
  }

  function remember({ used, own }: Counter, key: string): void {
    used.delete(key)
    used.add(key)
    if (used.size <= mostKeys) return
    for (const oldest of used) {
      used.delete(oldest)
      void own.delete(oldest)
      break
    }
  }

  const look = (place: Place): Promise<RateLimiterRes | null> =>
    shared(place, (limiter) => limiter.get(place.key))
  const take = (place: Place): Promise<RateLimiterRes> =>
    shared(place, (limiter) => limiter.penalty(place.key))
  const giveBack = (place: Place): Promise<RateLimiterRes> =>
    shared(place, (limiter) => limiter.reward(place.key))
  const forget = (place: Place): Promise<boolean> =>
    shared(place, (limiter) => limiter.delete(place.key))

  const at = (scope: ThrottleScope, key: string): readonly Place[] =>
    counters[scope].map((counter) => ({ counter, key }))
  const accountPlaces = ({ step, account, device }: Attempt): readonly Place[] => {
    if (account === undefined) return []
    const whose = `${step}/${account.toLowerCase()}`
    return device === undefined
      ? at('account', keyOf(whose))
      : at('device', keyOf(`${whose}/${device}`))
  }
  /** A known browser has its own budget only: its owner may share an address with whoever is guessing. */
  const wherePlaces = ({ ip, device }: Attempt): readonly Place[] => {
    if (device !== undefined) return []
    const address = clientKey(ip)
    return [...at('address', address), ...at('network', networkKey(address))]
  }
  const placesOf = (attempt: Attempt): readonly Place[] => [
    ...accountPlaces(attempt),
    ...wherePlaces(attempt),
  ]

  return {
    async check(attempt) {
      const places = placesOf(attempt)
      // Looked at first: attempts that are refused anyway must not use up the longer windows.
      const seen = await Promise.all(places.map(look))
      refuse(
        places.map(({ counter }, i) => (seen[i]?.consumedPoints ?? 0) >= counter.failures),
        seen,
      )
      const taken = await Promise.all(places.map(take))
      const isOver = places.map(({ counter }, i) => taken[i]!.consumedPoints > counter.failures)
      if (isOver.includes(true)) await Promise.all(places.map(giveBack))
      refuse(isOver, taken)
    },
    async succeed(attempt) {
      await Promise.all([
        ...accountPlaces(attempt).map(forget),
        ...wherePlaces(attempt).map(giveBack),
      ])
    },
    async release(attempt) {
      await Promise.all(placesOf(attempt).map(giveBack))
    },
  }
}

/** Throws when any is over, with the time until the last of those windows ends. */
function refuse(isOver: readonly boolean[], states: readonly (RateLimiterRes | null)[]): void {
  if (!isOver.includes(true)) return
  const waits = states.map((state, i) => (isOver[i] === true ? (state?.msBeforeNext ?? 0) : 0))
  throw new AppError('RATE_LIMITED', { retryAfterMs: Math.max(1_000, ...waits) })
}

/** No addresses of people in Redis, and no keys as long as somebody likes. */
const keyOf = (text: string): string =>
  createHash('sha256').update(text).digest('base64url').slice(0, 22)

/** The /24 of an IPv4 address, the /48 of an IPv6 one: three groups of `clientKey` both times. */
const networkKey = (address: string): string => address.split(/[.:]/).slice(0, 3).join('.')
