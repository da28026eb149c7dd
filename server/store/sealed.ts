/**
 * Where sealed secrets are: the one table of columns that a rotation of the master key goes through and a backup is
 * tried on. A column that is not here would be unreadable once an old key is forgotten.
 */
import { sql } from 'kysely'
import type { RawBuilder } from 'kysely'
import { bumpCatalog } from './catalog.ts'
import type { Store } from './open.ts'

interface SealedColumnSpec {
  readonly table: string
  /** Integer key of the table. */
  readonly key: string
  /** What the text was sealed for; see services/auth/seal.ts. */
  readonly context: 'dkim' | 'next-hop' | 'totp'
  /** SQL of the sealed text; null where there is none. */
  readonly value: string
  /** SQL of the column with a new text, `?`, in it. */
  readonly column: string
  readonly changed: string
}

export const SEALED_COLUMNS = {
  'dkim_keys.private_key': {
    table: 'dkim_keys',
    key: 'id',
    context: 'dkim',
    value: 'private_key',
    column: 'private_key',
    changed: '?',
  },
  'routes.next_hop': {
    table: 'routes',
    key: 'id',
    context: 'next-hop',
    value: `next_hop ->> '$.password'`,
    column: 'next_hop',
    changed: `json_set(next_hop, '$.password', ?)`,
  },
  // A lane keeps a copy of the hop that it was made for.
  'lanes.target': {
    table: 'lanes',
    key: 'id',
    context: 'next-hop',
    value: `target ->> '$.password'`,
    column: 'target',
    changed: `json_set(target, '$.password', ?)`,
  },
  'totp.secret': {
    table: 'totp',
    key: 'user_id',
    context: 'totp',
    value: 'secret',
    column: 'secret',
    changed: '?',
  },
} as const satisfies Record<string, SealedColumnSpec>
export type SealedColumn = keyof typeof SEALED_COLUMNS

// The keys of a const object are its type's keys.
export const SEALED_COLUMN_NAMES = Object.keys(SEALED_COLUMNS) as readonly SealedColumn[]

/** SQL: which version of the master key a sealed text needs; 0 when it is in no known format. */
const versionOf = (value: string): string => `case
  when ${value} like 's1.%' then 1
  when ${value} like 's2.%' then cast(substr(${value}, 4) as integer)
  else 0 end`

export interface SealedCount {
  readonly column: SealedColumn
  readonly version: number
  readonly rows: number
}

/** How many rows of each column need which version of the master key. */
export async function countSealed(store: Store): Promise<SealedCount[]> {
  const counts: SealedCount[] = []
  for (const column of SEALED_COLUMN_NAMES) {
    const { table, value } = SEALED_COLUMNS[column]
    const { rows } = await sql<{ version: number; rows: number }>`
      select ${sql.raw(versionOf(value))} as version, count(*) as rows from ${sql.table(table)}
      where ${sql.raw(value)} is not null group by version order by version`.execute(
      store.across.read,
    )
    counts.push(...rows.map((row) => ({ column, version: row.version, rows: row.rows })))
  }
  return counts
}

export interface SealedRow {
  readonly key: number
  readonly text: string
}

/** Rows of a column that do not need `current`, by key above `after`. */
export async function sealedOtherwise(
  store: Store,
  column: SealedColumn,
  page: { readonly current: number; readonly after: number; readonly limit: number },
): Promise<readonly SealedRow[]> {
  const spec = SEALED_COLUMNS[column]
  const { rows } = await sql<SealedRow>`select ${sql.ref(spec.key)} as key,
      ${sql.raw(spec.value)} as text from ${sql.table(spec.table)}
    where ${sql.ref(spec.key)} > ${page.after} and ${sql.raw(spec.value)} is not null
      and ${sql.raw(versionOf(spec.value))} <> ${page.current}
    order by ${sql.ref(spec.key)} limit ${page.limit}`.execute(store.across.read)
  return rows
}

/** Puts new texts in place of those that are still there; resolves with how many were. One transaction. */
export async function replaceSealed(
  store: Store,
  column: SealedColumn,
  changes: readonly { readonly key: number; readonly from: string; readonly to: string }[],
): Promise<number> {
  if (changes.length === 0) return 0
  const spec = SEALED_COLUMNS[column]
  const [before = '', after = ''] = spec.changed.split('?')
  const changed = (to: string): RawBuilder<string> =>
    sql<string>`${sql.raw(before)}${to}${sql.raw(after)}`
  const statements = changes.map(({ key, from, to }) => ({
    query: sql`update ${sql.table(spec.table)} set ${sql.ref(spec.column)} = ${changed(to)}
      where ${sql.ref(spec.key)} = ${key} and ${sql.raw(spec.value)} = ${from}`.compile(
      store.build,
    ),
  }))
  const results = await store.writer.write([...statements, bumpCatalog(store)], {
    unaudited: 'the same secrets under another version of the master key; the rotation is audited',
  })
  return results.slice(0, -1).reduce((sum, { changes: count }) => sum + count, 0)
}
