/** What an error in the writer thread means to the caller, and whether one operation or the whole store has it. */
import { AppError } from '../../core/errors.ts'
import type { ErrorCode } from '../../core/errors.ts'
import type { OpResult } from './protocol.ts'

/** SQLite's words (https://sqlite.org/rescode.html), longest prefix first. */
const CODES: readonly (readonly [prefix: string, code: ErrorCode])[] = [
  ['SQLITE_CONSTRAINT_UNIQUE', 'NAME_TAKEN'],
  ['SQLITE_CONSTRAINT_PRIMARYKEY', 'NAME_TAKEN'],
  ['SQLITE_CONSTRAINT_ROWID', 'NAME_TAKEN'],
  ['SQLITE_CONSTRAINT_FOREIGNKEY', 'STATE_CONFLICT'],
  // Bugs of ours: a statement that does not fit its table.
  ['SQLITE_CONSTRAINT', 'INTERNAL'],
  ['SQLITE_ERROR', 'INTERNAL'],
  ['SQLITE_MISMATCH', 'INTERNAL'],
  ['SQLITE_RANGE', 'INTERNAL'],
  ['SQLITE_TOOBIG', 'INTERNAL'],
  ['SQLITE_FULL', 'STORE_FULL'],
  ['SQLITE_', 'STORE_UNAVAILABLE'],
]

function codeOf(error: unknown): ErrorCode {
  if (error instanceof AppError) return error.code
  const sqlite = sqliteCode(error)
  return CODES.find(([prefix]) => sqlite.startsWith(prefix))?.[1] ?? 'INTERNAL'
}

const sqliteCode = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : ''

/** The disk, the file or a lock: nothing in the batch can be kept, whoever asked. */
export function isStoreFault(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'STORE_FULL' || code === 'STORE_UNAVAILABLE'
}

export function failure(error: unknown): OpResult {
  if (error instanceof AppError)
    return { ok: false, code: error.code, detail: error.detail ?? error.message }
  const text = error instanceof Error ? error.message : String(error)
  return { ok: false, code: codeOf(error), detail: `${sqliteCode(error)} ${text}`.trim() }
}
