/** Allocates time-ordered keys inside the write transaction, so that two processes never hand out the same one. */
import type Database from 'better-sqlite3'
import { firstIdAt } from '../../core/ids.ts'

export interface IdAllocator {
  /** Call first in each transaction. */
  begin(now: number): void
  next(): number
}

export function makeIdAllocator(
  db: Database.Database,
  table: 'messages' | 'deliveries' | 'events',
): IdAllocator {
  const newest = db.prepare<[], { id: number | null }>(`select max(id) as id from ${table}`)
  let last = 0
  return {
    begin(now) {
      last = Math.max(newest.get()?.id ?? 0, firstIdAt(now))
    },
    next: () => ++last,
  }
}
