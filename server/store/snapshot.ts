/**
 * Consistent copies of a live database, and looks into such a copy: whether it is whole, what it holds, which files and
 * keys it needs. All of it blocks for as long as it takes: it runs in the process of a backup or of a command, never
 * beside mail.
 */
import { chmodSync } from 'node:fs'
import Database from 'better-sqlite3'
import { openDatabase } from './hot/database.ts'
import { migrationState } from './migrate.ts'
import { SEALED_COLUMNS, SEALED_COLUMN_NAMES } from './sealed.ts'
import type { SealedColumn } from './sealed.ts'

/** Writes a compact copy to `target`, which must not exist. Readers and the writer go on meanwhile. */
export function copyDatabase(file: string, target: string): void {
  const db = openDatabase({ file, readonly: true })
  try {
    // Not the online backup API: that starts over whenever another connection has written.
    db.prepare('vacuum into ?').run(target)
    chmodSync(target, 0o600)
  } finally {
    db.close()
  }
}

/** Bytes that a copy takes at most, and those of the spool files that it names. */
export function bytesToCopy(file: string): { readonly database: number; readonly spool: number } {
  const db = openDatabase({ file, readonly: true })
  try {
    const pages = Number(db.pragma('page_count', { simple: true }))
    const database = pages * Number(db.pragma('page_size', { simple: true }))
    return { database, spool: spoolTotals(db).bytes }
  } finally {
    db.close()
  }
}

/**
 * Whether any process has the database open. Each connection of a database with a write-ahead log holds a shared lock
 * as long as it lives, so the exclusive one cannot be had. Also tells of servers that share the directory by Redis.
 */
export function isDatabaseInUse(file: string): boolean {
  const db = new Database(file, { timeout: 0 })
  try {
    db.pragma('locking_mode = EXCLUSIVE')
    db.exec('begin exclusive; rollback')
    return false
  } catch (error) {
    // Anything else is a database that is broken, and then nobody works on it.
    return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY')
  } finally {
    db.close()
  }
}

/** Name of the last migration that has run; `none` before the first. */
export function schemaOf(file: string): string {
  const db = openDatabase({ file, readonly: true })
  try {
    return migrationState(db).applied.at(-1) ?? 'none'
  } finally {
    db.close()
  }
}

export interface SnapshotFacts {
  readonly messages: number
  readonly deliveries: number
  /** Deliveries that would be sent: queued, deferred, and those that were under way. */
  readonly waiting: number
  /** Name of the last migration that has run. */
  readonly schema: string
  /** Names of migrations that this program would run on it. */
  readonly pending: readonly string[]
  readonly spoolFiles: number
  readonly spoolBytes: number
}

export interface SpoolRow {
  readonly message: number
  readonly name: string
  /** Bytes. */
  readonly size: number
}

export interface SealedText {
  readonly column: SealedColumn
  readonly context: 'dkim' | 'next-hop' | 'totp'
  readonly key: number
  readonly text: string
}

export interface Snapshot {
  /** Throws CONFIG_INVALID when the database was written by a newer program. */
  facts(): SnapshotFacts
  /** What SQLite finds wrong; undefined when nothing is. Reads everything. */
  damage(): string | undefined
  /** Messages with spool files, by name of the file, those above `after`. */
  spool(after: string, limit: number): readonly SpoolRow[]
  /** The messages have no body any more. Needs `writable`. */
  forgetBodies(messages: readonly number[]): void
  /** A copy holds the row of the backup that made it, which nobody will end in there. Needs `writable`. */
  endRunningBackups(now: number): void
  /** Every sealed secret. */
  sealed(): IterableIterator<SealedText>
  close(): void
}

/** Opens a copy. Throws what SQLite says of a file that is no database. */
export function openSnapshot(file: string, { writable = false } = {}): Snapshot {
  const db = openDatabase({ file, readonly: !writable })
  const hasTable = (name: string): boolean =>
    db.prepare('select 1 from sqlite_master where name = ?').get(name) !== undefined
  return {
    facts: () => factsOf(db),
    damage() {
      const found = db.pragma('integrity_check(1)', { simple: true })
      return found === 'ok' ? undefined : String(found)
    },
    spool: (after, limit) =>
      db
        .prepare<[string, number], SpoolRow>(
          `select id as message, spool as name, size from messages indexed by messages_spool
           where spool is not null and spool > ? order by spool limit ?`,
        )
        .all(after, limit),
    forgetBodies(messages) {
      const forget = db.prepare('update messages set spool = null where id = ?')
      db.transaction(() => messages.forEach((message) => forget.run(message)))()
    },
    endRunningBackups(now) {
      if (!hasTable('backups')) return
      db.prepare(`update backups set state = 'done', finished_at = ? where state = 'running'`).run(
        now,
      )
    },
    *sealed() {
      for (const column of SEALED_COLUMN_NAMES) {
        const { table, key, context, value } = SEALED_COLUMNS[column]
        // A copy of an older schema lacks some.
        if (!hasTable(table)) continue
        const rows = db
          .prepare<[], { key: number; text: string }>(
            `select ${key} as key, ${value} as text from ${table} where ${value} is not null`,
          )
          .iterate()
        for (const row of rows) yield { column, context, ...row }
      }
    },
    close() {
      // One file, without a log beside it.
      if (writable && db.open) db.pragma('journal_mode = DELETE')
      db.close()
    },
  }
}

function factsOf(db: Database.Database): SnapshotFacts {
  const { applied, pending } = migrationState(db)
  const one = (query: string): Record<string, number> =>
    db.prepare<[], Record<string, number>>(query).get() ?? {}
  const spool = spoolTotals(db)
  const waiting = one(`select
    (select count(*) from deliveries indexed by deliveries_queue
     where state in ('queued', 'deferred')) as queued,
    (select count(*) from deliveries indexed by deliveries_leased where state = 'leased') as leased`)
  return {
    messages: one('select count(*) as n from messages')['n'] ?? 0,
    deliveries: one('select count(*) as n from deliveries')['n'] ?? 0,
    waiting: (waiting['queued'] ?? 0) + (waiting['leased'] ?? 0),
    schema: applied.at(-1) ?? 'none',
    pending: pending.map(({ name }) => name),
    spoolFiles: spool.files,
    spoolBytes: spool.bytes,
  }
}

const spoolTotals = (db: Database.Database): { files: number; bytes: number } =>
  db
    .prepare<[], { files: number; bytes: number }>(
      `select count(*) as files, coalesce(sum(size), 0) as bytes from messages
       indexed by messages_spool where spool is not null`,
    )
    .get() ?? { files: 0, bytes: 0 }
