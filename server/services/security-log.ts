/**
 * The security log: what was noticed about accounts and keys, what was decided, and who has looked at it since. It
 * must never hold a secret. Mailing the person is not its task: callers do that by the decision.
 */
import type { Actor } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { asId, encodeId } from '../core/ids.ts'
import type { TenantId, UserId } from '../core/ids.ts'
import type { Clock, Log } from '../core/ports.ts'
import type { NewSecurityEvent, SecurityEventId } from '../core/security.ts'
import type { Store } from '../store/open.ts'
import { decodeCursor, encodeCursor } from '../store/read/cursor.ts'
import {
  allSecurityEvents,
  insertSecurityEvent,
  markHandled,
  securityEventById,
  securityEventsOfTenant,
} from '../store/security-events.ts'
import type { EventPage, SecurityEventRow, SecurityViewer } from '../store/security-events.ts'

export interface SecurityEvent {
  readonly id: SecurityEventId
  /** A SecurityKind, or one of a later version. */
  readonly kind: string
  /** 0 to 100. */
  readonly score: number
  /** A Decision. */
  readonly decision: string
  readonly tenant: TenantId | undefined
  readonly user: UserId | undefined
  readonly ip: string | undefined
  readonly country: string | undefined
  /** The facts it was judged by, read from JSON. */
  readonly data: unknown
  readonly at: number
  readonly handled: { readonly at: number; readonly by: string; readonly note: string } | undefined
}

/** Whose events: of a tenant and its people, of one person, or of the installation. */
export type SecurityScope = SecurityViewer | { readonly user: UserId }

export interface SecurityListRequest {
  readonly scope: SecurityScope
  readonly cursor?: string | undefined
  /** 1 to 500. */
  readonly limit: number
  /** Only those that nobody has handled. */
  readonly unhandled?: boolean | undefined
}

export interface SecurityLog {
  /** Resolves when it is kept. */
  record(event: NewSecurityEvent): Promise<SecurityEventId>
  /** Newest first. Throws CURSOR_INVALID. */
  list(
    request: SecurityListRequest,
  ): Promise<{ readonly items: readonly SecurityEvent[]; readonly next: string | undefined }>
  /**
   * Somebody has looked at it. Throws NOT_FOUND for what the viewer does not see, and STATE_CONFLICT when it was
   * handled before.
   */
  handle(
    actor: Actor,
    event: { readonly id: SecurityEventId; readonly viewer: SecurityViewer },
    note: string,
  ): Promise<void>
}

export interface SecurityLogDeps {
  /** Whom else it is told; not waited for. */
  readonly tell?: ((id: SecurityEventId, event: NewSecurityEvent, at: number) => void) | undefined
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
}

export function makeSecurityLog({ store, clock, log, tell }: SecurityLogDeps): SecurityLog {
  return {
    async record(event) {
      const now = clock.now()
      const id = await insertSecurityEvent(store, event, now)
      tell?.(id, event, now)
      const { kind, score, decision, tenant, user, ip, country } = event
      log.warn(
        { evt: 'security', id, kind, score, decision, tenant, user, ip, country },
        'security event',
      )
      return id
    },

    async list({ scope, cursor, limit, unhandled }) {
      const before = cursor === undefined ? undefined : decodeCursor('security', cursor)
      // One more than asked for tells whether there is a next page.
      const page = { before, limit: limit + 1, unhandled: unhandled ?? false }
      const rows = await rowsOf(store, scope, page)
      const items = rows.slice(0, limit).map(eventOf)
      const last = items.at(-1)
      const hasMore = rows.length > limit && last !== undefined
      return { items, next: hasMore ? encodeCursor('security', last.id) : undefined }
    },

    async handle(actor, { id, viewer }, note) {
      const row = await securityEventById(store, viewer, id)
      if (row === undefined) throw new AppError('NOT_FOUND')
      const handled = { id, at: clock.now(), by: actor.name, note }
      await markHandled(store, handled, {
        actor,
        tenant: viewer === 'installation' ? eventOf(row).tenant : viewer.tenant,
        action: 'security-event.handled',
        target: { kind: 'security', id: encodeId('security', id), name: row.kind },
        after: { handledAt: handled.at, note },
      })
    },
  }
}

function rowsOf(store: Store, scope: SecurityScope, page: EventPage): Promise<SecurityEventRow[]> {
  if (scope === 'installation') return allSecurityEvents(store, undefined, page)
  if ('tenant' in scope) return securityEventsOfTenant(store, scope.tenant, page)
  return allSecurityEvents(store, scope.user, page)
}

function eventOf(row: SecurityEventRow): SecurityEvent {
  return {
    id: asId('security', row.id),
    kind: row.kind,
    score: row.score,
    decision: row.decision,
    tenant: row.tenant_id === null ? undefined : asId('tenant', row.tenant_id),
    user: row.user_id === null ? undefined : asId('user', row.user_id),
    ip: row.ip ?? undefined,
    country: row.country ?? undefined,
    data: JSON.parse(row.data),
    at: row.at,
    handled:
      row.handled_at === null
        ? undefined
        : { at: row.handled_at, by: row.handled_by ?? '', note: row.handled_note ?? '' },
  }
}
