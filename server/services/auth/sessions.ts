/**
 * Sessions of people: opened by a sign-in, found by the token in the cookie, moved to a new token whenever their
 * rights grow (so that a token somebody planted or saw before is worth nothing), ended one by one or all at once.
 */
import { createHmac } from 'node:crypto'
import type { Actor } from '../../core/audit.ts'
import { AppError } from '../../core/errors.ts'
import { asId, encodeId } from '../../core/ids.ts'
import type { SessionId, UserId } from '../../core/ids.ts'
import type { Decision } from '../../core/security.ts'
import type { PlatformRole } from '../../core/permission.ts'
import type { Clock, Log, Random } from '../../core/ports.ts'
import type { Store } from '../../store/open.ts'
import { changeSession, endSessions, insertSession } from '../../store/sessions.ts'
import { sessionByToken, sessionsOf } from '../../store/sessions.ts'
import type { SessionRow } from '../../store/sessions.ts'
import type { Change } from '../../store/writer.ts'
import { abilitiesOf } from './ability.ts'
import type { Grants } from './ability.ts'
import type { Membership, SessionFacts, SessionStage, Whence } from './caller.ts'
import { hashToken, isToken, newToken } from './token.ts'

export interface SessionSettings {
  /** Not used for so long: over. */
  readonly idleMs: number
  /** Over in any case. */
  readonly lifetimeMs: number
  /** Sessions of one person at a time; a further one ends the one unused the longest. */
  readonly devices: number
  /** How long a proof of who it is counts for dangerous acts. */
  readonly stepUpMs: number
}

/** Somebody who may have a session. */
export interface SessionPerson {
  readonly email: string
  readonly name: string
  readonly platformRole: PlatformRole | undefined
  readonly memberships: readonly Membership[]
  readonly grants: Grants
  /** A second factor is asked of them and they have none: all they can do is set one up. */
  readonly mustEnrol: boolean
}

/** A session that is suddenly used from somewhere else. */
export interface Move {
  readonly user: UserId
  readonly email: string
  readonly from: { readonly at: number; readonly ip: string; readonly place: string }
  readonly to: Whence
}

export interface SessionInfo {
  readonly id: SessionId
  readonly stage: SessionStage
  readonly method: string
  readonly userAgent: string
  readonly ip: string
  /** JSON of Place. */
  readonly place: string
  readonly createdAt: number
  readonly lastUsedAt: number
  readonly expiresAt: number
}

export interface NewSessionRequest {
  readonly user: UserId
  readonly email: string
  readonly stage: SessionStage
  /** `password`, `passkey`, then what was added: `password+totp`. */
  readonly method: string
  readonly whence: Whence
}

export interface Sessions {
  /** The token is for the cookie and is kept nowhere. */
  open(request: NewSessionRequest): Promise<{ readonly id: SessionId; readonly token: string }>
  /** Throws SESSION_ENDED for a token that is unknown, ended, expired, or of somebody who may not sign in. */
  authenticate(token: string, whence: Whence): Promise<SessionFacts>
  /** After a further proof: a new token, the old one is worth nothing any more. */
  advance(
    session: Pick<SessionFacts, 'id' | 'user' | 'email'>,
    to: { readonly stage: SessionStage; readonly method?: string },
    whence: Whence,
  ): Promise<{ readonly token: string }>
  /** Whether the person has proved who they are within the last minutes. */
  isConfirmed(session: SessionFacts): boolean
  list(user: UserId): Promise<readonly SessionInfo[]>
  /** NOT_FOUND when the person has no such session in force. */
  end(actor: Actor, user: { id: UserId; email: string }, session: SessionId): Promise<void>
  /** The session that a browser had before it signed in again; unknown tokens end nothing. */
  endByToken(token: string): Promise<void>
  /** All but `except`; resolves with how many. */
  endOthers(
    actor: Actor,
    user: { id: UserId; email: string },
    except: SessionId | undefined,
  ): Promise<number>
  /** Goes with every unsafe request of this session; only a page of ours can have read it. */
  csrfToken(session: SessionId): string
}

/** A use is noted at most so often. */
const TOUCH_MS = 60_000

export interface SessionDeps {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Derived for sessions. */
  readonly key: Buffer
  readonly settings: SessionSettings
  /** Undefined: deactivated, locked, or gone. */
  readonly personOf: (user: UserId) => Promise<SessionPerson | undefined>
  /** JSON of the place of an address. */
  readonly placeText: (ip: string) => string
  /** `challenge`: ask for the second factor again. `lock`: the session is over. */
  readonly judgeMove: (move: Move) => Promise<Decision>
}

