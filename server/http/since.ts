/** The `since` of a list. */
import { AppError } from '../core/errors.ts'
import { parseInstant } from './instant.ts'

/** Epoch ms. The schema has checked the form; a day that does not exist is found here. */
export function sinceOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const at = parseInstant(text)
  if (at !== undefined) return at
  throw new AppError('BODY_INVALID', {
    fields: [{ path: 'since', message: 'is not a date that exists' }],
  })
}
