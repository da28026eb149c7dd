/**
 * Rows of the security log. Appended, and marked as handled once; nothing else ever changes in them. An event of a
 * person has no tenant of its own: it is seen by every tenant the person belongs to.
 */
import type { Selectable } from 'kysely'
import type { AuditDraft } from '../core/audit.ts'
import { asId } from '../core/ids.ts'
import type { TenantId, UserId } from '../core/ids.ts'
import type { NewSecurityEvent, SecurityEventId } from '../core/security.ts'
import type { Store } from './open.ts'
import { nextId, returnedId } from './rows.ts'
import type { SecurityEventsTable } from './schema-control.ts'
import type { Change } from './writer.ts'

export type SecurityEventRow = Selectable<SecurityEventsTable>

/** Goes into another write, such as the one that locks the account. */
export function securityEventChange(
  store: Pick<Store, 'across'>,
  event: NewSecurityEvent,
  at: number,
): Change {
  const query = store.across.build
    .insertInto('security_events')
    .values({
      id: nextId,
      tenant_id: event.tenant ?? null,
      user_id: event.user ?? null,
      kind: event.kind,
      score: event.score,
      decision: event.decision,
      ip: event.ip ?? null,
      country: event.country ?? null,
      data: JSON.stringify(event.data),
      at,
    })
    .returning('id')
    .compile()
  return { query }
}

export async function insertSecurityEvent(
  store: Store,
  event: NewSecurityEvent,
  at: number,
): Promise<SecurityEventId> {
  const [inserted] = await store.writer.write([securityEventChange(store, event, at)], {
    unaudited: 'the security log is a record itself',
  })
  return asId('security', returnedId(inserted?.rows))
}

export interface EventPage {
  /** Only events with a smaller key. */
  readonly before: number | undefined
  readonly limit: number
  /** Only those that nobody has handled. */
  readonly unhandled: boolean
}

const COLUMNS = [
  'e.id',
  'e.tenant_id',
  'e.user_id',
  'e.kind',
  'e.score',
  'e.decision',
  'e.ip',
  'e.country',
  'e.data',
  'e.at',
  'e.handled_at',
  'e.handled_by',
  'e.handled_note',
] as const

/** Of the whole installation, for those with a platform role; or about one person, in all tenants. Newest first. */
export function allSecurityEvents(
  store: Store,
  user: UserId | undefined,
  page: EventPage,
): Promise<SecurityEventRow[]> {
  let query = store.across.read
    .selectFrom('security_events as e')
    .select(COLUMNS)
    .where('e.id', '<', page.before ?? Number.MAX_SAFE_INTEGER)
  if (user !== undefined) query = query.where('e.user_id', '=', user)
  if (page.unhandled) query = query.where('e.handled_at', 'is', null)
  return query.orderBy('e.id', 'desc').limit(page.limit).execute()
}

/** Of a tenant's own and of its people, newest first. */
export async function securityEventsOfTenant(
  store: Store,
  tenant: TenantId,
  page: EventPage,
): Promise<SecurityEventRow[]> {
  const before = page.before ?? Number.MAX_SAFE_INTEGER
  let own = store
    .of(tenant)
    .selectFrom('security_events')
    .selectAll()
    .where('security_events.id', '<', before)
  let ofMembers = eventsOfMembers(store, tenant).where('e.id', '<', before)
  if (page.unhandled) {
    own = own.where('security_events.handled_at', 'is', null)
    ofMembers = ofMembers.where('e.handled_at', 'is', null)
  }
  const rows = await Promise.all([
    own.orderBy('security_events.id', 'desc').limit(page.limit).execute(),
    ofMembers.orderBy('e.id', 'desc').limit(page.limit).execute(),
  ])
  return rows
    .flat()
    .sort((a, b) => b.id - a.id)
    .slice(0, page.limit)
}

/** What happened before somebody joined is not the tenant's business. */
const eventsOfMembers = (store: Store, tenant: TenantId) =>
  store
    .of(tenant)
    .selectFrom('memberships')
    .innerJoin('security_events as e', (join) =>
      join
        .onRef('e.user_id', '=', 'memberships.user_id')
        .onRef('e.at', '>=', 'memberships.created_at')
        .on('e.tenant_id', 'is', null),
    )
    .select(COLUMNS)

/** Whose eyes: those of one tenant, or of a platform role. */
export type SecurityViewer = { readonly tenant: TenantId } | 'installation'

/** One event, if the viewer may see it. */
export async function securityEventById(
  store: Store,
  viewer: SecurityViewer,
  id: SecurityEventId,
): Promise<SecurityEventRow | undefined> {
  if (viewer === 'installation')
    return store.across.read
      .selectFrom('security_events as e')
      .select(COLUMNS)
      .where('e.id', '=', id)
      .executeTakeFirst()
  const own = await store
    .of(viewer.tenant)
    .selectFrom('security_events')
    .selectAll()
    .where('security_events.id', '=', id)
    .executeTakeFirst()
  return own ?? eventsOfMembers(store, viewer.tenant).where('e.id', '=', id).executeTakeFirst()
}

export interface Handled {
  readonly id: SecurityEventId
  readonly at: number
  readonly by: string
  readonly note: string
}

/** For who is known to see the event. Rejects with STATE_CONFLICT when it is handled already. */
export async function markHandled(
  store: Store,
  handled: Handled,
  record: AuditDraft,
): Promise<void> {
  const query = store.across.build
    .updateTable('security_events')
    .set({ handled_at: handled.at, handled_by: handled.by, handled_note: handled.note })
    .where('id', '=', handled.id)
    .where('handled_at', 'is', null)
    .compile()
  await store.writer.write([{ query, expect: { changes: 1, orElse: 'STATE_CONFLICT' } }], record)
}
