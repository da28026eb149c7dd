/** Rows of sessions. The token is only here as a hash; an ended session stays for the list until it is old. */
import { asId } from '../core/ids.ts'
import type { SessionId, UserId } from '../core/ids.ts'
import type { AuditDraft, Unaudited } from '../core/audit.ts'
import type { Store } from './open.ts'
import { nextId, returnedId } from './rows.ts'
import type { SessionsTable } from './schema-control.ts'
import type { Change } from './writer.ts'

export interface NewSession {
  readonly user: UserId
  readonly tokenHash: string
  readonly stage: SessionsTable['stage']
  readonly method: string
  readonly expiresAt: number
  readonly confirmedAt: number | undefined
  readonly userAgent: string
  readonly ip: string
  /** JSON of Place. */
  readonly place: string
}

/** `also` are further changes of the same moment, such as ending the session that this one takes the place of. */
export async function insertSession(
  store: Store,
  session: NewSession,
  options: {
    readonly now: number
    readonly also: readonly Change[]
    readonly record: AuditDraft | Unaudited
  },
): Promise<SessionId> {
  const query = store.build
    .insertInto('sessions')
    .values({
      id: nextId,
      user_id: session.user,
      token_hash: session.tokenHash,
      stage: session.stage,
      method: session.method,
      created_at: options.now,
      last_used_at: options.now,
      expires_at: session.expiresAt,
      confirmed_at: session.confirmedAt ?? null,
      user_agent: session.userAgent,
      ip: session.ip,
      place: session.place,
    })
    .returning('id')
    .compile()
  const [inserted] = await store.writer.write([{ query }, ...options.also], options.record)
  return asId('session', returnedId(inserted?.rows))
}

export interface SessionRow {
  readonly id: number
  readonly user_id: number
  readonly stage: SessionsTable['stage']
  readonly method: string
  readonly created_at: number
  readonly last_used_at: number
  readonly expires_at: number
  readonly confirmed_at: number | null
  readonly user_agent: string
  readonly ip: string
  readonly place: string
}
const COLUMNS = [
  'id',
  'user_id',
  'stage',
  'method',
  'created_at',
  'last_used_at',
  'expires_at',
  'confirmed_at',
  'user_agent',
  'ip',
  'place',
] as const

/** Undefined for a session that never was, has ended or has expired. */
export const sessionByToken = (
  store: Store,
  tokenHash: string,
  now: number,
): Promise<SessionRow | undefined> =>
  store.read
    .selectFrom('sessions')
    .select(COLUMNS)
    .where('token_hash', '=', tokenHash)
    .where('ended_at', 'is', null)
    .where('expires_at', '>', now)
    .executeTakeFirst()

/** Those in force, the last used first. `idleBefore`: not used since is over, even when nobody has said so. */
export const sessionsOf = (
  store: Store,
  user: UserId,
  { now, idleBefore }: { now: number; idleBefore: number },
): Promise<SessionRow[]> =>
  store.read
    .selectFrom('sessions')
    .select(COLUMNS)
    .where('user_id', '=', user)
    .where('ended_at', 'is', null)
    .where('expires_at', '>', now)
    .where('last_used_at', '>', idleBefore)
    .orderBy('last_used_at', 'desc')
    .execute()

/** Goes into another write: ends sessions of one person, all of them or as told. */
export function endSessions(
  store: Pick<Store, 'build'>,
  which: { readonly user: UserId; readonly only?: SessionId; readonly except?: SessionId },
  ended: { readonly at: number; readonly because: string },
): Change {
  const all = store.build
    .updateTable('sessions')
    .set({ ended_at: ended.at, ended_because: ended.because })
    .where('user_id', '=', which.user)
    .where('ended_at', 'is', null)
  if (which.only !== undefined) return { query: all.where('id', '=', which.only).compile() }
  if (which.except !== undefined) return { query: all.where('id', '!=', which.except).compile() }
  return { query: all.compile() }
}

export interface SessionChange {
  readonly tokenHash?: string
  readonly stage?: SessionsTable['stage']
  readonly method?: string
  readonly confirmedAt?: number
  readonly lastUsedAt?: number
  readonly ip?: string
  readonly place?: string
}

/** Changes a session in force; SESSION_ENDED when it is not any more. */
export function changeSession(
  store: Pick<Store, 'build'>,
  id: SessionId,
  change: SessionChange,
): Change {
  const query = store.build
    .updateTable('sessions')
    .set({
      ...(change.tokenHash === undefined ? {} : { token_hash: change.tokenHash }),
      ...(change.stage === undefined ? {} : { stage: change.stage }),
      ...(change.method === undefined ? {} : { method: change.method }),
      ...(change.confirmedAt === undefined ? {} : { confirmed_at: change.confirmedAt }),
      ...(change.lastUsedAt === undefined ? {} : { last_used_at: change.lastUsedAt }),
      ...(change.ip === undefined ? {} : { ip: change.ip }),
      ...(change.place === undefined ? {} : { place: change.place }),
    })
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .compile()
  return { query, expect: { changes: 1, orElse: 'SESSION_ENDED' } }
}
