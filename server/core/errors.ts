/**
 * Errors of our own: bad input, missing rights, limits, a broken machine. What a remote server said is never
 * one of these (see outcome.ts). Every code is declared once, here; retired codes stay listed.
 */

export const ERROR_KINDS = [
  'invalid',
  'unauthenticated',
  'forbidden',
  'not-found',
  'conflict',
  'limited',
  'too-big',
  'unavailable',
  'internal',
] as const
export type ErrorKind = (typeof ERROR_KINDS)[number]

interface ErrorSpec {
  readonly kind: ErrorKind
  readonly text: string
}

/** code → kind and the default public sentence. */
export const ERROR_CODES = {
  BODY_INVALID: { kind: 'invalid', text: 'The request does not match the schema.' },
  BODY_NOT_JSON: { kind: 'invalid', text: 'The request body is not valid JSON.' },
  CONTENT_TYPE_UNSUPPORTED: { kind: 'invalid', text: 'This content type is not accepted here.' },
  REQUEST_MALFORMED: { kind: 'invalid', text: 'The request is not valid HTTP.' },
  REQUEST_TIMEOUT: { kind: 'invalid', text: 'The request did not arrive in time.' },
  METHOD_NOT_ALLOWED: { kind: 'invalid', text: 'This method is not possible at this path.' },
  FIELD_UNKNOWN: { kind: 'invalid', text: 'The request has a field that does not exist.' },
  ADDRESS_INVALID: { kind: 'invalid', text: 'An address is not a valid e-mail address.' },
  HEADER_INVALID: { kind: 'invalid', text: 'A header field is not valid.' },
  HEADER_FORBIDDEN: { kind: 'invalid', text: 'This header field cannot be set by the client.' },
  MESSAGE_INVALID: { kind: 'invalid', text: 'The message is not a valid RFC 5322 message.' },
  MESSAGE_BARE_NEWLINE: { kind: 'invalid', text: 'The message has a CR or LF outside of CRLF.' },
  MESSAGE_LINE_TOO_LONG: { kind: 'invalid', text: 'A line is longer than 998 octets.' },
  MESSAGE_EMPTY: { kind: 'invalid', text: 'The message has neither text nor html.' },
  ATTACHMENT_INVALID: { kind: 'invalid', text: 'An attachment is not valid base64.' },
  SENDER_INVALID: { kind: 'invalid', text: 'The sender address is missing or not valid.' },
  RECIPIENTS_MISSING: { kind: 'invalid', text: 'The message has no recipient.' },
  RECIPIENTS_TOO_MANY: { kind: 'invalid', text: 'The message has too many recipients.' },
  STREAM_UNKNOWN: { kind: 'invalid', text: 'This stream does not exist.' },
  SEND_AT_INVALID: { kind: 'invalid', text: 'sendAt is not a time within the allowed range.' },
  CURSOR_INVALID: { kind: 'invalid', text: 'The cursor is not one that this list handed out.' },
  ID_INVALID: { kind: 'invalid', text: 'The id is not of the expected form.' },
  CONFIG_INVALID: { kind: 'invalid', text: 'The configuration is not valid.' },
  IDEMPOTENCY_KEY_INVALID: {
    kind: 'invalid',
    text: 'The idempotency key must have 1 to 255 visible ASCII characters.',
  },
  IDEMPOTENCY_KEY_REUSED: {
    kind: 'conflict',
    text: 'This idempotency key was used with a different request.',
  },
  MESSAGE_TOO_BIG: { kind: 'too-big', text: 'The message is larger than allowed.' },
  AUTH_REQUIRED: { kind: 'unauthenticated', text: 'Authentication is required.' },
  AUTH_FAILED: { kind: 'unauthenticated', text: 'The credentials are not valid.' },
  AUTH_REVOKED: { kind: 'unauthenticated', text: 'These credentials were revoked.' },
  AUTH_EXPIRED: { kind: 'unauthenticated', text: 'These credentials have expired.' },
  SESSION_ENDED: { kind: 'unauthenticated', text: 'The session has ended; sign in again.' },
  SIGN_IN_FAILED: { kind: 'unauthenticated', text: 'Address and password do not match.' },
  SECOND_FACTOR_WRONG: { kind: 'unauthenticated', text: 'The second factor was not accepted.' },
  SECOND_FACTOR_REQUIRED: {
    kind: 'forbidden',
    text: 'The second factor is still asked for.',
  },
  SECOND_FACTOR_MISSING: {
    kind: 'forbidden',
    text: 'A second factor must be set up before anything else.',
  },
  STEP_UP_REQUIRED: {
    kind: 'forbidden',
    text: 'This needs a fresh confirmation of who you are.',
  },
  SESSION_REQUIRED: { kind: 'forbidden', text: 'Only a signed-in person may do that.' },
  ACCOUNT_LOCKED: { kind: 'forbidden', text: 'This account is locked.' },
  NETWORK_FORBIDDEN: {
    kind: 'forbidden',
    text: 'These credentials may not be used from this network.',
  },
  ORIGIN_FORBIDDEN: { kind: 'forbidden', text: 'The request comes from another site.' },
  PERMISSION_MISSING: { kind: 'forbidden', text: 'You may not do that.' },
  GRANT_FORBIDDEN: { kind: 'forbidden', text: 'You cannot give a right that you do not have.' },
  LINK_INVALID: { kind: 'invalid', text: 'This link is not valid or was used before.' },
  PASSKEY_INVALID: { kind: 'invalid', text: 'The passkey was not accepted.' },
  PASSWORD_WEAK: { kind: 'invalid', text: 'This password is too easy to guess.' },
  TENANT_REQUIRED: {
    kind: 'invalid',
    text: 'Say which tenant: set the header Posthorn-Tenant to its id.',
  },
  QUOTA_EXCEEDED: { kind: 'limited', text: 'The quota is used up.' },
  SCOPE_MISSING: { kind: 'forbidden', text: 'This key does not have the scope for that.' },
  SENDER_FORBIDDEN: { kind: 'forbidden', text: 'This credential may not send from that domain.' },
  NOT_FOUND: { kind: 'not-found', text: 'There is nothing with this id.' },
  ROUTE_NOT_FOUND: { kind: 'not-found', text: 'There is nothing at this path.' },
  NAME_TAKEN: { kind: 'conflict', text: 'This name is already in use.' },
  STATE_CONFLICT: { kind: 'conflict', text: 'The present state does not allow that.' },
  RATE_LIMITED: { kind: 'limited', text: 'Too many requests; try again later.' },
  CONNECTIONS_LIMITED: { kind: 'limited', text: 'Too many connections; try again later.' },
  STORE_FULL: { kind: 'unavailable', text: 'There is no room to keep mail at the moment.' },
  STORE_UNAVAILABLE: { kind: 'unavailable', text: 'Mail cannot be kept at the moment.' },
  SHUTTING_DOWN: { kind: 'unavailable', text: 'The service is restarting; try again in a moment.' },
  BACKUP_DAMAGED: { kind: 'invalid', text: 'This is no backup, or one that is damaged.' },
  BACKUP_KEY_WRONG: { kind: 'invalid', text: 'The backup does not open with this recovery key.' },
  BACKUP_TARGET_FAILED: {
    kind: 'unavailable',
    text: 'The place where backups are kept does not work at the moment.',
  },
  HANDLER_TIMEOUT: { kind: 'unavailable', text: 'This took too long and was given up.' },
  LEASE_LOST: { kind: 'conflict', text: 'Another worker owns this lane now.' },
  INTERNAL: { kind: 'internal', text: 'Something went wrong on our side.' },
} as const satisfies Record<string, ErrorSpec>
export type ErrorCode = keyof typeof ERROR_CODES

