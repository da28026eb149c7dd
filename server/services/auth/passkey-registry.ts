/**
 * Passkeys (WebAuthn) of a person: adding, naming and removing them. Each is a way to sign in without a password and a
 * second factor; passkey-proofs.ts takes the proofs.
 */
import { generateRegistrationOptions, verifyRegistrationResponse } from '@simplewebauthn/server'
import type {
  PublicKeyCredentialCreationOptionsJSON,
  VerifiedRegistrationResponse,
} from '@simplewebauthn/server'
import type { Actor, AuditDraft } from '../../core/audit.ts'
import { AppError } from '../../core/errors.ts'
import { asId, encodeId } from '../../core/ids.ts'
import type { PasskeyId, UserId } from '../../core/ids.ts'
import type { Clock } from '../../core/ports.ts'
import type { Store } from '../../store/open.ts'
import {
  deletePasskey,
  insertPasskey,
  passkeyOf,
  passkeysOf,
  renamePasskey,
} from '../../store/passkeys.ts'
import type { Person, Notice } from './person.ts'
import { CHALLENGE_MS, reasonOf, refusal } from './webauthn-challenges.ts'
import type { Challenges, InSession } from './webauthn-challenges.ts'
import {
  descriptorOf,
  handleOf,
  hasNoCertificates,
  knownTransports,
  toRegistration,
} from './webauthn.ts'
import type { NewPasskeyAnswer } from './webauthn.ts'

export interface PasskeyRegistryDeps {
  readonly store: Store
  readonly clock: Clock
  readonly challenges: Challenges
  readonly notice: Notice
}

export interface PasskeyInfo {
  readonly id: PasskeyId
  readonly name: string
  /** Kept by a cloud account, so it may be on several devices. */
  readonly synced: boolean
  readonly createdAt: number
  readonly lastUsedAt: number | undefined
}

export interface PasskeyRegistry {
  /** For `navigator.credentials.create`. CONFIG_INVALID where there can be none. */
  registerOptions(
    at: InSession,
    displayName: string,
  ): Promise<PublicKeyCredentialCreationOptionsJSON>
  /**
   * PASSKEY_INVALID when the answer is not right, STATE_CONFLICT when it is known already or the person has 20.
   * `name` has 1 to 100 characters.
   */
  register(
    actor: Actor,
    at: InSession,
    passkey: { readonly name: string; readonly answer: NewPasskeyAnswer },
  ): Promise<PasskeyInfo>
  list(user: UserId): Promise<readonly PasskeyInfo[]>
  /** NOT_FOUND when the person has no such passkey. */
  rename(actor: Actor, person: Person, id: PasskeyId, name: string): Promise<void>
  /** NOT_FOUND when the person has no such passkey. */
  remove(actor: Actor, person: Person, id: PasskeyId): Promise<void>
}

const MOST_PASSKEYS = 20
const MOST_NAME = 100
/** EdDSA, ES256, RS256 (IANA COSE algorithms): what authenticators have. */
const ALGORITHMS = [-8, -7, -257]

