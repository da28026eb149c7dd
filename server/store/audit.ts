/** Reads the audit log. Nothing writes it but the writer, in the transaction of the change itself. */
import type { TenantId } from '../core/ids.ts'
import type { AuditRow } from './audit-chain.ts'
import { checkChain, HEAD_SETTING } from './audit-chain.ts'
import type { ChainReport } from './audit-chain.ts'
import type { Store } from './open.ts'

export interface AuditFilter {
  /** Undefined: records of the installation and of all tenants. */
  readonly tenant: TenantId | undefined
  readonly action?: string | undefined
  /** Outside id of what was changed. */
  readonly target?: string | undefined
  /** Name of who did it. */
  readonly actor?: string | undefined
  /** Epoch ms. */
  readonly since?: number | undefined
  readonly until?: number | undefined
}

export interface AuditPage {
  /** Key of the last row of the page before; undefined from the newest. */
  readonly before: number | undefined
  readonly limit: number
}

/** Newest first. `action` may end in `.*`: everything done to that noun. */
export function listAudit(store: Store, filter: AuditFilter, page: AuditPage): Promise<AuditRow[]> {
  let query = store.across.read
    .selectFrom('audit')
    .selectAll()
    .orderBy('id', 'desc')
    .limit(page.limit)
  if (filter.tenant !== undefined) query = query.where('tenant_id', '=', filter.tenant)
  if (page.before !== undefined) query = query.where('id', '<', page.before)
  if (filter.action !== undefined)
    query = filter.action.endsWith('.*')
      ? query
          .where('action', '>=', filter.action.slice(0, -1))
          .where('action', '<', `${filter.action.slice(0, -2)}/`)
      : query.where('action', '=', filter.action)
  if (filter.target !== undefined) query = query.where('target_id', '=', filter.target)
  if (filter.actor !== undefined) query = query.where('actor_name', '=', filter.actor)
  if (filter.since !== undefined) query = query.where('at', '>=', filter.since)
  if (filter.until !== undefined) query = query.where('at', '<', filter.until)
  return query.execute()
}

const STEP_ROWS = 2_000

/** Reads the whole log, oldest first, a few thousand rows at a time. */
export async function* walkAudit(
  store: Store,
  tenant: TenantId | undefined,
): AsyncGenerator<readonly AuditRow[]> {
  let after = 0
  for (;;) {
    let query = store.across.read
      .selectFrom('audit')
      .selectAll()
      .where('id', '>', after)
      .orderBy('id')
      .limit(STEP_ROWS)
    if (tenant !== undefined) query = query.where('tenant_id', '=', tenant)
    const rows = await query.execute()
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows
    after = last.id
  }
}

/** Checks every record and where the log ends. What is written meanwhile is checked too. */
export async function verifyAudit(store: Store, key: Buffer): Promise<ChainReport> {
  const check = checkChain(key)
  for await (const rows of walkAudit(store, undefined)) check.take(rows)
  // The head and what came after the walk, in one read: a record written in between is no fault.
  const { rows, head } = await store.across.read.transaction().execute(async (tx) => ({
    rows: await tx
      .selectFrom('audit')
      .selectAll()
      .where('id', '>', check.last())
      .orderBy('id')
      .execute(),
    head: await tx
      .selectFrom('settings')
      .select('value')
      .where('name', '=', HEAD_SETTING)
      .executeTakeFirst(),
  }))
  check.take(rows)
  return check.finish(head?.value)
}
