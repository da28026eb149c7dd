/** What a way in hands to `submit`, and what it gets back. */
import type { AcceptedMessage, Stream } from '../core/work.ts'
import type { Principal } from './auth/principal.ts'

export interface SubmitOptions {
  readonly stream?: Stream | undefined
  readonly tags?: readonly string[] | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
  /** Epoch ms. */
  readonly sendAt?: number | undefined
  readonly idempotencyKey?: string | undefined
  /** Under no quota: mail of the installation itself. No way in lets a client say so. */
  readonly uncounted?: boolean | undefined
}

/** A complete message with its envelope: SMTP, or REST raw. Options win over X-Posthorn headers. */
export interface RawSubmission {
  readonly principal: Principal
  readonly via: 'smtp' | 'api'
  readonly mailFrom: string
  /** As given, not yet validated; duplicates are folded. */
  readonly recipients: readonly string[]
  readonly raw: Buffer
  readonly smtpUtf8: boolean
  /** For the Received line: the client's EHLO name, e.g. `app.example` (only kept, never trusted). */
  readonly helo?: string | undefined
  /** REST: LF line ends are repaired. SMTP: refused. */
  readonly repairNewlines: boolean
  readonly options: SubmitOptions
}

export interface Attachment {
  readonly filename: string
  readonly contentType: string
  readonly content: Buffer
  readonly contentId?: string | undefined
  readonly disposition?: 'attachment' | 'inline' | undefined
}

/** A message in parts, to be built by us. Addresses as given, `Name <a@b>` or `a@b`. */
export interface BuiltSubmission {
  /** Goes in front of the field paths of errors: `3/` in a batch, empty for a single message. */
  readonly path: string
  readonly from: string
  readonly to: readonly string[]
  readonly cc: readonly string[]
  readonly bcc: readonly string[]
  readonly replyTo: readonly string[]
  readonly subject: string
  readonly text?: string | undefined
  readonly html?: string | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly attachments: readonly Attachment[]
  readonly options: Omit<SubmitOptions, 'idempotencyKey'>
}

export interface SubmitResult {
  /** The idempotency key was seen before: these are the messages of the first time. */
  readonly replayed: boolean
  readonly messages: readonly AcceptedMessage[]
}

/**
 * All throw AppError: invalid input with field paths (`0/to/1` in a batch), RATE_LIMITED,
 * QUOTA_EXCEEDED, MESSAGE_TOO_BIG, IDEMPOTENCY_KEY_REUSED, STORE_FULL, STORE_UNAVAILABLE, SHUTTING_DOWN. Resolving
 * means fsynced.
 */
export interface Submit {
  raw(submission: RawSubmission): Promise<SubmitResult>
  /** All or none of the batch is accepted. `fingerprint` identifies the request body for idempotency. */
  built(
    principal: Principal,
    batch: readonly BuiltSubmission[],
    idempotency: { readonly key: string; readonly fingerprint: string } | undefined,
  ): Promise<SubmitResult>
  /** Cheap check at MAIL/RCPT time and for REST: throws RATE_LIMITED when the principal's budget is used up. */
  checkBudget(principal: Principal): void
}
