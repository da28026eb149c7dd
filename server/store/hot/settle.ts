/** Ends leases: state, attempt and event of each delivery in the caller's transaction; a lost lease changes nothing. */
import type Database from 'better-sqlite3'
import { canMove } from '../../core/delivery.ts'
import type { DeliveryState, MoveReason } from '../../core/delivery.ts'
import { asId } from '../../core/ids.ts'
import type { DeliveryId, LaneId, MessageId } from '../../core/ids.ts'
import type { Assignment, Settlement } from '../../core/work.ts'
import type { EventLog } from './events.ts'

/** A delivery that a person sends again gets at least this long, even when its time was over. */
const RETRY_GRACE_MS = 24 * 3_600_000

export interface SettleOps {
  settle(token: string | undefined, settlements: readonly Settlement[], now: number): number
  assign(assignments: readonly Assignment[]): void
  cancel(message: MessageId, now: number): number
  retryNow(deliveries: readonly DeliveryId[], now: number): LaneId[]
}

export function makeSettle(db: Database.Database, events: EventLog): SettleOps {
  const update = `update deliveries set state = ?, reason = ?, next_at = coalesce(?, next_at), lease = null,
       attempts = ?, lane_id = case when ? then null else lane_id end, code = coalesce(?, code),
       category = coalesce(?, category), changed_at = ? where id = ?`
  const endLease = db.prepare(`${update} and state = 'leased' and lease = ?`)
  const endUnrouted = db.prepare(
    `${update} and lane_id is null and state in ('queued', 'deferred')`,
  )
  const insertAttempt = db.prepare(
    `insert or replace into attempts (delivery_id, number, started_at, ended_at, kind, stage, code, enhanced, reply,
       fault, detail, host, ip, source_ip, lane_id, tls, category, scope, permanence, action, rule, transcript)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (select lane_id from deliveries where id = ?),
       ?, ?, ?, ?, ?, ?, ?)`,
  )
  const assign = db.prepare(
    `update deliveries set lane_id = ? where id = ? and lane_id is null and state in ('queued', 'deferred')`,
  )
  const waiting = db.prepare<[number], { id: number; tenant_id: number; message_id: number }>(
    `select id, tenant_id, message_id from deliveries
     where message_id = ? and state in ('queued', 'deferred', 'held')`,
  )
  const move = db.prepare(
    'update deliveries set state = ?, reason = ?, next_at = ?, changed_at = ? where id = ?',
  )
  const requeue = db.prepare(
    `update deliveries set state = 'queued', reason = 'retried-by-operator', next_at = ?, changed_at = ?,
       expires_at = max(expires_at, ?) where id = ?`,
  )
  const read = db.prepare<
    [number],
    { state: DeliveryState; tenant_id: number; message_id: number; lane_id: number | null }
  >('select state, tenant_id, message_id, lane_id from deliveries where id = ?')

  function recordAttempt(item: Settlement): void {
    const { outcome, verdict } = item
    if (outcome === undefined) return
    insertAttempt.run(
      item.delivery,
      item.attempt,
      outcome.startedAt,
      outcome.endedAt,
      outcome.kind,
      outcome.stage,
      outcome.reply?.code ?? null,
      outcome.reply?.enhanced ?? null,
      outcome.reply?.text ?? null,
      outcome.fault ?? null,
      outcome.detail ?? null,
      outcome.host ?? null,
      outcome.ip ?? null,
      outcome.sourceIp ?? null,
      item.delivery,
      outcome.tls === undefined ? null : JSON.stringify(outcome.tls),
      verdict?.category ?? null,
      verdict?.scope ?? null,
      verdict?.permanence ?? null,
      verdict?.action ?? null,
      verdict?.rule ?? null,
      outcome.transcript,
    )
  }

  function mayMove(token: string | undefined, { delivery, to }: Settlement): boolean {
    if (token !== undefined) return canMove('leased', to)
    // The router tries without a lease, so a delivery may also stay in the state it is in.
    const state = read.get(delivery)?.state
    return state !== undefined && to !== 'leased' && (state === to || canMove(state, to))
  }

  function settleOne(token: string | undefined, item: Settlement, now: number): boolean {
    if (!mayMove(token, item)) return false
    // Nothing tried, nothing counted: the attempt that the lease announced did not take place.
    const attempts = item.outcome === undefined ? item.attempt - 1 : item.attempt
    const values = [
      item.to,
      item.reason,
      item.nextAt ?? null,
      attempts,
      item.unroute ? 1 : 0,
      item.outcome?.reply?.code ?? null,
      item.verdict?.category ?? null,
      now,
      item.delivery,
    ]
    const result = token === undefined ? endUnrouted.run(...values) : endLease.run(...values, token)
    if (result.changes === 0) return false
    recordAttempt(item)
    if (item.event !== undefined) {
      const attempt = item.outcome === undefined ? null : item.attempt
      events.add(item.delivery, item.message, item.tenant, item.event, attempt, null)
    }
    return true
  }

  const cancelReason: MoveReason = 'cancelled-by-client'
  return {
    settle(token, settlements, now) {
      let refused = 0
      for (const item of settlements) if (!settleOne(token, item, now)) refused++
      return refused
    },
    assign(assignments) {
      for (const { delivery, lane } of assignments) assign.run(lane, delivery)
    },
    cancel(message, now) {
      const rows = waiting.all(message)
      for (const row of rows) {
        move.run('cancelled', cancelReason, now, now, row.id)
        events.add(row.id, row.message_id, row.tenant_id, 'cancelled', null, null)
      }
      return rows.length
    },
    retryNow(deliveries, now) {
      const lanes = new Set<number>()
      for (const id of deliveries) {
        const row = read.get(id)
        if (row === undefined || row.state === 'leased') continue
        if (row.state !== 'queued' && !canMove(row.state, 'queued')) continue
        requeue.run(now, now, now + RETRY_GRACE_MS, id)
        events.add(id, row.message_id, row.tenant_id, 'queued', null, null)
        if (row.lane_id !== null) lanes.add(row.lane_id)
      }
      return [...lanes].map((lane) => asId('lane', lane))
    },
  }
}
