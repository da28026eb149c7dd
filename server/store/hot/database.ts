/** Opens SQLite the one way we use it: WAL, and an fsync for every commit. */
import Database from 'better-sqlite3'

export interface OpenOptions {
  readonly file: string
  readonly readonly?: boolean
  /** Page cache in KiB. */
  readonly cacheKiB?: number
}

export function openDatabase(options: OpenOptions): Database.Database {
  const db = new Database(options.file, { readonly: options.readonly ?? false, timeout: 10_000 })
  if (options.readonly !== true) {
    db.pragma('journal_mode = WAL')
    // FULL: mail that was acknowledged survives a power cut, not only a crash.
    db.pragma('synchronous = FULL')
    // A longer log means fewer, larger checkpoints: hot pages are written back once instead of many times.
    db.pragma('wal_autocheckpoint = 8000')
  }
  db.pragma('foreign_keys = ON')
  db.pragma(`cache_size = ${-(options.cacheKiB ?? 65_536)}`)
  db.pragma('temp_store = MEMORY')
  return db
}
