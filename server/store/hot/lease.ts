/**
 * Hands out due deliveries of a lane: transactional before bulk, and inside a stream tenants take equal turns.
 * The lease is the record of the attempt: state, number and token are committed before any socket opens.
 */
import type Database from 'better-sqlite3'
import { asId } from '../../core/ids.ts'
import { AppError } from '../../core/errors.ts'
import type { Lease, LeaseRequest, LeasedDelivery, Stream } from '../../core/work.ts'
import type { LaneOps } from './lane.ts'

interface Group {
  priority: number
  tenant_id: number
  next_at: number
}
interface DueRow {
  id: number
  message_id: number
  recipient: string
  domain: string
  attempts: number
  expires_at: number
  tenant_id: number
  stream: Stream
  mail_from: string
  header_from: string
  message_id_header: string
  size: number
  spool: string | null
  smtputf8: number
  copies: number
}

/** Tenants looked at in one lease; more wait for the next one, which starts after the last served. */
const MAX_GROUPS = 256

export function makeLease(db: Database.Database, lanes: LaneOps): (request: LeaseRequest) => Lease {
  // A loose index scan: one seek per (stream, tenant) instead of reading every waiting row.
  const nextGroup = db.prepare<[number, number, number], Group>(
    `select priority, tenant_id, next_at from deliveries indexed by deliveries_queue
     where lane_id = ? and state in ('queued', 'deferred') and (priority, tenant_id) > (?, ?)
     order by priority, tenant_id, next_at limit 1`,
  )
  const due = db.prepare<[number, number, number, number, number], DueRow>(
    `select d.id, d.message_id, d.recipient, d.domain, d.attempts, d.expires_at, d.tenant_id, m.stream,
       m.mail_from, m.header_from, m.message_id_header, m.size, m.spool, m.smtputf8, m.copies
     from deliveries d indexed by deliveries_queue join messages m on m.id = d.message_id
     where d.lane_id = ? and d.priority = ? and d.tenant_id = ? and d.state in ('queued', 'deferred')
       and d.next_at <= ? order by d.next_at limit ?`,
  )
  const take = db.prepare(
    `update deliveries set state = 'leased', reason = 'leased', lease = ?, attempts = attempts + 1, changed_at = ?
     where id = ?`,
  )
  const earliest = db.prepare<[number, number, number], { next_at: number }>(
    `select next_at from deliveries indexed by deliveries_queue
     where lane_id = ? and priority = ? and tenant_id = ? and state in ('queued', 'deferred')
     order by next_at limit 1`,
  )
  /** Per lane and stream, the tenant served last: the next lease starts behind it. */
  const lastServed = new Map<string, number>()

  function groupsOf(lane: number): Group[] {
    const groups: Group[] = []
    let group = nextGroup.get(lane, -1, -1)
    while (group !== undefined && groups.length < MAX_GROUPS) {
      groups.push(group)
      group = nextGroup.get(lane, group.priority, group.tenant_id)
    }
    return groups
  }

  /** Equal turns: each round offers every tenant the same share of what is left of the limit. */
  function takeFair(request: LeaseRequest, groups: readonly Group[], limit: number): DueRow[] {
    const first = groups[0]
    if (first === undefined) return []
    const cursorKey = `${request.lane}/${first.priority}`
    const after = lastServed.get(cursorKey) ?? -1
    const turn = [
      ...groups.filter((group) => group.tenant_id > after),
      ...groups.filter((group) => group.tenant_id <= after),
    ]
    const taken: DueRow[] = []
    let waiting = turn
    while (waiting.length > 0 && taken.length < limit) {
      const share = Math.max(1, Math.floor((limit - taken.length) / waiting.length))
      const hungry: Group[] = []
      for (const group of waiting) {
        const room = Math.min(share, limit - taken.length)
        if (room === 0) break
        const rows = due.all(request.lane, group.priority, group.tenant_id, request.now, room)
        for (const row of rows) take.run(request.token, request.now, row.id)
        taken.push(...rows)
        if (rows.length > 0) lastServed.set(cursorKey, group.tenant_id)
        if (rows.length === room) hungry.push(group)
      }
      waiting = hungry
    }
    return taken
  }

  return (request) => {
    if (!lanes.extend(request.lane, request.token, request.ownedUntil, request.pace))
      throw new AppError('LEASE_LOST')
    const groups = groupsOf(request.lane)
    const taken: DueRow[] = []
    for (const priority of new Set(groups.map((group) => group.priority))) {
      const ready = groups.filter(
        (group) => group.priority === priority && group.next_at <= request.now,
      )
      taken.push(...takeFair(request, ready, request.limit - taken.length))
    }
    let nextDueAt: number | undefined
    for (const group of groups) {
      const row = earliest.get(request.lane, group.priority, group.tenant_id)
      if (row !== undefined && (nextDueAt === undefined || row.next_at < nextDueAt))
        nextDueAt = row.next_at
    }
    return { deliveries: taken.map(toLeased), nextDueAt }
  }
}

function toLeased(row: DueRow): LeasedDelivery {
  return {
    id: asId('delivery', row.id),
    message: asId('message', row.message_id),
    tenant: asId('tenant', row.tenant_id),
    stream: row.stream,
    recipient: row.recipient,
    domain: row.domain,
    mailFrom: row.mail_from,
    headerFrom: row.header_from,
    messageIdHeader: row.message_id_header,
    size: row.size,
    spool: row.spool ?? undefined,
    smtpUtf8: row.smtputf8 === 1,
    copies: row.copies,
    attempt: row.attempts + 1,
    expiresAt: row.expires_at,
  }
}
