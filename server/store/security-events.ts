/**
 * Rows of the security log. Appended, and marked as handled once; nothing else ever changes in them. An event of a
 * person has no tenant of its own: it is seen by every tenant the person belongs to.
 */
import { sql } from 'kysely'
import type { RawBuilder, Selectable } from 'kysely'
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
  store: Pick<Store, 'build'>,
  event: NewSecurityEvent,
  at: number,
): Change {
  const query = store.build
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

const pageOf = ({ before, unhandled }: EventPage): RawBuilder<unknown> =>
  sql`id < ${before ?? Number.MAX_SAFE_INTEGER} and ${unhandled ? sql`handled_at is null` : sql`1`}`

/** Of a tenant's own and of its people, newest first. */
export async function securityEventsOfTenant(
  store: Store,
  tenant: TenantId,
  page: EventPage,
): Promise<SecurityEventRow[]> {
  const { rows } = await sql<SecurityEventRow>`
    select * from (
      select * from (select * from security_events
        where tenant_id = ${tenant} and ${pageOf(page)} order by id desc limit ${page.limit})
      union all
      select * from (select * from security_events
        where ${isOfMember(tenant)} and ${pageOf(page)} order by id desc limit ${page.limit}))
    order by id desc limit ${page.limit}`.execute(store.read)
  return rows
}

/** What happened before somebody joined is not the tenant's business. */
const isOfMember = (tenant: TenantId): RawBuilder<unknown> =>
  sql`tenant_id is null and user_id in (
    select user_id from memberships where tenant_id = ${tenant} and created_at <= security_events.at)`

/** Of the whole installation, newest first: for those with a platform role. */
export async function allSecurityEvents(
  store: Store,
  page: EventPage,
): Promise<SecurityEventRow[]> {
  const { rows } = await sql<SecurityEventRow>`
    select * from security_events where ${pageOf(page)}
    order by id desc limit ${page.limit}`.execute(store.read)
  return rows
}

/** About one person, newest first; of all tenants, for the person's own eyes and for platform roles. */
export async function securityEventsOfUser(
  store: Store,
  user: UserId,
  page: EventPage,
): Promise<SecurityEventRow[]> {
  const { rows } = await sql<SecurityEventRow>`
    select * from security_events where user_id = ${user} and ${pageOf(page)}
    order by id desc limit ${page.limit}`.execute(store.read)
  return rows
}

/** Whose eyes: those of one tenant, or of a platform role. */
export type SecurityViewer = { readonly tenant: TenantId } | 'installation'

const visibleTo = (viewer: SecurityViewer): RawBuilder<unknown> =>
  viewer === 'installation'
    ? sql`1`
    : sql`(tenant_id = ${viewer.tenant} or (${isOfMember(viewer.tenant)}))`

/** One event, if the viewer may see it. */
export async function securityEventById(
  store: Store,
  viewer: SecurityViewer,
  id: SecurityEventId,
): Promise<SecurityEventRow | undefined> {
  const { rows } = await sql<SecurityEventRow>`
    select * from security_events where id = ${id} and ${visibleTo(viewer)}`.execute(store.read)
  return rows[0]
}

export interface Handled {
  readonly id: SecurityEventId
  readonly at: number
  readonly by: string
  readonly note: string
}

/** Rejects with STATE_CONFLICT when it is handled already, or not the viewer's to see. */
export async function markHandled(
  store: Store,
  viewer: SecurityViewer,
  handled: Handled,
  record: AuditDraft,
): Promise<void> {
  const statement = sql`
    update security_events
    set handled_at = ${handled.at}, handled_by = ${handled.by}, handled_note = ${handled.note}
    where id = ${handled.id} and handled_at is null and ${visibleTo(viewer)}`
  const query = statement.compile(store.build)
  await store.writer.write([{ query, expect: { changes: 1, orElse: 'STATE_CONFLICT' } }], record)
}
