/** Sign-ins for tables: of somebody in Germany with a laptop, who was there yesterday and the day before. */
import { loadConfig } from '../../../server/config/load.ts'
import type { Place } from '../../../server/core/place.ts'
import type { FindingKind } from '../../../server/core/security.ts'
import { judgeSignIn } from '../../../server/policy/anomaly.ts'
import type { AnomalySettings, SignIn, SignInFacts } from '../../../server/policy/anomaly.ts'

/** As they come. */
export const defaults: AnomalySettings = loadConfig({
  file: undefined,
  env: {},
  flags: {},
  hostname: 'mta.test',
}).security.anomaly

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
const NOW = Date.UTC(2026, 5, 1, 12)

export const BERLIN: Place = {
  country: 'DE',
  city: 'Berlin',
  latitude: 52.52,
  longitude: 13.4,
  accuracyKm: 20,
}
export const PARIS: Place = {
  country: 'FR',
  city: 'Paris',
  latitude: 48.86,
  longitude: 2.35,
  accuracyKm: 20,
}
export const TOKYO: Place = {
  country: 'JP',
  city: 'Tokyo',
  latitude: 35.68,
  longitude: 139.69,
  accuracyKm: 20,
}

export const signIn = (over: Partial<SignIn> = {}): SignIn => ({
  at: NOW,
  ip: '81.2.69.142',
  place: { country: 'DE' },
  device: 'laptop',
  ...over,
})
/** `ms` before now, from another network. */
export const earlier = (ms: number, over: Partial<SignIn> = {}): SignIn =>
  signIn({ at: NOW - ms, ip: '92.0.0.1', ...over })
export const inCountry = (country: string): Pick<SignIn, 'place'> => ({ place: { country } })

export const facts = (over: Partial<SignInFacts> = {}): SignInFacts => ({
  signIn: signIn(),
  history: [earlier(24 * HOUR), earlier(48 * HOUR)],
  network: { failures: 0, accounts: 0 },
  failures: 0,
  hasSecondFactor: true,
  ...over,
})

export const kinds = (given: SignInFacts, settings = defaults): readonly FindingKind[] =>
  judgeSignIn(given, settings).findings.map(({ kind }) => kind)
