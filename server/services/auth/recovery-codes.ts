/**
 * Recovery codes: ten, each good once, for the day the phone is gone. 50 random bits each, so a keyed hash is enough at
 * rest. Letters and digits that can be read aloud; a person may write them in any case, with or without the hyphen.
 */
import type { Actor } from '../../core/audit.ts'
import { AppError } from '../../core/errors.ts'
import type { UserId } from '../../core/ids.ts'
import type { Clock, Random } from '../../core/ports.ts'
import type { Store } from '../../store/open.ts'
import {
  deleteRecoveryCodes,
  recoveryCodesLeft,
  replaceRecoveryCodes,
  useRecoveryCode,
  wasRecoveryCode,
} from '../../store/second-factors.ts'
import { personTarget } from './person.ts'
import type { Notice, Person } from './person.ts'
import { hashSecret } from './secret.ts'

export interface RecoveryCodesDeps {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  /** Derived for hashes of secrets. */
  readonly key: Buffer
  readonly notice: Notice
}

export interface RecoveryCodes {
  /** Ten codes `xxxxx-xxxxx`, shown once. Those before end. */
  create(actor: Actor, person: Person): Promise<readonly string[]>
  /** Uses the code up; SECOND_FACTOR_WRONG when it is wrong or was used. Resolves with how many are left. */
  use(actor: Actor, person: Person, code: string): Promise<number>
  remaining(user: UserId): Promise<number>
  /** All of them, when the last second factor goes. */
  remove(actor: Actor, person: Person): Promise<void>
}

const CODES = 10
const LETTERS = 10
// 32 of them, so that a byte's five low bits pick without bias; no i, l, o, u.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const FORM = /^[0-9a-hjkmnp-tv-z]{10}$/

const newCode = (random: Random): string =>
  Array.from(random.bytes(LETTERS), (byte) => ALPHABET[byte % 32]!).join('')

/** `ABCDE 12O45` → `abcde12045`: letters that look like digits are read as those. Undefined when it can be no code. */
function plainCode(text: string): string | undefined {
  if (text.length > 64) return undefined
  const plain = text
    .toLowerCase()
    .replaceAll(/[\s-]/g, '')
    .replaceAll('o', '0')
    .replaceAll(/[il]/g, '1')
  return FORM.test(plain) ? plain : undefined
}

export function makeRecoveryCodes(deps: RecoveryCodesDeps): RecoveryCodes {
  const { store, clock, random, key, notice } = deps
  const hashOf = (user: UserId, code: string): string =>
    hashSecret(`recovery-code/${user}/${code}`, key)

  return {
    async create(actor, person) {
      const codes = Array.from({ length: CODES }, () => newCode(random))
      await replaceRecoveryCodes(
        store,
        person.id,
        { hashes: codes.map((code) => hashOf(person.id, code)), at: clock.now() },
        {
          actor,
          tenant: undefined,
          action: 'recovery-codes.created',
          target: personTarget(person),
          after: { codes: CODES },
        },
      )
      return codes.map((code) => `${code.slice(0, 5)}-${code.slice(5)}`)
    },

    async use(actor, person, code) {
      const plain = plainCode(code)
      if (plain === undefined) throw new AppError('SECOND_FACTOR_WRONG')
      const hash = hashOf(person.id, plain)
      const said = { user: person.id, ip: actor.ip }
      try {
        await useRecoveryCode(
          store,
          person.id,
          { hash, at: clock.now() },
          {
            actor,
            tenant: undefined,
            action: 'recovery-code.used',
            target: personTarget(person),
          },
        )
      } catch (error) {
        const isWrong = error instanceof AppError && error.code === 'SECOND_FACTOR_WRONG'
        if (isWrong && (await wasRecoveryCode(store, person.id, hash)))
          notice({ ...said, kind: 'code-replayed', data: { factor: 'recovery-code' } })
        throw error
      }
      const left = await recoveryCodesLeft(store, person.id)
      notice({ ...said, kind: 'recovery-code-used', data: { left } })
      return left
    },

    remaining: (user) => recoveryCodesLeft(store, user),

    async remove(actor, person) {
      await deleteRecoveryCodes(store, person.id, {
        actor,
        tenant: undefined,
        action: 'recovery-codes.removed',
        target: personTarget(person),
      })
    },
  }
}
