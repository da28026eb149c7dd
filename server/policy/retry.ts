/**
 * When a delivery that was put off is tried again, or that its time is over. Only the message's own patience is
 * decided here: what a lane's circuit or rate allows may make it later, never earlier. RFC 5321 §4.5.4.1.
 */
import type { Verdict } from '../core/outcome.ts'
import type { Random } from '../core/ports.ts'

const MINUTE = 60_000

/** Greylisting servers count 300 s from the first try (Postgrey); one that comes sooner has to wait anew. */
const GREYLIST_WAIT = 5 * MINUTE
const GREYLIST_JITTER = MINUTE

/** The last try is made this long before the end of time, or 5 % of the lifetime if that is less. */
const LAST_CALL = MINUTE
const LAST_CALL_SHARE = 0.05

/** Waits in ms after the first, second, … failed attempt; the last one repeats. Never empty. */
export type Schedule = readonly number[]

export interface RetryFacts {
  /** Attempts made so far, the one that just failed included; from 1. */
  readonly attempts: number
  readonly verdict: Pick<Verdict, 'category'>
  /** Epoch ms. */
  readonly queuedAt: number
  readonly expiresAt: number
  readonly schedule: Schedule
  /** Spreads what failed together: each wait is changed at random by up to this share of it, 0 to 1. */
  readonly jitter: number
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
  const plain = waitAfter(facts.schedule, facts.attempts)
  const jittered = Math.round(plain * (1 + facts.jitter * (2 * random.next() - 1)))
  return facts.verdict.category === 'greylisted'
    ? Math.max(jittered, Math.round(GREYLIST_WAIT + GREYLIST_JITTER * random.next()))
    : jittered
}

const waitAfter = (schedule: Schedule, attempts: number): number =>
  schedule[Math.min(Math.max(attempts, 1), schedule.length) - 1] ?? MINUTE
