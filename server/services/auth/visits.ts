/**
 * What is kept of each try to sign in, how strange it is, and what follows: an entry in the security log, a notice to
 * the person, or a locked account with a mailed link that releases it.
 */
import type { Clock, Log } from '../../core/ports.ts'
import { parsePlace, placeName } from '../../core/place.ts'
import type { Place } from '../../core/place.ts'
import type { NewSecurityEvent, SecurityKind } from '../../core/security.ts'
import { encodeId } from '../../core/ids.ts'
import type { UserId } from '../../core/ids.ts'
import { isBurst, judgeSignIn } from '../../policy/anomaly.ts'
import type { AnomalySettings } from '../../policy/anomaly.ts'
import { networkOf } from '../../policy/anomaly-network.ts'
import type { Store } from '../../store/open.ts'
import { endSessions } from '../../store/sessions.ts'
import {
  failuresFromNetwork,
  failuresOfUser,
  insertSignIn,
  signInHistory,
} from '../../store/sign-ins.ts'
import { changeUser, hasSecondFactor } from '../../store/users.ts'
import type { Links } from '../links.ts'
import type { SecurityLog } from '../security-log.ts'
import type { SystemMail } from '../system-mail.ts'
import { noticeText, releaseText } from '../system-mail-texts.ts'
import type { RequestFacts } from '../system-mail-texts.ts'
import { personTarget } from './person.ts'
import { personActor } from './sessions.ts'
import type { SignInLog, Visit } from './sign-in.ts'

export interface VisitDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly places: { placeOf(ip: string): Place }
  readonly securityLog: SecurityLog
  readonly links: Pick<Links, 'forUser'>
  readonly mail: SystemMail
  readonly settings: AnomalySettings
  /** Counts each try. */
  readonly count: (outcome: 'ok' | 'wrong' | 'challenged' | 'locked') => void
}

/** One entry for a burst of failures from a network, not one for each failure. */
const MOST_BURSTS = 1_000

export function makeVisits(deps: VisitDeps): SignInLog {
  const { store, clock, log, places, settings, securityLog, mail } = deps
  /** Network → when its burst was last told. */
  const bursts = new Map<string, number>()

  const recordTry = (
    who: UserId | { readonly unknownAddress: string },
    visit: Visit,
    outcome: 'ok' | 'wrong' | 'challenged' | 'locked',
  ): Promise<void> => {
    deps.count(outcome)
    return insertSignIn(store, {
      who,
      at: clock.now(),
      ip: visit.ip,
      network: networkOf(visit.ip),
      place: places.placeOf(visit.ip),
      device: visit.device ?? '',
      outcome,
    })
  }

  function eventOf(
    kind: SecurityKind,
    visit: Visit,
    facts: Pick<NewSecurityEvent, 'user' | 'score' | 'decision' | 'data'>,
  ): NewSecurityEvent {
    const { country } = places.placeOf(visit.ip)
    return { kind, tenant: undefined, ip: visit.ip, country, ...facts }
  }

  async function tellBurst(visit: Visit): Promise<void> {
    const network = networkOf(visit.ip)
    const now = clock.now()
    const since = now - settings.burstWindow
    if ((bursts.get(network) ?? 0) > since) return
    const failures = await failuresFromNetwork(store, network, since)
    if (!isBurst(failures, settings)) return
    if (bursts.size >= MOST_BURSTS) bursts.clear()
    bursts.set(network, now)
    const data = { network, ...failures }
    await securityLog.record(
      eventOf('sign-in-failed-burst', visit, {
        user: undefined,
        score: settings.scores.burstFromNetwork,
        decision: 'notify',
        data,
      }),
    )
  }

  const requestFacts = (visit: Visit): RequestFacts => ({
    at: clock.now(),
    ip: visit.ip,
    place: placeName(places.placeOf(visit.ip)),
    device: visit.userAgent,
  })

  return {
    async judge(person, visit) {
      const now = clock.now()
      const since = now - settings.burstWindow
      const [history, network, failures] = await Promise.all([
        signInHistory(store, person.id),
        failuresFromNetwork(store, networkOf(visit.ip), since),
        failuresOfUser(store, person.id, since),
      ])
      const place = places.placeOf(visit.ip)
      const signIn = { at: now, ip: visit.ip, place, device: visit.device ?? '' }
      const { hasSecondFactor } = person
      return judgeSignIn({ signIn, history, network, failures, hasSecondFactor }, settings)
    },

    async knows(user, device) {
      const history = await signInHistory(store, user)
      return history.some((past) => past.device === device)
    },

    async failed(person, email, visit) {
      await recordTry(person?.id ?? { unknownAddress: email }, visit, 'wrong')
      await tellBurst(visit)
    },

    async succeeded(person, visit, outcome, judgement) {
      await recordTry(person.id, visit, outcome)
      if (judgement === undefined || judgement.decision === 'allow') return
      const { score, decision, findings } = judgement
      const [gravest] = findings
      const reasons = findings.map(({ reason }) => reason)
      const data = { reasons, userAgent: visit.userAgent }
      if (gravest !== undefined)
        await securityLog.record(
          eventOf(gravest.kind, visit, { user: person.id, score, decision, data }),
        )
      await mail.send({ to: person.email, ...noticeText('new-sign-in', requestFacts(visit)) })
    },

    async judgeMove({ user, from, to }) {
      const device = to.userAgent
      const place = places.placeOf(to.ip)
      const { score, decision, findings } = judgeSignIn(
        {
          signIn: { at: clock.now(), ip: to.ip, place, device },
          history: [{ at: from.at, ip: from.ip, place: parsePlace(from.place), device }],
          network: { failures: 0, accounts: 0 },
          failures: 0,
          hasSecondFactor: await hasSecondFactor(store, user),
        },
        settings,
      )
      const [gravest] = findings
      if (gravest !== undefined && decision !== 'allow') {
        const data = { reasons: findings.map(({ reason }) => reason), session: 'in use' }
        const visit = { ...to, device: undefined }
        await securityLog.record(eventOf(gravest.kind, visit, { user, score, decision, data }))
      }
      return decision
    },

    async lock(person, visit, judgement) {
      const now = clock.now()
      const reasons = judgement.findings.map(({ reason }) => reason)
      const because = reasons[0] ?? 'A strange sign-in.'
      const { link, changes } = deps.links.forUser('release', person.id)
      const { score, decision } = judgement
      const data = { reasons, userAgent: visit.userAgent }
      const event = eventOf('account-locked', visit, { user: person.id, score, decision, data })
      await store.writer.write(
        [
          changeUser(store, person.id, { locked_at: now, locked_because: because }),
          endSessions(store, { user: person.id }, { at: now, because: 'account locked' }),
          ...changes,
        ],
        {
          actor: { ...personActor(person.id, person.email, visit), kind: 'system' },
          tenant: undefined,
          action: 'user.locked',
          target: personTarget(person),
          after: { because },
        },
      )
      await securityLog.record(event)
      await recordTry(person.id, visit, 'locked')
      const { url, expiresAt } = link
      const request = requestFacts(visit)
      const mailed = await mail.send({
        to: person.email,
        ...releaseText({ url, expiresAt, request }),
      })
      log.warn(
        { evt: 'account-locked', user: encodeId('user', person.id), score, mailed },
        'an account was locked',
      )
    },
  }
}
