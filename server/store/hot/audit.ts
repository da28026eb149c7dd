/** Writes the record of a change in the change's own transaction: there is no change without it, and none twice. */
import type Database from 'better-sqlite3'
import type { AuditDraft } from '../../core/audit.ts'
import { asId, encodeId, isIdKind } from '../../core/ids.ts'
import { auditHash, dayOf, HEAD_SETTING, sealHead } from '../audit-chain.ts'
import type { AuditRow } from '../audit-chain.ts'
import type { WriteResult } from './protocol.ts'

export type AppendAudit = (draft: AuditDraft, now: number, results: readonly WriteResult[]) => void

/** A clock that was set back does not date a record before the one ahead of it. */
interface Last {
  readonly id: number
  readonly day: string
  readonly hash: string
}

export function makeAudit(db: Database.Database, key: Buffer): AppendAudit {
  const last = db.prepare<[], Last>('select id, day, hash from audit order by id desc limit 1')
  const insert = db.prepare<[AuditRow]>(
    `insert into audit (id, day, at, tenant_id, actor_kind, actor_id, actor_name, means, ip, country,
       request_id, action, target_kind, target_id, target_name, before, after, previous, hash)
     values (@id, @day, @at, @tenant_id, @actor_kind, @actor_id, @actor_name, @means, @ip, @country,
       @request_id, @action, @target_kind, @target_id, @target_name, @before, @after, @previous, @hash)`,
  )
  const setHead = db.prepare<[string, string]>(
    `insert into settings (name, value) values (?, ?)
     on conflict (name) do update set value = excluded.value`,
  )
  return (draft, now, results) => {
    const former = last.get()
    const today = dayOf(now)
    const { actor, target } = draft
    const row: Omit<AuditRow, 'hash'> = {
      id: (former?.id ?? 0) + 1,
      day: former !== undefined && former.day > today ? former.day : today,
      at: now,
      tenant_id: draft.tenant ?? null,
      actor_kind: actor.kind,
      actor_id: actor.id ?? null,
      actor_name: actor.name,
      means: actor.means,
      ip: actor.ip ?? null,
      country: actor.country ?? null,
      request_id: actor.requestId ?? null,
      action: draft.action,
      target_kind: target.kind,
      target_id: target.id ?? madeId(target.kind, results),
      target_name: target.name,
      before: draft.before === undefined ? null : JSON.stringify(draft.before),
      after: draft.after === undefined ? null : JSON.stringify(draft.after),
      previous: former?.hash ?? '',
    }
    const hash = auditHash(row, key)
    insert.run({ ...row, hash })
    setHead.run(HEAD_SETTING, sealHead({ id: row.id, hash }, key))
  }
}

/** The outside id of the row that the change made: the first that a `returning id` gave. */
function madeId(kind: string, results: readonly WriteResult[]): string {
  for (const { rows } of results) {
    const row: unknown = rows[0]
    if (typeof row === 'object' && row !== null && 'id' in row && typeof row.id === 'number')
      return isIdKind(kind) ? encodeId(kind, asId(kind, row.id)) : String(row.id)
  }
  throw new Error('The change made no row that its record could name.')
}
