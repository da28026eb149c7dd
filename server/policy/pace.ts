/**
 * How many messages a lane may send now: the generic cell rate algorithm as pure state, kept with the lane as text so
 * that the next owner goes on with it. Must never grant more than the limit in any of its periods (plus 5 %), nor more
 * than 1.2 × of it in a second, whatever the clock does once.
 */

/** Messages per period, as in `LaneLimits.rate`; `Infinity` messages: no limit. */
export interface RateLimit {
  readonly messages: number
  readonly perMs: number
}

/** `aheadMs` is how far the messages granted so far reach beyond `at`, if each takes its even share of the period. */
export interface Pace {
  /** Clock reading of the last decision, epoch ms. */
  readonly at: number
  readonly aheadMs: number
}

export interface Take {
  readonly state: Pace
  /** At most `want`. */
  readonly granted: number
  /** The earliest time at which one more would be granted; `now` if that is at once. */
  readonly nextAt: number
}

const FRESH: Pace = { at: 0, aheadMs: 0 }

/** Steady at least this fast, a lane may catch up in bursts of several; slower ones go one by one. */
const BURST_RATE_PER_S = 5
const SECOND_CEILING = 1.2
const PERIOD_CEILING = 1.05
/** A late timer may be caught up with by half a step, so that the mean holds; two at a time would need a whole one. */
const SLOW_TOLERANCE = 0.5
/** Below any time that a clock in ms can tell; absorbs the rounding of sums. */
const EPSILON = 1e-9

/** Reads what `paceText` wrote; anything else is a fresh state. */
export function paceFrom(text: string): Pace {
  const match = /^1 (\d{1,15}) (\d{1,15}(?:\.\d{1,30})?(?:e-\d{1,3})?)$/.exec(text)
  return match === null ? FRESH : { at: Number(match[1]), aheadMs: Number(match[2]) }
}

/** The state as text without loss: format version, clock reading, ms ahead. */
export const paceText = (state: Pace): string => `1 ${state.at} ${state.aheadMs}`

/**
 * Time by which messages may come early. In a window of length W the algorithm grants at most
 * ⌈(W + tolerance) / step⌉; the tolerance is the largest for which both ceilings hold.
 */
function toleranceOf(limit: RateLimit, step: number): number {
  const byPeriod = (Math.floor(limit.messages * PERIOD_CEILING + EPSILON) - limit.messages) * step
  const perSecond = 1_000 / step
  const bySecond =
    perSecond >= BURST_RATE_PER_S
      ? Math.floor(perSecond * SECOND_CEILING + EPSILON) * step - 1_000
      : step * SLOW_TOLERANCE
  return Math.max(0, Math.min(byPeriod, bySecond))
}

/**
 * Takes up to `want` messages at `now` (epoch ms). A clock that went back costs at most one step and grants nothing:
 * the time since the last decision counts as none.
 */
export function take(state: Pace, limit: RateLimit, now: number, want: number): Take {
  if (limit.messages === Infinity)
    return { state: { at: now, aheadMs: 0 }, granted: Math.max(0, want), nextAt: now }
  if (!(limit.messages > 0)) return { state, granted: 0, nextAt: now + limit.perMs }
  const step = limit.perMs / limit.messages
  const tolerance = toleranceOf(limit, step)
  const elapsed = Math.max(0, now - state.at)
  // why the upper bound: after the limit was raised, nobody should wait for a step of the old one.
  const ahead = Math.min(Math.max(0, state.aheadMs - elapsed), tolerance + step)
  const room = Math.floor((tolerance - ahead) / step + 1 + EPSILON)
  const granted = Math.max(0, Math.min(want, room))
  const aheadMs = ahead + granted * step
  return {
    state: { at: now, aheadMs },
    granted,
    nextAt: now + Math.max(0, Math.ceil(aheadMs - tolerance - EPSILON * step)),
  }
}
