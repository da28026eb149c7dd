/** What people change in their own account, beside their factors: the name they are shown by, and the password. */
import type { Actor } from '../../core/audit.ts'
import { AppError } from '../../core/errors.ts'
import { encodeId } from '../../core/ids.ts'
import type { Clock } from '../../core/ports.ts'
import type { Store } from '../../store/open.ts'
import { securityEventChange } from '../../store/security-events.ts'
import { endSessions } from '../../store/sessions.ts'
import { changeUser } from '../../store/users.ts'
import type { PersonReads } from '../person.ts'
import type { SystemMail } from '../system-mail.ts'
import { noticeText } from '../system-mail-texts.ts'
import type { SessionFacts } from './caller.ts'
import type { Passwords } from './password.ts'
import type { Throttle } from './throttle.ts'

export interface Account {
  rename(actor: Actor, session: SessionFacts, name: string): Promise<void>
  /**
   * Ends every other session. SIGN_IN_FAILED when `current` is not right (whoever has none yet gives none), RATE_LIMITED
   * when it was wrong too often, PASSWORD_WEAK with the reason.
   */
  changePassword(
    actor: Actor,
    session: SessionFacts,
    passwords: { readonly current: string | undefined; readonly next: string },
  ): Promise<void>
}

export interface AccountDeps {
  readonly store: Store
  readonly clock: Clock
  readonly people: Pick<PersonReads, 'personForSignIn'>
  readonly passwords: Passwords
  /** Throws PASSWORD_WEAK. */
  readonly checkPassword: (text: string, about: { email: string; name: string }) => void
  readonly mail: SystemMail
  readonly throttle: Pick<Throttle, 'check' | 'succeed' | 'release'>
}

export function makeAccount(deps: AccountDeps): Account {
  const { store, clock, people, passwords, mail, throttle } = deps

  /** Whoever finds a session left open must not find the password by it. */
  async function proveCurrent(
    hash: string,
    { id, email }: SessionFacts,
    given: { readonly current: string; readonly ip: string | undefined },
  ): Promise<void> {
    // A budget of the session's own: strangers at the door must not keep its owner from changing the password.
    const device = `session ${id}`
    const attempt = { step: 'password', account: email, ip: given.ip ?? '', device } as const
    await throttle.check(attempt)
    const { right } = await passwords.verify(hash, given.current).catch(async (error: unknown) => {
      await throttle.release(attempt)
      throw error
    })
    if (!right)
      throw new AppError('SIGN_IN_FAILED', { public: 'The present password is not right.' })
    await throttle.succeed(attempt)
  }

  return {
    async rename(actor, session, name) {
      await store.writer.write([changeUser(store, session.user, { name })], {
        actor,
        tenant: undefined,
        action: 'user.changed',
        target: { kind: 'user', id: encodeId('user', session.user), name: session.email },
        before: { name: session.name },
        after: { name },
      })
    },

    async changePassword(actor, session, { current, next }) {
      const person = await people.personForSignIn(session.user)
      if (person === undefined) throw new AppError('SESSION_ENDED')
      if (person.passwordHash !== undefined)
        await proveCurrent(person.passwordHash, session, { current: current ?? '', ip: actor.ip })
      deps.checkPassword(next, { email: person.email, name: person.name })
      const hash = await passwords.hash(next)
      const now = clock.now()
      const event = {
        kind: 'password-changed',
        score: 0,
        decision: 'notify',
        tenant: undefined,
        user: session.user,
        ip: actor.ip,
        country: actor.country,
        data: {},
      } as const
      await store.writer.write(
        [
          changeUser(store, session.user, { password_hash: hash }),
          endSessions(
            store,
            { user: session.user, except: session.id },
            { at: now, because: 'password changed' },
          ),
          securityEventChange(store, event, now),
        ],
        {
          actor,
          tenant: undefined,
          action: 'user.password-changed',
          target: { kind: 'user', id: encodeId('user', session.user), name: session.email },
        },
      )
      await mail.send({
        to: person.email,
        ...noticeText('password-changed', { at: now, ip: actor.ip }),
      })
    },
  }
}
