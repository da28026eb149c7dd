/**
 * When a delivery that was put off is tried again, or that its time is over. Only the message's own patience is
 * decided here: what a lane's circuit or rate allows may make it later, never earlier. RFC 5321 §4.5.4.1.
 */
import type { Verdict } from '../core/outcome.ts'
import type { Random } from '../core/ports.ts'
import type { Stream } from '../core/work.ts'
import { parseSchedule, waitAfter } from './schedule.ts'
import type { Schedule } from './schedule.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/**
 * Times after the first attempt, before jitter.
 * bulk: 5 m, 15 m, 35 m, 1 h 15 m, 2 h 15 m, 4 h 15 m, 8 h 15 m, then every 4 h; 24 attempts in 72 h.
 * transactional: 1 m, 3 m, 8 m, 18 m, 38 m, 1 h 8 m, 1 h 38 m, 2 h 8 m, 2 h 38 m, 3 h 8 m, then every hour; 56 in 48 h.
 */
export const DEFAULT_SCHEDULES: Readonly<Record<Stream, Schedule>> = {
  bulk: parseSchedule('5m, 10m, 20m, 40m, 1h, 2h, 4h'),
  transactional: parseSchedule('1m, 2m, 5m, 10m, 20m, 30m*5, 1h'),
}

/** Spreads what failed together: ±20 % of the wait. */
const JITTER = 0.2

/** Greylisting servers count 300 s from the first try (Postgrey); one that comes sooner has to wait anew. */
const GREYLIST_WAIT = 5 * MINUTE
const GREYLIST_JITTER = MINUTE

/** The last try is made this long before the end of time, or 5 % of the lifetime if that is less. */
const LAST_CALL = MINUTE
const LAST_CALL_SHARE = 0.05

/** How long a delivery is tried by default, in ms: 48 h transactional, 72 h bulk. */
export const defaultExpiry = (stream: Stream): number =>
  stream === 'transactional' ? 48 * HOUR : 72 * HOUR

export interface RetryFacts {
  readonly stream: Stream
  /** Attempts made so far, the one that just failed included; from 1. */
  readonly attempts: number
  readonly verdict: Pick<Verdict, 'category'>
  /** Epoch ms. */
  readonly queuedAt: number
  readonly expiresAt: number
  /** Undefined: the stream's default. */
  readonly schedule?: Schedule | undefined
  /** Share of the wait, 0 to 1, by which it is changed at random; undefined: 0.2. */
  readonly jitter?: number | undefined
}

export type NextAttempt =
  { readonly kind: 'retry'; readonly at: number } | { readonly kind: 'expire' }

/**
 * For a temporary verdict only. A retry that would come after `expiresAt` is moved to just before it, once: the
 * delivery gets a last try and then expires. `now` and results in epoch ms.
 */
export function nextAttempt(facts: RetryFacts, now: number, random: Random): NextAttempt {
  const at = now + wait(facts, random)
  const lastCall = Math.min(LAST_CALL, (facts.expiresAt - facts.queuedAt) * LAST_CALL_SHARE)
  const lastAt = Math.floor(facts.expiresAt - lastCall)
  if (at <= lastAt) return { kind: 'retry', at }
  // why: the same margin again before the last try, else one that just failed would be repeated at once.
  return lastAt - lastCall >= now ? { kind: 'retry', at: lastAt } : { kind: 'expire' }
}

function wait(facts: RetryFacts, random: Random): number {
  const plain = waitAfter(facts.schedule ?? DEFAULT_SCHEDULES[facts.stream], facts.attempts)
  const jitter = facts.jitter ?? JITTER
  const jittered = Math.round(plain * (1 + jitter * (2 * random.next() - 1)))
  return facts.verdict.category === 'greylisted'
    ? Math.max(jittered, Math.round(GREYLIST_WAIT + GREYLIST_JITTER * random.next()))
    : jittered
}