export interface FieldError {
  /** JSON pointer or dotted path of the offending value. */
  readonly path: string
  readonly message: string
}

export class AppError extends Error {
  readonly code: ErrorCode
  readonly kind: ErrorKind
  /** What a client may see. */
  readonly public: string
  /** What only the log may see. */
  readonly detail: string | undefined
  readonly fields: readonly FieldError[]
  readonly retryAfterMs: number | undefined
  /** A more exact RFC 3463 code than the one an SMTP reply would carry by the error's code. */
  readonly enhanced: string | undefined

  constructor(
    code: ErrorCode,
    options: {
      public?: string
      detail?: string
      cause?: unknown
      fields?: readonly FieldError[]
      retryAfterMs?: number
      enhanced?: string
    } = {},
  ) {
    const spec = ERROR_CODES[code]
    super(options.public ?? spec.text, { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.kind = spec.kind
    this.public = options.public ?? spec.text
    this.detail = options.detail
    this.fields = options.fields ?? []
    this.retryAfterMs = options.retryAfterMs
    this.enhanced = options.enhanced
  }

  /** The same error about a part of something larger: `path` goes in front of its field paths. */
  below(path: string): AppError {
    if (path === '' || this.fields.length === 0) return this
    return new AppError(this.code, {
      public: this.public,
      cause: this,
      fields: this.fields.map((field) => ({ ...field, path: path + field.path })),
      ...(this.detail === undefined ? {} : { detail: this.detail }),
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
      ...(this.enhanced === undefined ? {} : { enhanced: this.enhanced }),
    })
  }
}
