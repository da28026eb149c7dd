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

export function makeLease(db: Database.Database, lanes: LaneOps): (request: LeaseRequest) => Lease {
  // A loose index scan: one seek per (stream, tenant) instead of reading every waiting row. The largest time is part of
  // the comparison, because SQLite would otherwise seek to the group's first row and step over all the others.
  const nextGroup = db.prepare<[number, number, number], Group>(
    `select priority, tenant_id, next_at from deliveries indexed by deliveries_queue
     where lane_id = ? and state in ('queued', 'deferred')
       and (priority, tenant_id, next_at) > (?, ?, ${Number.MAX_SAFE_INTEGER})
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

  /**
   * The tenants of a stream, beginning behind the one served last and going round once. Lazy: each step is a seek, and
   * a lease that is full asks for no more.
   */
  function* turnsOf(lane: number, priority: number): Generator<Group> {
    const after = lastServed.get(`${lane}/${priority}`) ?? -1
    let group = nextGroup.get(lane, priority, after)
    while (group?.priority === priority) {
      yield group
      group = nextGroup.get(lane, priority, group.tenant_id)
    }
    group = nextGroup.get(lane, priority, -1)
    while (group?.priority === priority && group.tenant_id <= after) {
      yield group
      if (group.tenant_id === after) return
      group = nextGroup.get(lane, priority, group.tenant_id)
    }
  }

  /** Equal turns: each round offers every tenant the same share of what is left of the limit. */
  function takeFair(request: LeaseRequest, groups: readonly Group[], limit: number): DueRow[] {
    const taken: DueRow[] = []
    let waiting = groups
    while (waiting.length > 0 && taken.length < limit) {
      const share = Math.max(1, Math.floor((limit - taken.length) / waiting.length))
      const hungry: Group[] = []
      for (const group of waiting) {
        const room = Math.min(share, limit - taken.length)
        if (room === 0) break
        const rows = due.all(request.lane, group.priority, group.tenant_id, request.now, room)
        for (const row of rows) take.run(request.token, request.now, row.id)
        taken.push(...rows)
        if (rows.length > 0) lastServed.set(`${request.lane}/${group.priority}`, group.tenant_id)
        if (rows.length === room) hungry.push(group)
      }
      waiting = hungry
    }
    return taken
  }

  /** One stream's part of a lease, and when the earliest of what stays behind is due. */
  function leaseStream(
    request: LeaseRequest,
    priority: number,
    limit: number,
  ): { rows: DueRow[]; nextDueAt: number } {
    const ready: Group[] = []
    let nextDueAt = Infinity
    for (const group of turnsOf(request.lane, priority)) {
      if (group.next_at <= request.now && ready.length < limit) ready.push(group)
      else nextDueAt = Math.min(nextDueAt, group.next_at)
      // Somebody due has to wait for the next lease: when the others are due no longer matters.
      if (nextDueAt <= request.now) break
    }
    const rows = takeFair(request, ready, limit)
    for (const group of ready) {
      const row = earliest.get(request.lane, priority, group.tenant_id)
      if (row !== undefined) nextDueAt = Math.min(nextDueAt, row.next_at)
    }
    return { rows, nextDueAt }
  }

  return (request) => {
    if (!lanes.extend(request.lane, request.token, request.ownedUntil, request.pace))
      throw new AppError('LEASE_LOST')
    const taken: DueRow[] = []
    let nextDueAt = Infinity
    let stream = nextGroup.get(request.lane, -1, -1)
    while (stream !== undefined) {
      const part = leaseStream(request, stream.priority, request.limit - taken.length)
      taken.push(...part.rows)
      nextDueAt = Math.min(nextDueAt, part.nextDueAt)
      stream = nextGroup.get(request.lane, stream.priority, Number.MAX_SAFE_INTEGER)
    }
    return {
      deliveries: taken.map(toLeased),
      nextDueAt: nextDueAt === Infinity ? undefined : nextDueAt,
    }
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
