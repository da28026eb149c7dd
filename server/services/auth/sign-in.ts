/**
 * Signing in: a password or a passkey, then the second factor, with what is strange about it judged in between. Every
 * refusal before the password was right is the same refusal after the same work, whoever was asked for.
 */
import { AppError } from '../../core/errors.ts'
import type { UserId } from '../../core/ids.ts'
import type { Decision } from '../../core/security.ts'
import type { Judgement } from '../../policy/anomaly.ts'
import type { SignInPerson } from '../person.ts'
import type { SessionFacts, SessionStage, Whence } from './caller.ts'
import type { Passkeys } from './passkeys.ts'
import type { Passwords } from './password.ts'
import type { RecoveryCodes } from './recovery-codes.ts'
import { personActor } from './sessions.ts'
import type { Move, Sessions } from './sessions.ts'
import type { Attempt, Throttle } from './throttle.ts'
import type { Totp } from './totp.ts'
import type { PasskeyAnswer } from './webauthn.ts'

/** From where and with which browser somebody signs in. `device` is the id in its signed cookie. */
export interface Visit extends Whence {
  readonly device: string | undefined
}

export type FactorKind = 'totp' | 'passkey' | 'recovery-code'

/** One proof of who it is. */
export type Proof =
  | { readonly kind: 'totp'; readonly code: string }
  | { readonly kind: 'recovery-code'; readonly code: string }
  | { readonly kind: 'passkey'; readonly answer: PasskeyAnswer }
  | { readonly kind: 'password'; readonly password: string }

export interface SignedIn {
  /** For the cookie. */
  readonly token: string
  readonly stage: SessionStage
  /** What the second factor may be, while it is asked for. */
  readonly factors: readonly FactorKind[]
}

export interface SignIn {
  /** SIGN_IN_FAILED for everything that does not match, ACCOUNT_LOCKED only after the right password, RATE_LIMITED. */
  withPassword(
    visit: Visit,
    given: { readonly email: string; readonly password: string },
  ): Promise<SignedIn>
  /** Without a password: the passkey has asked for finger, face or PIN, which makes it both factors. */
  withPasskey(visit: Visit, answer: PasskeyAnswer): Promise<SignedIn>
  /** Completes a sign-in. SECOND_FACTOR_WRONG, RATE_LIMITED. */
  secondFactor(visit: Visit, session: SessionFacts, proof: Proof): Promise<SignedIn>
  /**
   * A fresh proof before something dangerous; a new token. A password only counts for those who have no second
   * factor.
   */
  confirm(visit: Visit, session: SessionFacts, proof: Proof): Promise<SignedIn>
  /** After the second factor that was missing is set up: a new token of a complete sign-in. */
  enrolled(visit: Visit, session: SessionFacts): Promise<SignedIn>
}

/** What is kept of each try, and what is done about strange ones; see visits.ts. */
export interface SignInLog {
  judge(person: SignInPerson, visit: Visit): Promise<Judgement>
  /** Whether somebody has signed in with this browser before. */
  knows(user: UserId, device: string): Promise<boolean>
  failed(who: SignInPerson | undefined, email: string, visit: Visit): Promise<void>
  /** `outcome` ok: complete. challenged: the second factor is still asked for. */
  succeeded(
    person: SignInPerson,
    visit: Visit,
    outcome: 'ok' | 'challenged',
    judgement: Judgement | undefined,
  ): Promise<void>
  /** A session in use that comes from somewhere else all at once. */
  judgeMove(move: Move): Promise<Decision>
  /** Locks the account, ends its sessions, mails the link that releases it. */
  lock(person: SignInPerson, visit: Visit, judgement: Judgement): Promise<void>
}

export interface SignInDeps {
  readonly personForSignIn: (who: string | UserId) => Promise<SignInPerson | undefined>
  readonly sessions: Sessions
  readonly passwords: Passwords
  readonly totp: Totp
  readonly recoveryCodes: RecoveryCodes
  readonly passkeys: Passkeys
  readonly throttle: Throttle
  readonly log: SignInLog
  /** A hash of the same password with today's parameters. */
  readonly rehash: (user: UserId, hash: string) => Promise<void>
  /** Everybody must have a second factor. */
  readonly requireSecondFactor: boolean
}

