/**
 * One-time codes of an app (RFC 6238: SHA-1, six digits, 30 s, as every app knows them). The secret is sealed at rest;
 * it counts only once a code has shown that the app has it, and no code is taken twice.
 */
import { generateURI, ScureBase32Plugin, verify } from 'otplib'
import type { Actor } from '../../core/audit.ts'
import { AppError } from '../../core/errors.ts'
import type { UserId } from '../../core/ids.ts'
import type { Clock, Random } from '../../core/ports.ts'
import type { Store } from '../../store/open.ts'
import {
  confirmTotp,
  deleteTotp,
  savePendingTotp,
  totpOf,
  useTotpStep,
} from '../../store/second-factors.ts'
import { personTarget } from './person.ts'
import type { Notice, Person } from './person.ts'

/** Seals the secrets of one purpose. */
export interface TextSeal {
  seal(plain: string): string
  open(sealed: string): string
}

export interface TotpDeps {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly seal: TextSeal
  /** What the app shows in front of the address: the host name of this installation. */
  readonly issuer: string
  readonly notice: Notice
}

export interface Totp {
  /**
   * A new secret, to be confirmed within 15 minutes; one in force stays so until then. `uri` is for the QR code,
   * `secret` (base32) for typing. Both are shown once.
   */
  begin(person: Person): Promise<{ readonly secret: string; readonly uri: string }>
  /**
   * Puts the pending secret into force. SECOND_FACTOR_WRONG on a wrong code, which may be tried again; STATE_CONFLICT
   * when nothing is pending, or no longer.
   */
  confirm(actor: Actor, person: Person, code: string): Promise<void>
  /** Uses the code up; SECOND_FACTOR_WRONG when it is wrong, was used, or the person has no secret in force. */
  verify(actor: Actor, user: UserId, code: string): Promise<void>
  isActive(user: UserId): Promise<boolean>
  /** NOT_FOUND when there is none. */
  remove(actor: Actor, person: Person): Promise<void>
}

/** The length of SHA-1, as RFC 6238 §5.1 advises. */
const SECRET_BYTES = 20
const PERIOD_S = 30
const PENDING_MS = 15 * 60_000
const CODE = /^\d{6}$/
const base32 = new ScureBase32Plugin()

export function makeTotp({ store, clock, random, seal, issuer, notice }: TotpDeps): Totp {
  /** The time step of a right code: this one, or one to either side for clocks that differ (RFC 6238 §5.2). */
  async function stepOf(secret: string, code: string): Promise<number | undefined> {
    const token = code.replaceAll(/[\s-]/g, '')
    if (!CODE.test(token)) return undefined
    const result = await verify({
      secret,
      token,
      period: PERIOD_S,
      epoch: Math.floor(clock.now() / 1000),
      epochTolerance: PERIOD_S,
    })
    return result.valid && 'timeStep' in result ? result.timeStep : undefined
  }

  return {
    async begin({ id, email }) {
      const secret = base32.encode(random.bytes(SECRET_BYTES), { padding: false })
      await savePendingTotp(store, id, seal.seal(secret), clock.now())
      return { secret, uri: generateURI({ issuer, label: email, secret, period: PERIOD_S }) }
    },

    async confirm(actor, person, code) {
      const row = await totpOf(store, person.id)
      const now = clock.now()
      if (!row?.pending || row.pending_at === null || now - row.pending_at > PENDING_MS)
        throw new AppError('STATE_CONFLICT', {
          public: 'No authenticator app is waiting to be confirmed; start again.',
        })
      const step = await stepOf(seal.open(row.pending), code)
      if (step === undefined) throw new AppError('SECOND_FACTOR_WRONG')
      await confirmTotp(
        store,
        person.id,
        { pending: row.pending, step, at: now },
        {
          actor,
          tenant: undefined,
          action: 'second-factor.enrolled',
          target: personTarget(person),
          before: { totp: row.secret !== null },
          after: { totp: true },
        },
      )
      notice({
        kind: 'second-factor-added',
        user: person.id,
        ip: actor.ip,
        data: { factor: 'totp' },
      })
    },

    async verify(actor, user, code) {
      const row = await totpOf(store, user)
      if (!row?.secret || row.confirmed_at === null) throw new AppError('SECOND_FACTOR_WRONG')
      const step = await stepOf(seal.open(row.secret), code)
      if (step === undefined) throw new AppError('SECOND_FACTOR_WRONG')
      try {
        // The row decides, not what was read: two requests with one code are here at the same time.
        await useTotpStep(store, user, { step, confirmedAt: row.confirmed_at })
      } catch (error) {
        if (error instanceof AppError && error.code === 'SECOND_FACTOR_WRONG')
          notice({ kind: 'code-replayed', user, ip: actor.ip, data: { factor: 'totp' } })
        throw error
      }
    },

    async isActive(user) {
      const row = await totpOf(store, user)
      return row?.confirmed_at != null
    },

    async remove(actor, person) {
      await deleteTotp(store, person.id, {
        actor,
        tenant: undefined,
        action: 'second-factor.removed',
        target: personTarget(person),
        before: { totp: true },
        after: { totp: false },
      })
      const data = { factor: 'totp' }
      notice({ kind: 'second-factor-removed', user: person.id, ip: actor.ip, data })
    },
  }
}
