/** The audit log for people: looking, taking it out as lines, proving that nobody has touched it. */
import type { Actor, AuditValue } from '../core/audit.ts'
import { asId, encodeId } from '../core/ids.ts'
import type { TenantId } from '../core/ids.ts'
import { listAudit, verifyAudit, walkAudit } from '../store/audit.ts'
import type { AuditFilter, AuditPage } from '../store/audit.ts'
import type { AuditRow, ChainReport } from '../store/audit-chain.ts'
import type { Store } from '../store/open.ts'

export interface AuditRecord {
  readonly id: number
  readonly at: number
  readonly tenant: TenantId | undefined
  readonly actor: Omit<Actor, 'id'>
  readonly action: string
  readonly target: { readonly kind: string; readonly id: string; readonly name: string }
  readonly before: AuditValue | undefined
  readonly after: AuditValue | undefined
  readonly hash: string
}

export interface Audit {
  list(filter: AuditFilter, page: AuditPage): Promise<readonly AuditRecord[]>
  /** JSON lines, oldest first; each with its hashes, so that the file can be checked later. Itself audited. */
  export(actor: Actor, tenant: TenantId | undefined): AsyncGenerator<string>
  /** Reads the whole log; about a second for 300,000 records. */
  verify(): Promise<ChainReport>
}

export function makeAudit({
  store,
  key,
  onBroken,
}: {
  readonly store: Store
  readonly key: Buffer
  /** Told of a log that is not whole. Must not throw. */
  readonly onBroken?: (report: ChainReport) => void
}): Audit {
  return {
    async list(filter, page) {
      return (await listAudit(store, filter, page)).map(recordOf)
    },
    async *export(actor, tenant) {
      await store.writer.write([], {
        actor,
        tenant,
        action: 'audit.exported',
        target: {
          kind: 'audit',
          id: tenant === undefined ? 'all' : encodeId('tenant', tenant),
          name: 'audit log',
        },
      })
      for await (const rows of walkAudit(store, tenant))
        yield rows.map((row) => `${JSON.stringify(lineOf(row))}\n`).join('')
    },
    async verify() {
      const report = await verifyAudit(store, key)
      if (report.faults.length > 0) onBroken?.(report)
      return report
    },
  }
}

// Written by the writer from an AuditValue.
const valueOf = (json: string | null): AuditValue | undefined =>
  json === null ? undefined : (JSON.parse(json) as AuditValue)

const KINDS = ['user', 'key', 'operator', 'system'] as const
const MEANS = ['session', 'api-key', 'link', 'cli', 'program'] as const

function recordOf(row: AuditRow): AuditRecord {
  return {
    id: row.id,
    at: row.at,
    tenant: row.tenant_id === null ? undefined : asId('tenant', row.tenant_id),
    actor: {
      kind: KINDS.find((kind) => kind === row.actor_kind) ?? 'system',
      name: row.actor_name,
      means: MEANS.find((means) => means === row.means) ?? 'program',
      ip: row.ip ?? undefined,
      country: row.country ?? undefined,
      requestId: row.request_id ?? undefined,
    },
    action: row.action,
    target: { kind: row.target_kind, id: row.target_id, name: row.target_name },
    before: valueOf(row.before),
    after: valueOf(row.after),
    hash: row.hash,
  }
}

function lineOf(row: AuditRow): Record<string, unknown> {
  const { id, at, tenant, ...rest } = recordOf(row)
  return {
    id: encodeId('audit', asId('audit', id)),
    at: new Date(at).toISOString(),
    tenant: tenant === undefined ? null : encodeId('tenant', tenant),
    ...rest,
    previous: row.previous,
  }
}
