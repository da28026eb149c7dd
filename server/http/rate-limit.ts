/**
 * Requests per API key: a token bucket each, in memory, per process. Every answer tells the client where it stands
 * (RateLimit-* of draft-ietf-httpapi-ratelimit-headers), so that a good client never meets the limit.
 */
import type { FastifyReply } from 'fastify'
import { AppError } from '../core/errors.ts'
import { clientKey } from '../core/network.ts'
import type { Clock } from '../core/ports.ts'

export interface BucketLimits {
  readonly perSecond: number
  /** Tokens a full bucket holds. */
  readonly burst: number
}
export interface Bucket {
  readonly tokens: number
  readonly at: number
}
export interface Taken {
  readonly ok: boolean
  readonly bucket: Bucket
  /** Until one token is there, 0 when there is one. */
  readonly waitMs: number
}

/** Takes one token. `bucket` undefined is a full one. Time that runs backwards adds nothing. */
export function takeToken(bucket: Bucket | undefined, limits: BucketLimits, now: number): Taken {
  const since = bucket === undefined ? 0 : Math.max(0, now - bucket.at)
  const before = bucket?.tokens ?? limits.burst
  const tokens = Math.min(limits.burst, before + (since * limits.perSecond) / 1000)
  const ok = tokens >= 1
  const left = ok ? tokens - 1 : tokens
  return {
    ok,
    bucket: { tokens: left, at: now },
    waitMs: left >= 1 ? 0 : Math.ceil(((1 - left) * 1000) / limits.perSecond),
  }
}

export interface RateLimit {
  /**
   * Sets the headers; throws RATE_LIMITED when the bucket of `key` is empty. `ownPerSecond` is the key's own rate; it
   * makes the limits of the installation narrower, never wider.
   */
  take(key: number, reply: FastifyReply, ownPerSecond?: number): void
}

interface Limits extends BucketLimits {
  /** For the header. */
  readonly text: string
}

/** Keys are rows of the database, so the maps are bounded by them. */
export function makeRateLimit(configured: BucketLimits, clock: Clock): RateLimit {
  const buckets = new Map<number, Bucket>()
  const shared = limitsOf(configured)
  const ownLimits = new Map<number, Limits>()

  /** The burst in proportion to the rate, as configured. */
  function limitsFor(perSecond: number | undefined): Limits {
    if (perSecond === undefined || perSecond >= configured.perSecond) return shared
    const known = ownLimits.get(perSecond)
    if (known !== undefined) return known
    const burst = Math.ceil((perSecond * configured.burst) / configured.perSecond)
    const own = limitsOf({ perSecond, burst: Math.max(1, burst) })
    ownLimits.set(perSecond, own)
    return own
  }
  return {
    take(key, reply, ownPerSecond) {
      const limits = limitsFor(ownPerSecond)
      const { ok, bucket, waitMs } = takeToken(buckets.get(key), limits, clock.now())
      buckets.set(key, bucket)
      const missing = limits.burst - bucket.tokens
      reply.header('ratelimit-limit', limits.text)
      reply.header('ratelimit-remaining', String(Math.floor(bucket.tokens)))
      reply.header('ratelimit-reset', String(Math.ceil(missing / limits.perSecond)))
      if (!ok) throw new AppError('RATE_LIMITED', { retryAfterMs: waitMs })
    },
  }
}

const limitsOf = (limits: BucketLimits): Limits => ({ ...limits, text: String(limits.burst) })

/** For who has no key and no session: what one address may ask before it waits. */
const STRANGER: BucketLimits = { perSecond: 2, burst: 60 }
const MOST_ADDRESSES = 10_000

/**
 * Requests of strangers that make us work: sign-in, links, challenges. What may be guessed has limits of its own; this
 * one keeps an address from filling tables. Throws RATE_LIMITED.
 */
export function makeStrangerLimit(clock: Clock): (ip: string) => void {
  // In order of the last request, so that the oldest goes first when there are too many.
  const buckets = new Map<string, Bucket>()
  return (ip) => {
    const address = clientKey(ip)
    const { ok, bucket, waitMs } = takeToken(buckets.get(address), STRANGER, clock.now())
    buckets.delete(address)
    buckets.set(address, bucket)
    if (buckets.size > MOST_ADDRESSES) {
      for (const oldest of buckets.keys()) {
        buckets.delete(oldest)
        break
      }
    }
    if (!ok) throw new AppError('RATE_LIMITED', { retryAfterMs: waitMs })
  }
}
