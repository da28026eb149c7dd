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

export interface Account {
  rename(actor: Actor, session: SessionFacts, name: string): Promise<void>
  /**
   * Ends every other session. SIGN_IN_FAILED when `current` is not right (whoever has none yet gives none),
   * PASSWORD_WEAK with the reason.
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
}

export function makeAccount(deps: AccountDeps): Account {
  const { store, clock, people, passwords, mail } = deps
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
      if (person.passwordHash !== undefined) {
        const { right } = await passwords.verify(person.passwordHash, current ?? '')
        if (!right)
          throw new AppError('SIGN_IN_FAILED', { public: 'The present password is not right.' })
      }
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
