/** Who changed what: the shapes that services hand to the store together with each change. */
import type { TenantId } from './ids.ts'

/** Whose hand it was, by what means, from where. */
export interface Actor {
  readonly kind: 'user' | 'key' | 'operator' | 'system'
  /** Row key of the user or API key; undefined for a person at the command line and for the program itself. */
  readonly id: number | undefined
  /** Address of the user, name of the key, name of the account at the command line. */
  readonly name: string
  /** `link`: a one-time link that was sent to the person. */
  readonly means: 'session' | 'api-key' | 'link' | 'cli' | 'program'
  readonly ip: string | undefined
  /** ISO 3166-1 alpha-2, when known. */
  readonly country: string | undefined
  readonly requestId: string | undefined
}

/** The program itself, such as a schedule or a first start. */
export const SYSTEM_ACTOR: Actor = {
  kind: 'system',
  id: undefined,
  name: 'posthorn',
  means: 'program',
  ip: undefined,
  country: undefined,
  requestId: undefined,
}

/** A value for people and machines to compare. Secrets never stand in one: they are left out. */
export type AuditValue =
  | string
  | number
  | boolean
  | null
  | readonly AuditValue[]
  | { readonly [field: string]: AuditValue }

export interface AuditDraft {
  readonly actor: Actor
  /** Undefined for a change to the installation. */
  readonly tenant: TenantId | undefined
  /** `noun.verb`, past tense: `key.created`, `member.role-changed`. */
  readonly action: string
  readonly target: {
    /** `key`, `user`, `tenant` … */
    readonly kind: string
    /** Outside id. Undefined when the change makes the row: the writer fills in the key of the first returned row. */
    readonly id: string | undefined
    readonly name: string
  }
  readonly before?: AuditValue | undefined
  readonly after?: AuditValue | undefined
}

/** A write that is no change by anybody: bookkeeping such as "last used at". The reason is for the reader. */
export interface Unaudited {
  readonly unaudited: string
}

/** What every write says of itself. */
export type ChangeRecord = AuditDraft | Unaudited