export function makePasskeyRegistry({
  store,
  clock,
  challenges,
  notice,
}: PasskeyRegistryDeps): PasskeyRegistry {
  const target = (id: PasskeyId, name: string): AuditDraft['target'] => ({
    kind: 'passkey',
    id: encodeId('passkey', id),
    name,
  })

  return {
    async registerOptions({ person, session }, displayName) {
      const { id: rpID } = challenges.party()
      const have = await passkeysOf(store, person.id)
      if (have.length >= MOST_PASSKEYS) throw tooMany()
      return generateRegistrationOptions({
        rpName: 'Posthorn',
        rpID,
        userName: person.email,
        userDisplayName: displayName,
        userID: handleOf(person.id),
        challenge: await challenges.issue({ purpose: 'register', user: person.id, session }),
        timeout: CHALLENGE_MS,
        attestationType: 'none',
        excludeCredentials: have.map(descriptorOf),
        // Kept on the device where it can be, so that it works without an address typed in; an old key may still be
        // a second factor.
        authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
        supportedAlgorithmIDs: ALGORITHMS,
      })
    },

    async register(actor, { person, session }, { name, answer }) {
      const { id: expectedRPID, origin: expectedOrigin } = challenges.party()
      const made = { purpose: 'register', user: person.id, session } as const
      const challenge = await challenges.answered(
        made,
        answer.response.clientDataJSON,
        'PASSKEY_INVALID',
      )
      const title = titleOf(name)
      if (!hasNoCertificates(answer.response.attestationObject))
        throw refusal('PASSKEY_INVALID', 'an attestation that was not asked for')
      let result: VerifiedRegistrationResponse
      try {
        result = await verifyRegistrationResponse({
          response: toRegistration(answer),
          expectedChallenge: challenge,
          expectedOrigin,
          expectedRPID,
          requireUserVerification: false,
          supportedAlgorithmIDs: ALGORITHMS,
        })
      } catch (cause) {
        throw refusal('PASSKEY_INVALID', reasonOf(cause), cause)
      }
      if (!result.verified) throw refusal('PASSKEY_INVALID', 'the signature is wrong')
      const { credential, credentialBackedUp: synced } = result.registrationInfo
      const now = clock.now()
      try {
        const id = await insertPasskey(
          store,
          {
            user: person.id,
            credential: credential.id,
            publicKey: Buffer.from(credential.publicKey).toString('base64url'),
            counter: credential.counter,
            transports: knownTransports(answer.response.transports),
            name: title,
            synced,
          },
          { now, most: MOST_PASSKEYS },
          {
            actor,
            tenant: undefined,
            action: 'passkey.added',
            target: { kind: 'passkey', id: undefined, name: title },
            after: { user: encodeId('user', person.id), synced },
          },
        )
        const data = { factor: 'passkey', name: title }
        notice({ kind: 'second-factor-added', user: person.id, ip: actor.ip, data })
        return { id, name: title, synced, createdAt: now, lastUsedAt: undefined }
      } catch (error) {
        if (error instanceof AppError && error.code === 'STATE_CONFLICT') throw tooMany()
        if (error instanceof AppError && error.code === 'NAME_TAKEN')
          throw new AppError('STATE_CONFLICT', { public: 'This passkey is registered already.' })
        throw error
      }
    },

    async list(user) {
      return (await passkeysOf(store, user)).map((row) => ({
        id: asId('passkey', row.id),
        name: row.name,
        synced: row.synced === 1,
        createdAt: row.created_at,
        lastUsedAt: row.last_used_at ?? undefined,
      }))
    },

    async rename(actor, person, id, name) {
      const row = await passkeyOf(store, person.id, id)
      if (row === undefined) throw new AppError('NOT_FOUND')
      const title = titleOf(name)
      await renamePasskey(store, { user: person.id, id }, title, {
        actor,
        tenant: undefined,
        action: 'passkey.renamed',
        target: target(id, title),
        before: { name: row.name },
        after: { name: title },
      })
    },

    async remove(actor, person, id) {
      const row = await passkeyOf(store, person.id, id)
      if (row === undefined) throw new AppError('NOT_FOUND')
      await deletePasskey(
        store,
        { user: person.id, id },
        {
          actor,
          tenant: undefined,
          action: 'passkey.removed',
          target: target(id, row.name),
          before: { user: encodeId('user', person.id), name: row.name },
        },
      )
      const data = { factor: 'passkey', name: row.name }
      notice({ kind: 'second-factor-removed', user: person.id, ip: actor.ip, data })
    },
  }
}

function titleOf(name: string): string {
  const title = name.trim()
  if (title === '' || title.length > MOST_NAME)
    throw new AppError('BODY_INVALID', {
      fields: [{ path: '/name', message: `must have 1 to ${MOST_NAME} characters` }],
    })
  return title
}

const tooMany = (): AppError =>
  new AppError('STATE_CONFLICT', {
    public: `A person can have ${MOST_PASSKEYS} passkeys; remove one first.`,
  })
