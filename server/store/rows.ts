/** Small things every aggregate needs when it writes rows. */
import { sql } from 'kysely'

/** Lets SQLite pick the next integer key. */
export const nextId = sql<number>`null`

/** The id that a `returning id` gave. */
export function returnedId(rows: readonly unknown[] | undefined): number {
  const row: unknown = rows?.[0]
  if (typeof row === 'object' && row !== null && 'id' in row) return Number(row.id)
  throw new Error('The statement returned no id.')
}
