/**
 * Judges a sign-in whose first factor was right: is it like this person's others? Pure; every finding says by which
 * numbers. What is not known is no finding, and a first sign-in is no anomaly of place.
 */
import { placeName } from '../core/place.ts'
import type { NetworkType, Place } from '../core/place.ts'
import type { Decision, FindingKind } from '../core/security.ts'
import { leastDistanceKm } from './anomaly-distance.ts'
import { networkOf } from './anomaly-network.ts'

export interface SignIn {
  /** Epoch ms. */
  readonly at: number
  readonly ip: string
  readonly place: Place
  /** A word that stays the same for a device; '' when not known. */
  readonly device: string
}

export interface NetworkFailures {
  readonly failures: number
  readonly accounts: number
}

export interface SignInFacts {
  readonly signIn: SignIn
  /** What went well before, newest first; without this one. */
  readonly history: readonly SignIn[]
  /** Failures from the network of this sign-in within `burstWindow`. */
  readonly network: NetworkFailures
  /** Failures at this account within `burstWindow` since it last went well. */
  readonly failures: number
  /** Whether the person can be asked for more than has been asked already. */
  readonly hasSecondFactor: boolean
}

/** The section `security.anomaly` of the configuration. Times in ms, speed in km/h, scores 0 to 100. */
export interface AnomalySettings {
  readonly notifyAt: number
  readonly challengeAt: number
  readonly lockAt: number
  readonly lockWithoutSecondFactorAt: number
  readonly travelSpeed: number
  readonly countryWindow: number
  readonly burstWindow: number
  readonly burstAccounts: number
  readonly failures: number
  readonly scores: {
    readonly newCountry: number
    readonly impossibleTravel: number
    readonly networkTypeChange: number
    readonly newDevice: number
    readonly burstFromNetwork: number
    readonly failuresBeforeSuccess: number
  }
}

export interface Finding {
  readonly kind: FindingKind
  readonly score: number
  /** One sentence, with the numbers. */
  readonly reason: string
}

export interface Judgement {
  /** 0 to 100. */
  readonly score: number
  readonly decision: Decision
  /** The gravest first. */
  readonly findings: readonly Finding[]
}

/** Below this, a database that has moved an address to another town looks like a journey. */
const LEAST_TRAVEL_KM = 200
/** From a network that was used so often, such as a company's way out, nobody has to have travelled. */
const FAMILIAR_TIMES = 3
const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** They hide who is behind them; the others are where people are. */
const HIDING: ReadonlySet<NetworkType> = new Set(['hosting', 'vpn', 'proxy', 'tor'])

/** What this sign-in is found to be, its score, and what to do about it. */
export function judgeSignIn(facts: SignInFacts, settings: AnomalySettings): Judgement {
  const { scores } = settings
  const found: readonly (readonly [FindingKind, number, string | undefined])[] = [
    ['new-country', scores.newCountry, newCountry(facts)],
    ['impossible-travel', scores.impossibleTravel, impossibleTravel(facts, settings)],
    ['network-type-change', scores.networkTypeChange, networkTypeChange(facts)],
    ['new-device', scores.newDevice, newDevice(facts)],
    ['burst-from-network', scores.burstFromNetwork, burst(facts, settings)],
    ['failures-before-success', scores.failuresBeforeSuccess, manyFailures(facts, settings)],
  ]
  const findings = found
    .flatMap(([kind, score, reason]) =>
      reason === undefined || score === 0 ? [] : [{ kind, score, reason }],
    )
    .sort((a, b) => b.score - a.score)
  const score = scoreOf(findings)
  return { score, findings, decision: decide(score, facts.hasSecondFactor, settings) }
}

/** Both say "somewhere else": one fact, of which the graver counts. */
const OF_PLACE: ReadonlySet<FindingKind> = new Set(['new-country', 'impossible-travel'])

function scoreOf(findings: readonly Finding[]): number {
  let place = 0
  let rest = 0
  for (const { kind, score } of findings) {
    if (OF_PLACE.has(kind)) place = Math.max(place, score)
    else rest += score
  }
  return Math.min(100, place + rest)
}

function decide(score: number, hasSecondFactor: boolean, settings: AnomalySettings): Decision {
  const { notifyAt, challengeAt, lockAt, lockWithoutSecondFactorAt } = settings
  if (score >= lockAt) return 'lock'
  if (!hasSecondFactor && score >= lockWithoutSecondFactorAt) return 'lock'
  if (score >= challengeAt) return hasSecondFactor ? 'challenge' : 'notify'
  return score >= notifyAt ? 'notify' : 'allow'
}

