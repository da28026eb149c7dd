/** Passkeys (WebAuthn) as one thing: keeping them (passkey-registry.ts) and taking proofs by them (passkey-proofs.ts). */
import type { Clock, Log, Random } from '../../core/ports.ts'
import type { Store } from '../../store/open.ts'
import { makePasskeyProofs } from './passkey-proofs.ts'
import type { PasskeyProofs } from './passkey-proofs.ts'
import { makePasskeyRegistry } from './passkey-registry.ts'
import type { PasskeyRegistry } from './passkey-registry.ts'
import type { Notice } from './person.ts'
import { makeChallenges } from './webauthn-challenges.ts'

export type { PasskeyInfo } from './passkey-registry.ts'

export interface PasskeysDeps {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Where people reach this installation: passkeys belong to its host name. */
  readonly publicUrl: string
  readonly notice: Notice
}

export interface Passkeys extends PasskeyRegistry, PasskeyProofs {
  /** Why there can be no passkeys under this address, and the way out; every verb that needs one throws it. */
  readonly problem: string | undefined
}

export function makePasskeys(deps: PasskeysDeps): Passkeys {
  const challenges = makeChallenges(deps)
  return {
    problem: challenges.problem,
    ...makePasskeyRegistry({ ...deps, challenges }),
    ...makePasskeyProofs({ ...deps, challenges }),
  }
}
