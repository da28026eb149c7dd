/** Consistent copies of a live database, and whether a copy is whole. */
import { chmodSync } from 'node:fs'
import { openDatabase } from './hot/database.ts'

export interface SnapshotFacts {
  readonly messages: number
  readonly deliveries: number
  readonly schema: string
  /** Spool files that rows name, with their sizes in bytes. */
  readonly spool: readonly { readonly name: string; readonly size: number }[]
}

/** Writes a compact copy to `target`, which must not exist. Readers and the writer go on meanwhile. */
export function copyDatabase(file: string, target: string): void {
  const db = openDatabase({ file, readonly: true })
  try {
    db.prepare('vacuum into ?').run(target)
    chmodSync(target, 0o600)
  } finally {
    db.close()
  }
}

/** Throws when the file is no sound Posthorn database. */
export function inspectDatabase(file: string): SnapshotFacts {
  const db = openDatabase({ file, readonly: true })
  try {
    const check = db.pragma('integrity_check', { simple: true })
    if (check !== 'ok') throw new Error(`The database is damaged: ${String(check)}`)
    const count = (table: 'messages' | 'deliveries'): number =>
      db.prepare<[], { n: number }>(`select count(*) as n from ${table}`).get()?.n ?? 0
    const schema = db
      .prepare<[], { name: string }>('select max(name) as name from kysely_migration')
      .get()
    const spool = db
      .prepare<[], { name: string; size: number }>(
        'select spool as name, size from messages where spool is not null',
      )
      .all()
    return {
      messages: count('messages'),
      deliveries: count('deliveries'),
      schema: schema?.name ?? 'none',
      spool,
    }
  } finally {
    db.close()
  }
}