export function makeSessions(deps: SessionDeps): Sessions {
  const { store, clock, random, log, key, settings, placeText } = deps
  const idleBefore = (): number => clock.now() - settings.idleMs

  /** What has to go so that one more session fits. */
  async function surplus(user: UserId): Promise<Change[]> {
    const now = clock.now()
    const inForce = await sessionsOf(store, user, { now, idleBefore: idleBefore() })
    return inForce
      .slice(Math.max(0, settings.devices - 1))
      .map(({ id }) =>
        endSessions(
          store,
          { user, only: asId('session', id) },
          { at: now, because: 'too many devices' },
        ),
      )
  }

  /** Not awaited by the request that it notes. */
  function touch(row: SessionRow, whence: Whence): void {
    const now = clock.now()
    if (now - row.last_used_at < TOUCH_MS && row.ip === whence.ip) return
    const change = changeSession(store, asId('session', row.id), {
      lastUsedAt: now,
      ip: whence.ip,
      ...(row.ip === whence.ip ? {} : { place: placeText(whence.ip) }),
    })
    store.writer.write([change], { unaudited: 'last use of a session' }).catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'SESSION_ENDED') return
      log.warn({ err: error }, 'the use of a session could not be noted')
    })
  }

  /** A stolen cookie is used from elsewhere: the session may have to prove itself again. */
  async function stageAfterMove(
    row: SessionRow,
    email: string,
    whence: Whence,
  ): Promise<SessionStage> {
    const user = asId('user', row.user_id)
    const id = asId('session', row.id)
    const from = { at: row.last_used_at, ip: row.ip, place: row.place }
    const decision = await deps.judgeMove({ user, email, from, to: whence })
    if (decision === 'lock') {
      const because = 'used from too far away'
      const change = endSessions(store, { user, only: id }, { at: clock.now(), because })
      await store.writer.write([change], { unaudited: 'the security log has the reason' })
      throw new AppError('SESSION_ENDED')
    }
    if (decision !== 'challenge' || row.stage !== 'open') return row.stage
    await store.writer.write([changeSession(store, id, { stage: 'second-factor' })], {
      unaudited: 'the security log has the reason',
    })
    return 'second-factor'
  }

  return {
    async open({ user, email, stage, method, whence }) {
      const now = clock.now()
      const token = newToken(random)
      const also = await surplus(user)
      const id = await insertSession(
        store,
        {
          user,
          tokenHash: hashToken(token, key),
          stage,
          method,
          expiresAt: now + settings.lifetimeMs,
          confirmedAt: stage === 'second-factor' ? undefined : now,
          userAgent: whence.userAgent,
          ip: whence.ip,
          place: placeText(whence.ip),
        },
        {
          now,
          also,
          record: {
            actor: personActor(user, email, whence),
            tenant: undefined,
            action: 'session.opened',
            target: { kind: 'session', id: undefined, name: email },
            after: { stage, method, userAgent: whence.userAgent },
          },
        },
      )
      return { id, token }
    },

    async authenticate(token, whence) {
      if (!isToken(token)) throw new AppError('SESSION_ENDED')
      const row = await sessionByToken(store, hashToken(token, key), clock.now())
      if (row === undefined || row.last_used_at <= idleBefore()) throw new AppError('SESSION_ENDED')
      const user = asId('user', row.user_id)
      const person = await deps.personOf(user)
      if (person === undefined) throw new AppError('SESSION_ENDED')
      const stage =
        row.ip === whence.ip ? row.stage : await stageAfterMove(row, person.email, whence)
      touch(row, whence)
      return {
        id: asId('session', row.id),
        user,
        email: person.email,
        name: person.name,
        stage: stage === 'open' && person.mustEnrol ? 'enrol' : stage,
        method: row.method,
        createdAt: row.created_at,
        expiresAt: row.expires_at,
        confirmedAt: row.confirmed_at ?? undefined,
        platformRole: person.platformRole,
        memberships: person.memberships,
        abilities: abilitiesOf(person.grants),
      }
    },

    async advance({ id, user, email }, { stage, method }, whence) {
      const now = clock.now()
      const token = newToken(random)
      const change = changeSession(store, id, {
        tokenHash: hashToken(token, key),
        stage,
        lastUsedAt: now,
        ...(stage === 'second-factor' ? {} : { confirmedAt: now }),
        ...(method === undefined ? {} : { method }),
      })
      await store.writer.write([change], {
        actor: personActor(user, email, whence),
        tenant: undefined,
        action: 'session.confirmed',
        target: { kind: 'session', id: encodeId('session', id), name: email },
        after: { stage, ...(method === undefined ? {} : { method }) },
      })
      return { token }
    },

    isConfirmed: ({ confirmedAt }) =>
      confirmedAt !== undefined && clock.now() - confirmedAt < settings.stepUpMs,

    async list(user) {
      const rows = await sessionsOf(store, user, { now: clock.now(), idleBefore: idleBefore() })
      return rows.map((row) => ({
        id: asId('session', row.id),
        stage: row.stage,
        method: row.method,
        userAgent: row.user_agent,
        ip: row.ip,
        place: row.place,
        createdAt: row.created_at,
        lastUsedAt: row.last_used_at,
        expiresAt: row.expires_at,
      }))
    },

    async end(actor, user, session) {
      const { query } = endSessions(
        store,
        { user: user.id, only: session },
        { at: clock.now(), because: 'ended by hand' },
      )
      await store.writer.write([{ query, expect: { changes: 1, orElse: 'NOT_FOUND' } }], {
        actor,
        tenant: undefined,
        action: 'session.ended',
        target: { kind: 'session', id: encodeId('session', session), name: user.email },
      })
    },

    async endByToken(token) {
      const row = isToken(token)
        ? await sessionByToken(store, hashToken(token, key), clock.now())
        : undefined
      if (row === undefined) return
      const which = { user: asId('user', row.user_id), only: asId('session', row.id) }
      const change = endSessions(store, which, { at: clock.now(), because: 'signed in again' })
      await store.writer.write([change], { unaudited: 'the new session is recorded' })
    },

    async endOthers(actor, user, except) {
      const which = except === undefined ? { user: user.id } : { user: user.id, except }
      const change = endSessions(store, which, { at: clock.now(), because: 'all ended by hand' })
      const [ended] = await store.writer.write([change], {
        actor,
        tenant: undefined,
        action: 'session.all-ended',
        target: { kind: 'user', id: encodeId('user', user.id), name: user.email },
      })
      return ended?.changes ?? 0
    },

    csrfToken: (session) => createHmac('sha256', key).update(`csrf ${session}`).digest('base64url'),
  }
}

/** The person at work on their own account. */
export const personActor = (user: UserId, email: string, whence: Whence): Actor => ({
  kind: 'user',
  id: user,
  name: email,
  means: 'session',
  ip: whence.ip,
  country: undefined,
  requestId: whence.requestId,
})
