/**
 * Forward-only migrations. Each runs in one transaction (Kysely alone would not: SQLite's adapter reports no
 * transactional DDL); a backup is made first when the database already holds something; a database that is newer
 * than the program is refused.
 */
import { chmodSync } from 'node:fs'
import { Kysely, Migrator, SqliteDialect, sql } from 'kysely'
import type { Migration } from 'kysely'
import type Database from 'better-sqlite3'
import { AppError } from '../core/errors.ts'
import { initial } from './migrations/0001-initial.ts'
import { controlPlane } from './migrations/0002-control-plane.ts'

export interface MigrationSpec {
  readonly name: string
  /** SQL statements, run in order in one transaction. */
  readonly up: readonly string[]
}

/** Listed by hand and in order: a folder scan would run whatever a build left behind. */
export const MIGRATIONS: readonly MigrationSpec[] = [initial, controlPlane]

const asMigration = (spec: MigrationSpec): Migration => ({
  up: async (db: Kysely<unknown>) => {
    await db.transaction().execute(async (tx) => {
      for (const statement of spec.up) await sql.raw(statement).execute(tx)
    })
  },
})

function migratorOf(db: Kysely<unknown>, specs: readonly MigrationSpec[]): Migrator {
  const migrations = Object.fromEntries(specs.map((spec) => [spec.name, asMigration(spec)]))
  return new Migrator({ db, provider: { getMigrations: async () => migrations } })
}

export interface MigrationState {
  readonly applied: readonly string[]
  readonly pending: readonly MigrationSpec[]
}

/** What has run and what would run. Throws CONFIG_INVALID when the database knows migrations we do not. */
export function migrationState(db: Database.Database, specs = MIGRATIONS): MigrationState {
  const table = db.prepare("select 1 from sqlite_master where name = 'kysely_migration'").get()
  const applied = table
    ? db
        .prepare<[], { name: string }>('select name from kysely_migration order by name')
        .all()
        .map((row) => row.name)
    : []
  const known = new Set(specs.map((spec) => spec.name))
  const newer = applied.filter((name) => !known.has(name))
  if (newer.length > 0) {
    throw new AppError('CONFIG_INVALID', {
      public: `The database was written by a newer Posthorn (it has ${newer.join(', ')}). Start that version, or restore a backup made before the upgrade.`,
    })
  }
  return { applied, pending: specs.filter((spec) => !applied.includes(spec.name)) }
}

/**
 * Brings the database up to date and returns the names of what ran. `backupTo` is called before the first change
 * of a database that already has a schema. Throws with the failing migration's error; that migration is rolled back.
 */
export async function migrate(
  db: Database.Database,
  options: { backupTo: () => string; specs?: readonly MigrationSpec[] },
): Promise<{ ran: readonly string[]; backup: string | undefined }> {
  const specs = options.specs ?? MIGRATIONS
  const state = migrationState(db, specs)
  if (state.pending.length === 0) return { ran: [], backup: undefined }
  let backup: string | undefined
  if (state.applied.length > 0) {
    backup = options.backupTo()
    db.prepare('vacuum into ?').run(backup)
    chmodSync(backup, 0o600)
  }
  const kysely = new Kysely<unknown>({ dialect: new SqliteDialect({ database: db }) })
  const { error, results } = await migratorOf(kysely, specs).migrateToLatest()
  if (error !== undefined) throw error instanceof Error ? error : new Error('A migration failed.')
  return { ran: (results ?? []).map((result) => result.migrationName), backup }
}
