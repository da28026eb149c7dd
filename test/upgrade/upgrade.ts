/**
 * Takes a database that an older version wrote and brings it to the newest schema, as a start would. Every release
 * adds its database to `test/upgrade/` (see CONTRIBUTING), made before its tag.
 */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Database from 'better-sqlite3'
import { onTestFinished } from 'vitest'
import { openDatabase } from '../../server/store/hot/database.ts'
import { migrate } from '../../server/store/migrate.ts'
import type { MigrationSpec } from '../../server/store/migrate.ts'

/** A folder that goes when the test is over. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-upgrade-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

/** Works on a copy; the database is closed when the test is over. */
export async function upgraded(
  fixture: string,
  specs: readonly MigrationSpec[],
): Promise<{ db: Database.Database; ran: readonly string[] }> {
  const folder = scratch()
  const file = join(folder, 'posthorn.sqlite')
  copyFileSync(fixture, file)
  const db = openDatabase({ file })
  onTestFinished(() => void db.close())
  const { ran } = await migrate(db, { specs, backupTo: () => join(folder, 'backup.sqlite') })
  return { db, ran }
}

/** The tables and indexes as they were declared, but for spaces: an upgraded database has those of a new one. */
export const schemaOf = (db: Database.Database): string[] =>
  db
    .prepare<[], { sql: string }>(
      `select sql from sqlite_master where sql is not null and name not like 'kysely%' order by type, name`,
    )
    .all()
    .map(({ sql }) => sql.replaceAll(/\s+/g, ' '))

/** What SQLite itself finds wrong. */
export const faultsOf = (db: Database.Database): unknown[] => [
  ...(db.pragma('integrity_check') as { integrity_check: string }[])
    .map((row) => row.integrity_check)
    .filter((text) => text !== 'ok'),
  ...(db.pragma('foreign_key_check') as unknown[]),
]

/** Table → how many rows, without the bookkeeping of migrations. */
export function countsOf(db: Database.Database): Record<string, number> {
  const names = db
    .prepare<[], { name: string }>(
      `select name from sqlite_master where type = 'table' and name not like 'kysely%'`,
    )
    .all()
  return Object.fromEntries(
    names.map(({ name }) => [
      name,
      db.prepare<[], { n: number }>(`select count(*) as n from ${name}`).get()?.n ?? 0,
    ]),
  )
}
