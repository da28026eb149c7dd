/**
 * Collects the SQL that the store really runs: of the hot path by watching what is prepared, of everything else by
 * watching Kysely and what is handed to the writer. Nothing is replaced; the statements run as always.
 */
import type Database from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'
import { openDatabase } from '../../server/store/hot/database.ts'
import type { Store } from '../../server/store/open.ts'
import type { AllTenants, Schema } from '../../server/store/schema.ts'
import { tenantScope } from '../../server/store/tenant-scope.ts'

export interface Planned {
  readonly sql: string
  /** The lines of EXPLAIN QUERY PLAN, indented by depth. */
  readonly plan: readonly string[]
}

export const oneLine = (sql: string): string => sql.replaceAll(/\s+/g, ' ').trim()

export function planOf(
  db: Database.Database,
  sql: string,
  parameters: readonly unknown[],
): readonly string[] {
  const rows = db
    .prepare<unknown[], { id: number; parent: number; detail: string }>(`explain query plan ${sql}`)
    .all(...parameters)
  const depths = new Map([[0, 0]])
  return rows.map(({ id, parent, detail }) => {
    const depth = (depths.get(parent) ?? 0) + 1
    depths.set(id, depth)
    return '  '.repeat(depth - 1) + detail
  })
}

/** Every statement that `build` prepares, in the order of the source. */
export function preparedBy(file: string, build: (db: Database.Database) => void): Planned[] {
  const db = openDatabase({ file })
  const texts = new Set<string>()
  const watched = new Proxy(db, {
    get(target, property) {
      if (property !== 'prepare') return Reflect.get(target, property) as unknown
      return (sql: string) => {
        texts.add(oneLine(sql))
        return target.prepare(sql)
      }
    },
  })
  try {
    build(watched)
    return [...texts].map((sql) => {
      const parameters = Array.from(sql.matchAll(/\?/g), () => 1)
      return { sql, plan: planOf(db, sql, parameters) }
    })
  } finally {
    db.close()
  }
}

/** Every statement that `work` reads or writes with the store it is given. */
export async function executedBy(
  store: Store,
  work: (store: Store) => Promise<unknown>,
): Promise<Planned[]> {
  const found = new Map<string, Planned>()
  const note = ({ sql, parameters }: { sql: string; parameters: readonly unknown[] }): void => {
    const text = oneLine(sql)
    if (!found.has(text))
      found.set(text, { sql: text, plan: planOf(store.reader, sql, parameters) })
  }
  const reader = openDatabase({ file: store.file, readonly: true })
  const read = new Kysely<Schema>({
    dialect: new SqliteDialect({ database: reader }),
    log: ({ query }) => note(query),
  }) as AllTenants
  const writer: Store['writer'] = {
    ...store.writer,
    write(changes, record) {
      for (const { query } of changes) note(query)
      return store.writer.write(changes, record)
    },
  }
  const both = { read, build: store.across.build }
  await work({
    ...store,
    read,
    writer,
    of: (tenant) => tenantScope(tenant, both),
    across: both,
  })
  await read.destroy()
  return [...found.values()]
}
