/**
 * Challenges of passkeys: made for one purpose, one person and one session, good for five minutes and one answer. Also
 * who we are to a browser, which every ceremony needs.
 */
import { AppError } from '../../core/errors.ts'
import type { ErrorCode } from '../../core/errors.ts'
import type { SessionId } from '../../core/ids.ts'
import type { Clock, Random } from '../../core/ports.ts'
import type { Store } from '../../store/open.ts'
import { insertChallenge, takeChallenge } from '../../store/passkeys.ts'
import type { ChallengeFor } from '../../store/passkeys.ts'
import type { Person } from './person.ts'
import { relyingPartyOf } from './relying-party.ts'
import type { RelyingParty } from './relying-party.ts'
import { challengeOf } from './webauthn.ts'

/** A person at work in a session: a challenge made for one session is worth nothing in another. */
export interface InSession {
  readonly person: Person
  readonly session: SessionId
}

export interface ChallengesDeps {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly publicUrl: string
}

export interface Challenges {
  /** Why there can be no passkeys under this address, and the way out. */
  readonly problem: string | undefined
  /** Throws CONFIG_INVALID with `problem`. */
  party(): RelyingParty
  issue(made: ChallengeFor): Promise<Uint8Array<ArrayBuffer>>
  /**
   * The challenge that the answer names, which is used up by this: whatever else is wrong with the answer, there is
   * no second try. Rejects with `orElse` when it was not made for this, was used, or is too old.
   */
  answered(made: ChallengeFor, clientDataJSON: string, orElse: ErrorCode): Promise<string>
}

const CHALLENGE_BYTES = 32
export const CHALLENGE_MS = 5 * 60_000

export function makeChallenges({ store, clock, random, publicUrl }: ChallengesDeps): Challenges {
  const site = relyingPartyOf(publicUrl)
  return {
    problem: site.ok ? undefined : site.problem,

    party() {
      if (!site.ok) throw new AppError('CONFIG_INVALID', { public: site.problem })
      return site.party
    },

    async issue(made) {
      const bytes = random.bytes(CHALLENGE_BYTES)
      const now = clock.now()
      const times = { now, expiresAt: now + CHALLENGE_MS }
      await insertChallenge(store, bytes.toString('base64url'), made, times)
      return new Uint8Array(bytes)
    },

    async answered(made, clientDataJSON, orElse) {
      const challenge = challengeOf(clientDataJSON)
      if (challenge === undefined) throw refusal(orElse, 'no challenge, or framed by another site')
      if (!(await takeChallenge(store, challenge, made, clock.now())))
        throw refusal(orElse, 'the challenge is unknown, used, expired or of another session')
      return challenge
    },
  }
}

/** From outside every refusal looks the same; the log may see why. */
export const refusal = (code: ErrorCode, detail: string, cause?: unknown): AppError =>
  new AppError(code, { public: 'The passkey was not accepted.', detail, cause })

/** What the library says of an answer that it does not take. */
export const reasonOf = (cause: unknown): string =>
  cause instanceof Error ? cause.message : 'malformed'
