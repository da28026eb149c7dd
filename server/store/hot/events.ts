/** Appends events; their keys order them as they were committed, so a key is also a feed cursor. */
import type Database from 'better-sqlite3'
import type { EventType } from '../../core/event.ts'
import { makeIdAllocator } from './ids.ts'

export interface EventLog {
  begin(now: number): void
  add(
    delivery: number,
    message: number,
    tenant: number,
    type: EventType,
    attempt: number | null,
    data: string | null,
  ): void
}

export function makeEventLog(db: Database.Database): EventLog {
  const ids = makeIdAllocator(db, 'events')
  const insert = db.prepare(
    'insert into events (id, delivery_id, message_id, tenant_id, type, attempt, data) values (?, ?, ?, ?, ?, ?, ?)',
  )
  return {
    begin: (now) => ids.begin(now),
    add(delivery, message, tenant, type, attempt, data) {
      insert.run(ids.next(), delivery, message, tenant, type, attempt, data)
    },
  }
}
