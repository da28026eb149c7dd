/** Runs statements that Kysely compiled elsewhere, as one unit of the writer's transaction. */
import type Database from 'better-sqlite3'
import { AppError } from '../../core/errors.ts'
import type { Statement, WriteResult } from './protocol.ts'

const CACHED_STATEMENTS = 200

export function makeWrite(
  db: Database.Database,
): (statements: readonly Statement[]) => WriteResult[] {
  const prepared = new Map<string, Database.Statement>()
  function prepare(sql: string): Database.Statement {
    const known = prepared.get(sql)
    if (known !== undefined) return known
    if (prepared.size >= CACHED_STATEMENTS) prepared.clear()
    const statement = db.prepare(sql)
    prepared.set(sql, statement)
    return statement
  }
  return (statements) =>
    statements.map(({ sql, parameters, expect }) => {
      const statement = prepare(sql)
      // A buffer that crossed a thread arrives as Uint8Array; the driver binds both.
      const result: WriteResult = statement.reader
        ? returned(statement.all(...parameters))
        : { changes: statement.run(...parameters).changes, rows: [] }
      if (expect !== undefined && result.changes !== expect.changes)
        throw new AppError(expect.orElse)
      return result
    })
}

const returned = (rows: unknown[]): WriteResult => ({ changes: rows.length, rows })
