/**
 * The section `security`: how long a sign-in lasts, what is asked of people, and what counts as a strange sign-in.
 * Rules of one tenant or role are operating settings, in the database; they may only ask for more than this.
 */
import Type from 'typebox'
import { count, duration, path, section, yesNo } from './leaf.ts'

const score = (description: string, value: number) =>
  count(description, { unit: 'points', default: value, minimum: 0, maximum: 100 })

/** A score ends at 100, so 101 is never reached. */
const threshold = (description: string, value: number) =>
  count(`${description} 101: never.`, { unit: 'points', default: value, maximum: 101 })

const geoip = section('Where addresses are. Not set: the country database that comes along.', {
  cityFile: Type.Optional(
    path('A City or Country database (.mmdb) to ask in place of the one that comes along.'),
  ),
  asnFile: Type.Optional(path('An ASN database (.mmdb): whose network an address is in.')),
  typeFile: Type.Optional(
    path('A Connection-Type or Anonymous-IP database (.mmdb): homes, offices, data centres.'),
  ),
})

const scores = section('What each finding about a sign-in adds to its score; 0 turns it off.', {
  newCountry: score('A country this person has not signed in from.', 50),
  impossibleTravel: score('Too far from the last sign-in for the time between; or see window.', 75),
  networkTypeChange: score('A kind of network never used before, such as a data centre.', 30),
  newDevice: score('A browser this person has not signed in with.', 20),
  burstFromNetwork: score('The network has just failed to sign in to many accounts.', 60),
  failuresBeforeSuccess: score('Many failures at this account just before.', 20),
})

const anomaly = section('Strange sign-ins: what is found, and what is done about it.', {
  notifyAt: threshold('From this score the person gets a mail.', 20),
  challengeAt: threshold('From this score the second factor is asked for again.', 50),
  lockAt: threshold('From this score the account is locked until a mailed link is followed.', 100),
  lockWithoutSecondFactorAt: threshold(
    'The same for people without a second factor, who cannot be asked for one.',
    75,
  ),
  travelSpeed: count('Nobody travels faster than this.', {
    unit: 'km/h',
    default: 900,
    minimum: 100,
    maximum: 100_000,
  }),
  countryWindow: duration(
    'Two countries within this time are impossible travel, where coordinates are not known.',
    '2 h',
    { atLeast: '0 s', atMost: '7 d' },
  ),
  burstWindow: duration('How far back failures are counted.', '15 m', {
    atLeast: '1 m',
    atMost: '1 d',
  }),
  burstAccounts: count('Failures at so many accounts from one network are a burst.', {
    unit: 'accounts',
    default: 5,
    minimum: 2,
    maximum: 1000,
  }),
  failures: count('So many failures at one account before a success are a finding.', {
    unit: 'failures',
    default: 5,
    maximum: 1000,
  }),
  scores,
})

export const security = section('Signing in, sessions, and what is done about strange sign-ins.', {
  sessionIdle: duration('A session that is not used for so long ends.', '12 h', {
    atLeast: '5 m',
    atMost: '90 d',
  }),
  sessionLifetime: duration('A session ends after so long, used or not.', '14 d', {
    atLeast: '5 m',
    atMost: '365 d',
  }),
  devicesPerUser: count('Most sessions of one person at a time; the oldest ends for a new one.', {
    unit: 'sessions',
    default: 10,
    maximum: 1000,
  }),
  stepUpFor: duration('How long a proof of who you are holds for dangerous acts.', '10 m', {
    atLeast: '1 m',
    atMost: '12 h',
  }),
  passwordMinLength: count('Shortest password.', {
    unit: 'characters',
    default: 12,
    minimum: 8,
    maximum: 128,
  }),
  requireSecondFactor: yesNo('Everybody must have a second factor.', false),
  geoip,
  anomaly,
})
