/** A lane's ownership: claimed with a token, extended by each lease, released; whoever lost it is fenced off. */
import type Database from 'better-sqlite3'
import { AppError } from '../../core/errors.ts'
import { asId } from '../../core/ids.ts'
import type { DeliveryId, LaneId } from '../../core/ids.ts'
import type { Claim, ClaimRequest } from '../../core/work.ts'
import type { EventLog } from './events.ts'

export interface LaneOps {
  claim(request: ClaimRequest): Claim
  /** Makes due again what former owners held. LEASE_LOST when another worker owns the lane. */
  recover(lane: LaneId, token: string, now: number): void
  /** False when another worker owns the lane. */
  extend(lane: LaneId, token: string, ownedUntil: number, pace: string): boolean
  release(lane: LaneId, token: string, pace: string): void
}

interface LaneRow {
  owner: string | null
  owned_until: number
  pace: string
  suspended_until: number
  suspended_because: string | null
}

export function makeLaneOps(db: Database.Database, events: EventLog): LaneOps {
  const read = db.prepare<[number], LaneRow>(
    'select owner, owned_until, pace, suspended_until, suspended_because from lanes where id = ?',
  )
  const own = db.prepare('update lanes set owner = ?, owned_until = ? where id = ?')
  const extend = db.prepare('update lanes set owned_until = ?, pace = ? where id = ? and owner = ?')
  const release = db.prepare(
    'update lanes set owner = null, owned_until = 0, pace = ? where id = ? and owner = ?',
  )
  const orphans = db.prepare<
    [number, string],
    { id: number; message_id: number; tenant_id: number; attempts: number; changed_at: number }
  >(
    `select id, message_id, tenant_id, attempts, changed_at from deliveries indexed by deliveries_leased
     where lane_id = ? and state = 'leased' and lease is not ?`,
  )
  const giveBack = db.prepare(
    `update deliveries set state = 'deferred', reason = 'in-doubt', lease = null, next_at = ?, changed_at = ?
     where id = ?`,
  )
  const recordDoubt = db.prepare(
    `insert or ignore into attempts (delivery_id, number, started_at, ended_at, kind, lane_id, detail)
     values (?, ?, ?, ?, 'in-doubt', ?, 'The worker vanished before the outcome was written; the remote may have the message.')`,
  )

  /** Whoever held these is gone: they are due again, and their history says that they may arrive twice. */
  function recover(lane: LaneId, token: string, now: number): void {
    if (read.get(lane)?.owner !== token) throw new AppError('LEASE_LOST')
    for (const row of orphans.all(lane, token)) {
      giveBack.run(now, now, row.id)
      recordDoubt.run(row.id, row.attempts, row.changed_at, now, lane)
      events.add(
        row.id,
        row.message_id,
        row.tenant_id,
        'deferred',
        row.attempts,
        '{"inDoubt":true}',
      )
    }
  }

  return {
    claim({ lane, token, now, ownedUntil }) {
      const row = read.get(lane)
      if (row === undefined) return { kind: 'unknown' }
      if (row.owner !== null && row.owner !== token && row.owned_until > now)
        return { kind: 'owned-by-other', until: row.owned_until }
      if (row.suspended_until > now)
        return {
          kind: 'suspended',
          until: row.suspended_until,
          because: row.suspended_because ?? 'no reason was given',
        }
      own.run(token, ownedUntil, lane)
      const inDoubt = orphans.all(lane, token).map(({ id }): DeliveryId => asId('delivery', id))
      return { kind: 'claimed', pace: row.pace, inDoubt }
    },
    recover,
    extend: (lane, token, ownedUntil, pace) =>
      extend.run(ownedUntil, pace, lane, token).changes === 1,
    release(lane, token, pace) {
      release.run(pace, lane, token)
    },
  }
}
