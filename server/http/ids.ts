/** Ids in paths and queries. A text that is no id of its kind is a bad request, not something that was not found. */
import { AppError } from '../core/errors.ts'
import { decodeId } from '../core/ids.ts'
import type { Id, IdKind } from '../core/ids.ts'

/** Throws ID_INVALID. */
export function idOf<K extends IdKind>(kind: K, text: string, path = 'id'): Id<K> {
  const id = decodeId(kind, text)
  if (id === undefined)
    throw new AppError('ID_INVALID', { fields: [{ path, message: `is not the id of a ${kind}` }] })
  return id
}

/** Throws NOT_FOUND for what the tenant does not have. */
export function found<T>(value: T | undefined): T {
  if (value === undefined) throw new AppError('NOT_FOUND')
  return value
}
