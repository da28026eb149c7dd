/**
 * What a one-time link lets its holder do: set up an account, set a password, confirm an address, lift a lock, accept an
 * invitation. Asking for one tells nobody whether an account exists. A link is used in the same write as what it does,
 * so it works once, whoever comes second.
 */
import type { Actor } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import type { UserId } from '../core/ids.ts'
import type { Place } from '../core/place.ts'
import type { Clock, Log } from '../core/ports.ts'
import { networkOf } from '../policy/anomaly-network.ts'
import { invitationByHash } from '../store/invitations.ts'
import type { Store } from '../store/open.ts'
import { securityEventChange } from '../store/security-events.ts'
import { endSessions } from '../store/sessions.ts'
import { signInChange } from '../store/sign-ins.ts'
import { endTokens, tokenByHash, useToken } from '../store/user-tokens.ts'
import type { TokenPurpose, TokenRow } from '../store/user-tokens.ts'
import { changeUser, findUser, userId } from '../store/users.ts'
import type { UserChange } from '../store/users.ts'
import type { Change } from '../store/writer.ts'
import { makeAcceptance } from './accept-invitation.ts'
import type { Acceptance, HashPassword } from './accept-invitation.ts'
import type { Whence } from './auth/caller.ts'
import type { Throttle } from './auth/throttle.ts'
import { linkActor, makeLinkFinder } from './link-finder.ts'
import type { LinkPurpose, Links } from './links.ts'
import { addressKey, emailKey, personName } from './person.ts'
import type { SystemMail } from './system-mail.ts'
import { emailChangeText, noticeText, releaseText, resetText } from './system-mail-texts.ts'
import type { NoticeKind, RequestFacts } from './system-mail-texts.ts'

export interface LinkFacts {
  readonly purpose: LinkPurpose
  /** Whom it is for; for an email-change the new address. */
  readonly email: string
  /** Of the person, where there is one already. */
  readonly name: string | undefined
  readonly expiresAt: number
  readonly invitation:
    { readonly tenant: string; readonly role: string; readonly invitedBy: string } | undefined
  /** Whether a password goes with it. False for an invitation of somebody who has an account: they sign in. */
  readonly needsPassword: boolean
  /** The first owner may give an address in place of the one that the program made up. */
  readonly mayChangeEmail: boolean
}

export interface AccountLinks extends Acceptance {
  /** LINK_INVALID, RATE_LIMITED. */
  look(token: string, whence: Whence): Promise<LinkFacts>
  /** LINK_INVALID, PASSWORD_WEAK, BODY_INVALID, RATE_LIMITED, NAME_TAKEN. All earlier sessions end. */
  setUp(
    wish: { token: string; name: string; password: string; email?: string | undefined },
    whence: Whence,
  ): Promise<{ email: string }>
  /**
   * RATE_LIMITED, whether or not there is such an account; nothing else. What there is to do is done behind the answer;
   * `done` is for those who must wait for it.
   */
  requestReset(email: string, whence: Whence): Promise<{ readonly done: Promise<void> }>
  /** LINK_INVALID, PASSWORD_WEAK, RATE_LIMITED. All sessions and links end; the second factor stays. */
  finishReset(wish: { token: string; password: string }, whence: Whence): Promise<{ email: string }>
  /** ADDRESS_INVALID, NAME_TAKEN; STATE_CONFLICT when no mail can be sent. */
  requestEmailChange(actor: Actor, user: UserId, email: string, whence: Whence): Promise<void>
  /** LINK_INVALID, NAME_TAKEN, RATE_LIMITED. */
  finishEmailChange(token: string, whence: Whence): Promise<{ email: string }>
  /** Mails somebody who was locked out how to get in again. `unavailable`: an administrator must release them. */
  sendRelease(actor: Actor, user: UserId, request: RequestFacts): Promise<'mailed' | 'unavailable'>
  /** LINK_INVALID, RATE_LIMITED. */
  finishRelease(token: string, whence: Whence): Promise<{ email: string }>
}

export interface PasswordDoor {
  /** Throws PASSWORD_WEAK. */
  check(text: string, about: { readonly email: string; readonly name: string }): void
  hash(text: string): Promise<string>
}