function newCountry({ signIn, history }: SignInFacts): string | undefined {
  const { country } = signIn.place
  const before = valuesOf(history, ({ place }) => place.country)
  if (country === undefined || before.length === 0 || before.includes(country)) return undefined
  return `First sign-in from ${country}; before: ${before.join(', ')}.`
}

/** Each once, in the order of the list. */
function valuesOf<T>(
  history: readonly SignIn[],
  value: (signIn: SignIn) => T | undefined,
): readonly T[] {
  const all = history.map(value).filter((one) => one !== undefined)
  return [...new Set(all)]
}

function impossibleTravel(
  { signIn, history }: SignInFacts,
  settings: AnomalySettings,
): string | undefined {
  const network = networkOf(signIn.ip)
  const familiar = history.filter(({ ip }) => networkOf(ip) === network).length
  if (familiar >= FAMILIAR_TIMES) return undefined
  const last = nearestInTime(signIn, history)
  if (last === undefined) return undefined
  const ms = Math.abs(signIn.at - last.at)
  const between = `${placeName(last.place)} and ${placeName(signIn.place)} within ${timeText(ms)}`
  const km = leastDistanceKm(last.place, signIn.place)
  if (km !== undefined) {
    // Two sign-ins at the same time are not infinitely fast.
    const speed = km / (Math.max(ms, MINUTE) / HOUR)
    if (km < LEAST_TRAVEL_KM || speed <= settings.travelSpeed) return undefined
    const numbers = `at least ${Math.round(km)} km, ${Math.round(speed)} km/h`
    return `${between}: ${numbers}; nobody travels faster than ${settings.travelSpeed} km/h.`
  }
  if (last.place.country === signIn.place.country || ms >= settings.countryWindow) return undefined
  return `${between}: two countries in less than ${timeText(settings.countryWindow)}.`
}

/**
 * The one of a known place that is nearest in time. Clocks are put back and requests overtake each other, so it may be
 * later than the sign-in in question; what counts is how much time there was.
 */
function nearestInTime(signIn: SignIn, history: readonly SignIn[]): SignIn | undefined {
  if (signIn.place.country === undefined && signIn.place.latitude === undefined) return undefined
  let nearest: SignIn | undefined
  for (const one of history) {
    const comparable =
      leastDistanceKm(one.place, signIn.place) !== undefined ||
      (one.place.country !== undefined && signIn.place.country !== undefined)
    if (!comparable) continue
    const isNearer =
      nearest === undefined || Math.abs(one.at - signIn.at) < Math.abs(nearest.at - signIn.at)
    if (isNearer) nearest = one
  }
  return nearest
}

function networkTypeChange({ signIn, history }: SignInFacts): string | undefined {
  const type = signIn.place.networkType
  const before = valuesOf(history, ({ place }) => place.networkType)
  if (type === undefined || !HIDING.has(type) || before.length === 0 || before.includes(type))
    return undefined
  const owner = signIn.place.network === undefined ? '' : ` of ${signIn.place.network}`
  return `First sign-in through a network of type ${type}${owner}; before: ${before.join(', ')}.`
}

function newDevice({ signIn, history }: SignInFacts): string | undefined {
  const before = valuesOf(history, ({ device }) => (device === '' ? undefined : device))
  if (signIn.device === '' || before.length === 0 || before.includes(signIn.device))
    return undefined
  return `A device that none of the last ${history.length} sign-ins came from.`
}

/** Failures at so many accounts from one network are somebody who tries passwords. */
export const isBurst = (network: NetworkFailures, settings: AnomalySettings): boolean =>
  network.accounts >= settings.burstAccounts

function burst({ signIn, network }: SignInFacts, settings: AnomalySettings): string | undefined {
  if (!isBurst(network, settings)) return undefined
  const counts = `${network.failures} times at ${network.accounts} accounts`
  return `${networkOf(signIn.ip)} failed ${counts} within ${timeText(settings.burstWindow)}.`
}

function manyFailures({ failures }: SignInFacts, settings: AnomalySettings): string | undefined {
  if (failures < settings.failures) return undefined
  return `${failures} failures at this account within ${timeText(settings.burstWindow)} before.`
}

/**
 * Whether something that was used in one country is now used in another: for keys and logins, which machines use and
 * nobody can ask for a second factor. ISO codes; what is not known has not changed.
 */
export const placeChanged = (former: string | undefined, now: string | undefined): boolean =>
  former !== undefined && now !== undefined && former !== now

/** `90 min`, `26 h`, `3 d`. */
function timeText(ms: number): string {
  if (ms < 2 * HOUR) return `${Math.round(ms / MINUTE)} min`
  return ms < 48 * HOUR ? `${Math.round(ms / HOUR)} h` : `${Math.round(ms / (24 * HOUR))} d`
}
