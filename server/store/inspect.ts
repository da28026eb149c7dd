/** Looks into a database without changing it and without opening a store: for `posthorn check`. */
import { existsSync } from 'node:fs'
import { openDatabase } from './hot/database.ts'
import { migrationState } from './migrate.ts'

export interface SourceFacts {
  readonly name: string
  readonly ip: string | undefined
  readonly ehlo: string
}

export interface DatabaseFacts {
  /** `ok`, or what SQLite found. */
  readonly integrity: string
  readonly applied: readonly string[]
  readonly pending: readonly string[]
  /** In service. */
  readonly sources: readonly SourceFacts[]
  /** Some mail goes to the MX hosts of its domains, and not all of it to fixed next hops. */
  readonly sendsDirect: boolean
}

/** Undefined when there is no such file. Throws for a file that is no database, or one of a newer program. */
export function inspectForCheck(file: string): DatabaseFacts | undefined {
  if (!existsSync(file)) return undefined
  const db = openDatabase({ file, readonly: true })
  try {
    const { applied, pending } = migrationState(db)
    const isEmpty = applied.length === 0
    const sources = isEmpty
      ? []
      : db
          .prepare<[], { name: string; ip: string | null; ehlo: string }>(
            'select name, ip, ehlo from sources where disabled_at is null order by id',
          )
          .all()
    const routes = isEmpty
      ? []
      : db.prepare<[], { pool_id: number | null }>('select pool_id from routes').all()
    return {
      integrity: String(db.pragma('quick_check(1)', { simple: true })),
      applied,
      pending: pending.map(({ name }) => name),
      sources: sources.map(({ name, ip, ehlo }) => ({ name, ip: ip ?? undefined, ehlo })),
      sendsDirect: routes.length === 0 || routes.some(({ pool_id: pool }) => pool !== null),
    }
  } finally {
    db.close()
  }
}
