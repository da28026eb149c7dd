/** What makes two submissions under one idempotency key the same request: everything the client said. */
import { createHash } from 'node:crypto'
import type { RawSubmission } from './submit-contract.ts'

/** SHA-256, hex, of envelope, options and bytes. */
export function fingerprintOf(submission: RawSubmission): string {
  const { principal, mailFrom, recipients, options, raw } = submission
  const { stream, tags, metadata, sendAt } = options
  return createHash('sha256')
    .update(JSON.stringify([principal.mode, mailFrom, recipients, stream, tags, metadata, sendAt]))
    .update(raw)
    .digest('hex')
}

/** SHA-256, hex, of a request body as received. */
export const fingerprintOfBody = (body: string | Buffer): string =>
  createHash('sha256').update(body).digest('hex')
