/**
 * Proofs by passkey: a sign-in without a password, and the second factor after one. The signature is checked before
 * anything else in the answer is believed; a counter that goes back then means a copy, which is refused and noticed.
 */
import { generateAuthenticationOptions, verifyAuthenticationResponse } from '@simplewebauthn/server'
import type {
  PublicKeyCredentialRequestOptionsJSON,
  VerifiedAuthenticationResponse,
} from '@simplewebauthn/server'
import type { Actor } from '../../core/audit.ts'
import type { ErrorCode } from '../../core/errors.ts'
import { asId, encodeId } from '../../core/ids.ts'
import type { PasskeyId, UserId } from '../../core/ids.ts'
import type { Clock, Log } from '../../core/ports.ts'
import type { Store } from '../../store/open.ts'
import { passkeyByCredential, passkeysOf, usePasskey } from '../../store/passkeys.ts'
import type { PasskeyRow } from '../../store/passkeys.ts'
import type { Whence } from './caller.ts'
import type { Notice } from './person.ts'
import { CHALLENGE_MS, reasonOf, refusal } from './webauthn-challenges.ts'
import type { Challenges, InSession } from './webauthn-challenges.ts'
import { descriptorOf, handleOf, toAuthentication } from './webauthn.ts'
import type { PasskeyAnswer } from './webauthn.ts'

export interface PasskeyProofsDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly challenges: Challenges
  readonly notice: Notice
}

export interface PasskeyProofs {
  /** For `navigator.credentials.get` without a name typed in. The caller limits how often it is asked. */
  signInOptions(): Promise<PublicKeyCredentialRequestOptionsJSON>
  /** Who it is; the device has asked for finger, face or PIN. SIGN_IN_FAILED otherwise. */
  signIn(
    whence: Whence,
    answer: PasskeyAnswer,
  ): Promise<{ readonly user: UserId; readonly passkey: PasskeyId }>
  /** SECOND_FACTOR_WRONG when the person has no passkey. */
  secondFactorOptions(at: InSession): Promise<PublicKeyCredentialRequestOptionsJSON>
  /** SECOND_FACTOR_WRONG when it is not right, or another person's. */
  secondFactor(actor: Actor, at: InSession, answer: PasskeyAnswer): Promise<PasskeyId>
}

/** How one answer is judged. */
interface Terms {
  readonly challenge: string
  /** The device must have asked for finger, face or PIN. */
  readonly isVerificationRequired: boolean
  readonly orElse: ErrorCode
  readonly ip: string | undefined
}

export function makePasskeyProofs(deps: PasskeyProofsDeps): PasskeyProofs {
  const { store, clock, log, challenges, notice } = deps

  /** Checks the signature of an answer under one of our rows, and notes the use. */
  async function prove(row: PasskeyRow, answer: PasskeyAnswer, terms: Terms): Promise<void> {
    const { challenge: expectedChallenge, orElse, ip } = terms
    const { id: expectedRPID, origin: expectedOrigin } = challenges.party()
    let result: VerifiedAuthenticationResponse
    try {
      result = await verifyAuthenticationResponse({
        response: toAuthentication(answer),
        expectedChallenge,
        expectedOrigin,
        expectedRPID,
        requireUserVerification: terms.isVerificationRequired,
        credential: {
          id: row.credential_id,
          publicKey: new Uint8Array(Buffer.from(row.public_key, 'base64url')),
          // why: ours to judge below, once the signature is known to be right; anybody can claim a counter.
          counter: 0,
        },
      })
    } catch (cause) {
      throw refusal(orElse, reasonOf(cause), cause)
    }
    if (!result.verified) throw refusal(orElse, 'the signature is wrong')
    const { newCounter: counter, credentialBackedUp: synced } = result.authenticationInfo
    const user = asId('user', row.user_id)
    if ((counter > 0 || row.counter > 0) && counter <= row.counter) {
      const passkey = encodeId('passkey', asId('passkey', row.id))
      const data = { passkey, counter, expected: row.counter + 1 }
      log.warn({ evt: 'passkey-cloned', user, ...data }, 'a passkey counted backwards')
      notice({ kind: 'passkey-cloned', user, ip, data })
      throw refusal(orElse, 'the counter went back')
    }
    const use = { counter, synced, at: clock.now() }
    if (!(await usePasskey(store, asId('passkey', row.id), use)))
      throw refusal(orElse, 'another answer with this counter came first')
  }

  return {
    async signInOptions() {
      const { id: rpID } = challenges.party()
      const made = { purpose: 'sign-in', user: undefined, session: undefined } as const
      return generateAuthenticationOptions({
        rpID,
        challenge: await challenges.issue(made),
        timeout: CHALLENGE_MS,
        userVerification: 'required',
      })
    },

    async signIn(whence, answer) {
      challenges.party()
      const orElse = 'SIGN_IN_FAILED'
      const made = { purpose: 'sign-in', user: undefined, session: undefined } as const
      const challenge = await challenges.answered(made, answer.response.clientDataJSON, orElse)
      const row = await passkeyByCredential(store, answer.id)
      if (row === undefined) throw refusal(orElse, 'the passkey is unknown')
      const user = asId('user', row.user_id)
      // WebAuthn §7.2 step 6: without a name typed in, the authenticator has to say whose it is.
      if (answer.response.userHandle !== Buffer.from(handleOf(user)).toString('base64url'))
        throw refusal(orElse, 'the passkey names another person')
      await prove(row, answer, { challenge, isVerificationRequired: true, orElse, ip: whence.ip })
      return { user, passkey: asId('passkey', row.id) }
    },

    async secondFactorOptions({ person, session }) {
      const { id: rpID } = challenges.party()
      const have = await passkeysOf(store, person.id)
      if (have.length === 0) throw refusal('SECOND_FACTOR_WRONG', 'the person has no passkey')
      return generateAuthenticationOptions({
        rpID,
        challenge: await challenges.issue({ purpose: 'second-factor', user: person.id, session }),
        timeout: CHALLENGE_MS,
        userVerification: 'preferred',
        allowCredentials: have.map(descriptorOf),
      })
    },

    async secondFactor(actor, { person, session }, answer) {
      challenges.party()
      const orElse = 'SECOND_FACTOR_WRONG'
      const made = { purpose: 'second-factor', user: person.id, session } as const
      const challenge = await challenges.answered(made, answer.response.clientDataJSON, orElse)
      const row = await passkeyByCredential(store, answer.id)
      if (row?.user_id !== person.id) throw refusal(orElse, 'the person has no such passkey')
      await prove(row, answer, { challenge, isVerificationRequired: false, orElse, ip: actor.ip })
      return asId('passkey', row.id)
    },
  }
}
