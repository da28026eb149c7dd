/** List cursors: the key of the last row looked at, as an opaque word that only its own list accepts. */
import { AppError } from '../../core/errors.ts'

export type ListName =
  'messages' | 'events' | 'audit' | 'security' | 'users' | 'keys' | 'credentials' | 'backups'

export const encodeCursor = (list: ListName, id: number): string =>
  Buffer.from(`${list}:${id}`).toString('base64url')

/** Throws CURSOR_INVALID. */
export function decodeCursor(list: ListName, text: string): number {
  const [name, digits, ...rest] = Buffer.from(text, 'base64url').toString('utf8').split(':')
  const id = Number(digits)
  const isOurs = name === list && rest.length === 0 && /^\d{1,16}$/.test(digits ?? '')
  if (!isOurs || !Number.isSafeInteger(id)) throw new AppError('CURSOR_INVALID')
  return id
}