export interface AccountLinksDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly links: Links
  readonly mail: SystemMail
  readonly passwords: PasswordDoor
  readonly throttle: Pick<Throttle, 'check' | 'succeed'>
  readonly places: { placeOf(ip: string): Place }
  /** The made-up address of the first owner. */
  readonly placeholderEmail: string
}

type UserLink = TokenRow & { readonly hash: string; readonly user: UserId }

export function makeAccountLinks(deps: AccountLinksDeps): AccountLinks {
  const { store, clock, links, mail, passwords, throttle } = deps

  const find = makeLinkFinder({ links, throttle })
  async function linkOf(token: string, purpose: TokenPurpose, whence: Whence): Promise<UserLink> {
    const row = await find(token, whence, async (hash) => {
      const known = await tokenByHash(store, hash, clock.now())
      return known?.purpose === purpose ? known : undefined
    })
    return { ...row, user: userId({ id: row.user_id }) }
  }

  const facts = ({ ip, userAgent }: Whence): RequestFacts => ({
    at: clock.now(),
    ip,
    device: userAgent,
  })
  const notify = (to: string, kind: NoticeKind, whence: Whence): Promise<unknown> =>
    mail.send({ to, ...noticeText(kind, facts(whence)) })

  const hashPassword: HashPassword = async (text, about) => {
    passwords.check(text, about)
    return passwords.hash(text)
  }

  /** Uses the link, changes the person, ends their other links, and their sessions when a password changes. */
  async function use(
    link: UserLink,
    whence: Whence,
    {
      action,
      change,
      also = [],
    }: { readonly action: string; readonly change: UserChange; readonly also?: readonly Change[] },
  ): Promise<void> {
    const now = clock.now()
    const changes: Change[] = [
      useToken(store, link.hash, now),
      changeUser(store, link.user, change),
      endTokens(store, { user: link.user }, now),
      ...also,
    ]
    if (change.password_hash !== undefined)
      changes.push(
        endSessions(store, { user: link.user }, { at: now, because: 'password changed' }),
      )
    const { email = link.email } = change
    await store.writer.write(changes, {
      actor: linkActor(link.user, link.email, whence),
      tenant: undefined,
      action,
      target: { kind: 'user', id: encodeId('user', link.user), name: link.email },
      ...(email === link.email ? {} : { before: { email: link.email }, after: { email } }),
    })
  }

  const mayChangeEmail = (row: TokenRow): boolean =>
    row.purpose === 'setup' && row.confirmed_at === null && row.email === deps.placeholderEmail

  async function sendReset(email: string, whence: Whence): Promise<void> {
    const user = await findUser(store, { email })
    if (user === undefined || user.deactivated_at !== null) return
    const id = userId(user)
    const { link, changes } = links.forUser('reset', id)
    await store.writer.write(changes, {
      actor: linkActor(undefined, 'somebody', whence),
      tenant: undefined,
      action: 'user.reset-asked',
      target: { kind: 'user', id: encodeId('user', id), name: email },
    })
    await mail.send({ to: email, ...resetText({ ...link, request: facts(whence) }) })
  }

  return {
    async look(token, whence) {
      const now = clock.now()
      const { user, invitation } = await find(token, whence, async (hash) => {
        const user = await tokenByHash(store, hash, now)
        const invitation = await invitationByHash(store, hash, now)
        return user === undefined && invitation === undefined ? undefined : { user, invitation }
      })
      if (user !== undefined)
        return {
          purpose: user.purpose,
          email: user.new_email ?? user.email,
          name: user.name,
          expiresAt: user.expires_at,
          invitation: undefined,
          needsPassword: user.purpose === 'setup' || user.purpose === 'reset',
          mayChangeEmail: mayChangeEmail(user),
        }
      if (invitation === undefined) throw new AppError('LINK_INVALID')
      const known = await findUser(store, { email: invitation.email })
      return {
        purpose: 'invitation',
        email: invitation.email,
        name: known?.name,
        expiresAt: invitation.expires_at,
        invitation: {
          tenant: invitation.tenant_name,
          role: invitation.role,
          invitedBy: invitation.invited_by,
        },
        needsPassword: known === undefined,
        mayChangeEmail: false,
      }
    },

    async setUp(wish, whence) {
      const link = await linkOf(wish.token, 'setup', whence)
      const name = personName(wish.name)
      const email = wish.email === undefined ? link.email : addressKey(wish.email)
      if (email !== link.email && !mayChangeEmail(link))
        throw new AppError('BODY_INVALID', {
          public: 'The address cannot be changed here.',
          fields: [{ path: 'email', message: 'is not the one that the link is for' }],
        })
      const change = {
        name,
        email,
        password_hash: await hashPassword(wish.password, { email, name }),
        confirmed_at: clock.now(),
      }
      await use(link, whence, { action: 'user.set-up', change })
      if (link.password_hash !== null) await notify(link.email, 'password-changed', whence)
      return { email }
    },

    async requestReset(text, whence) {
      const email = emailKey(text) ?? ''
      // Never given back: so many mails go to one address, and so many requests come from one, found or not.
      await throttle.check({
        step: 'password',
        account: `reset of ${email}`,
        ip: whence.ip,
        device: undefined,
      })
      // Behind the answer, which so takes the same time for whoever has an account and whoever has none.
      const done = sendReset(email, whence).catch((error: unknown) =>
        deps.log.error({ err: error }, 'a link for a new password could not be sent'),
      )
      return { done }
    },

    async finishReset({ token, password }, whence) {
      const link = await linkOf(token, 'reset', whence)
      const change = {
        password_hash: await hashPassword(password, link),
        confirmed_at: link.confirmed_at ?? clock.now(),
      }
      await use(link, whence, { action: 'user.password-reset', change })
      await notify(link.email, 'password-changed', whence)
      return { email: link.email }
    },

    async requestEmailChange(actor, user, text, whence) {
      const email = addressKey(text)
      const row = await findUser(store, { id: user })
      if (row === undefined) throw new AppError('NOT_FOUND')
      if ((await findUser(store, { email })) !== undefined) throw new AppError('NAME_TAKEN')
      if (!mail.isAvailable())
        throw new AppError('STATE_CONFLICT', {
          public:
            'This installation cannot send mail yet, and without it an address cannot be proved.',
        })
      const { link, changes } = links.forUser('email-change', user, email)
      await store.writer.write(changes, {
        actor,
        tenant: undefined,
        action: 'user.email-change-asked',
        target: { kind: 'user', id: encodeId('user', user), name: row.email },
        after: { email },
      })
      await mail.send({ to: email, ...emailChangeText(link) })
      await notify(row.email, 'email-change-asked', whence)
    },

    async finishEmailChange(token, whence) {
      const link = await linkOf(token, 'email-change', whence)
      const email = link.new_email ?? link.email
      const change = { email, confirmed_at: clock.now() }
      await use(link, whence, { action: 'user.email-changed', change })
      await notify(link.email, 'email-changed', whence)
      return { email }
    },

    async sendRelease(actor, user, request) {
      const row = await findUser(store, { id: user })
      if (row === undefined || row.deactivated_at !== null || !mail.isAvailable())
        return 'unavailable'
      const { link, changes } = links.forUser('release', user)
      await store.writer.write(changes, {
        actor,
        tenant: undefined,
        action: 'user.release-link-sent',
        target: { kind: 'user', id: encodeId('user', user), name: row.email },
      })
      return mail.send({ to: row.email, ...releaseText({ ...link, request }) })
    },

    async finishRelease(token, whence) {
      const link = await linkOf(token, 'release', whence)
      const change = { locked_at: null, locked_because: null }
      // Otherwise the next sign-in from there would be as strange as the one that led to the lock.
      const seen = signInChange(store, {
        who: link.user,
        at: clock.now(),
        ip: whence.ip,
        network: networkOf(whence.ip),
        place: deps.places.placeOf(whence.ip),
        device: '',
        outcome: 'ok',
      })
      const { country } = deps.places.placeOf(whence.ip)
      const told = securityEventChange(
        store,
        {
          kind: 'account-released',
          score: 0,
          decision: 'notify',
          tenant: undefined,
          user: link.user,
          ip: whence.ip,
          country,
          data: { by: 'link' },
        },
        clock.now(),
      )
      await use(link, whence, { action: 'user.released', change, also: [seen, told] })
      return { email: link.email }
    },

    ...makeAcceptance({ store, clock, find, hashPassword }),
  }
}