export function makeSignIn(deps: SignInDeps): SignIn {
  const { sessions, passwords, totp, recoveryCodes, passkeys, throttle, log } = deps

  async function factorsOf(user: UserId): Promise<FactorKind[]> {
    const factors: FactorKind[] = []
    if (await totp.isActive(user)) factors.push('totp')
    if ((await passkeys.list(user)).length > 0) factors.push('passkey')
    if ((await recoveryCodes.remaining(user)) > 0) factors.push('recovery-code')
    return factors
  }

  /** Runs one guess: counted as failed from the start, given back when it was none. */
  async function guess<T>(attempt: Attempt, look: () => Promise<T>): Promise<T> {
    await throttle.check(attempt)
    try {
      const result = await look()
      await throttle.succeed(attempt)
      return result
    } catch (error) {
      const isWrong = error instanceof AppError && error.kind === 'unauthenticated'
      if (!isWrong) await throttle.release(attempt)
      throw error
    }
  }

  /** Somebody whose first proof was right: judged, and given a session of the stage that is due. */
  async function admit(
    person: SignInPerson,
    visit: Visit,
    proof: { readonly method: string; readonly isComplete: boolean },
  ): Promise<SignedIn> {
    if (person.lockedAt !== undefined) throw new AppError('ACCOUNT_LOCKED')
    const judgement = await log.judge(person, visit)
    if (judgement.decision === 'lock') {
      await log.lock(person, visit, judgement)
      throw new AppError('ACCOUNT_LOCKED')
    }
    const stage = stageFor(person, proof.isComplete)
    const { token } = await sessions.open({
      user: person.id,
      email: person.email,
      stage,
      method: proof.method,
      whence: visit,
    })
    const isAsked = stage === 'second-factor'
    await log.succeeded(person, visit, isAsked ? 'challenged' : 'ok', judgement)
    return { token, stage, factors: isAsked ? await factorsOf(person.id) : [] }
  }

  function stageFor(person: SignInPerson, isComplete: boolean): SessionStage {
    if (isComplete) return 'open'
    if (person.hasSecondFactor) return 'second-factor'
    return deps.requireSecondFactor || person.mustHaveSecondFactor ? 'enrol' : 'open'
  }

  /** Throws SECOND_FACTOR_WRONG, or SIGN_IN_FAILED for a password. Returns the word for the session's method. */
  async function prove(visit: Visit, session: SessionFacts, proof: Proof): Promise<string> {
    const person = { id: session.user, email: session.email }
    const actor = personActor(session.user, session.email, visit)
    switch (proof.kind) {
      case 'totp':
        await totp.verify(actor, session.user, proof.code)
        return 'totp'
      case 'recovery-code':
        await recoveryCodes.use(actor, person, proof.code)
        return 'recovery-code'
      case 'passkey':
        await passkeys.secondFactor(actor, { person, session: session.id }, proof.answer)
        return 'passkey'
      case 'password': {
        const known = await deps.personForSignIn(session.user)
        const { right } = await passwords.verify(known?.passwordHash, proof.password)
        if (!right) throw new AppError('SIGN_IN_FAILED', { public: 'The password is not right.' })
        return 'password'
      }
    }
  }

  const attemptOf = (
    step: Attempt['step'],
    visit: Visit,
    account: string | undefined,
    isKnownDevice: boolean,
  ): Attempt => ({
    step,
    account,
    ip: visit.ip,
    device: isKnownDevice ? visit.device : undefined,
  })

  const knows = async (user: UserId | undefined, { device }: Visit): Promise<boolean> =>
    user !== undefined && device !== undefined && (await log.knows(user, device))

  return {
    async withPassword(visit, { email, password }) {
      const person = await deps.personForSignIn(email)
      const attempt = attemptOf('password', visit, email, await knows(person?.id, visit))
      const { rehashed } = await guess(attempt, async () => {
        const verified = await passwords.verify(person?.passwordHash, password)
        if (verified.right && person?.deactivated === false) return verified
        await log.failed(person, email, visit)
        throw new AppError('SIGN_IN_FAILED')
      })
      // The guess was refused for everybody who is not there.
      if (person === undefined) throw new AppError('SIGN_IN_FAILED')
      if (rehashed !== undefined) await deps.rehash(person.id, rehashed)
      return admit(person, visit, { method: 'password', isComplete: false })
    },

    async withPasskey(visit, answer) {
      const attempt = attemptOf('password', visit, undefined, false)
      const { user } = await guess(attempt, () => passkeys.signIn(visit, answer))
      const person = await deps.personForSignIn(user)
      if (person === undefined || person.deactivated) throw new AppError('SIGN_IN_FAILED')
      return admit(person, visit, { method: 'passkey', isComplete: true })
    },

    async secondFactor(visit, session, proof) {
      if (session.stage !== 'second-factor') throw new AppError('STATE_CONFLICT')
      if (proof.kind === 'password') throw new AppError('SECOND_FACTOR_WRONG')
      const person = await deps.personForSignIn(session.user)
      if (person === undefined) throw new AppError('SESSION_ENDED')
      const isKnown = await knows(session.user, visit)
      const attempt = attemptOf('second-factor', visit, session.email, isKnown)
      const added = await guess(attempt, async () => {
        try {
          return await prove(visit, session, proof)
        } catch (error) {
          if (error instanceof AppError && error.kind === 'unauthenticated')
            await log.failed(person, session.email, visit)
          throw error
        }
      })
      const method = `${session.method}+${added}`
      const { token } = await sessions.advance(session, { stage: 'open', method }, visit)
      await log.succeeded(person, visit, 'ok', undefined)
      return { token, stage: 'open', factors: [] }
    },

    async confirm(visit, session, proof) {
      const person = await deps.personForSignIn(session.user)
      if (proof.kind === 'password' && person?.hasSecondFactor === true)
        throw new AppError('SECOND_FACTOR_WRONG', {
          public: 'Confirm with your second factor; the password alone is not enough.',
        })
      const isKnown = await knows(session.user, visit)
      const attempt = attemptOf('second-factor', visit, session.email, isKnown)
      await guess(attempt, () => prove(visit, session, proof))
      const { stage } = session
      const { token } = await sessions.advance(session, { stage }, visit)
      return { token, stage, factors: [] }
    },

    async enrolled(visit, session) {
      const { token } = await sessions.advance(session, { stage: 'open' }, visit)
      return { token, stage: 'open', factors: [] }
    },
  }
}
