/** What crosses between the event loop and the writer thread. Bodies travel in one transferred buffer per batch. */
import type { AuditDraft } from '../../core/audit.ts'
import type { ErrorCode } from '../../core/errors.ts'
import type { DeliveryId, LaneId, MessageId } from '../../core/ids.ts'
import type {
  AcceptRequest,
  Assignment,
  ClaimRequest,
  LeaseRequest,
  NewMessage,
  Settlement,
} from '../../core/work.ts'

/** Where a body lies in the batch's buffer. */
export interface PackedBody {
  readonly offset: number
  readonly length: number
}
export interface PackedMessage extends Omit<NewMessage, 'body'> {
  readonly body: PackedBody | { readonly spool: string; readonly size: number }
}
export interface PackedAccept extends Omit<AcceptRequest, 'messages'> {
  readonly messages: readonly PackedMessage[]
}

export type SqlValue = string | number | bigint | Buffer | null
export interface Statement {
  readonly sql: string
  readonly parameters: readonly unknown[]
  /** Rows it must change; otherwise the whole write is undone and rejected with `orElse`. */
  readonly expect?: { readonly changes: number; readonly orElse: ErrorCode }
}
export interface WriteResult {
  readonly changes: number
  /** Of `returning` clauses. */
  readonly rows: readonly unknown[]
}

export type Op =
  | { readonly kind: 'accept'; readonly request: PackedAccept }
  | { readonly kind: 'claim'; readonly request: ClaimRequest }
  | { readonly kind: 'lease'; readonly request: LeaseRequest }
  | {
      readonly kind: 'settle'
      readonly token: string | undefined
      readonly settlements: readonly Settlement[]
    }
  | { readonly kind: 'assign'; readonly assignments: readonly Assignment[] }
  | {
      readonly kind: 'recover'
      readonly lane: LaneId
      readonly token: string
      readonly now: number
    }
  | {
      readonly kind: 'release'
      readonly lane: LaneId
      readonly token: string
      readonly pace: string
    }
  | { readonly kind: 'cancel'; readonly message: MessageId; readonly now: number }
  | { readonly kind: 'retry-now'; readonly deliveries: readonly DeliveryId[]; readonly now: number }
  | {
      readonly kind: 'write'
      readonly statements: readonly Statement[]
      /** What the audit log keeps of it; undefined for bookkeeping. */
      readonly audit: AuditDraft | undefined
    }

export interface Batch {
  readonly now: number
  readonly ops: readonly Op[]
  readonly bodies: ArrayBuffer
}
export type OpResult =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: ErrorCode; readonly detail: string }

export interface BatchResult {
  readonly results: readonly OpResult[]
}

export type ThreadMessage = { readonly batch: Batch } | { readonly close: true }
