/** The hot path's vocabulary: what is accepted, leased and settled. The store keeps it, the lane works on it. */
import type { DeliveryState, MoveReason } from './delivery.ts'
import type { EventType } from './event.ts'
import type { CredentialId, DeliveryId, KeyId, LaneId, MessageId, TenantId } from './ids.ts'
import type { Outcome, Verdict } from './outcome.ts'
import type { QuotaCharge, QuotaMark, QuotaRefusal } from './quota.ts'

export type Stream = 'transactional' | 'bulk'
/** Lower goes first inside a lane. */
export const STREAM_PRIORITY: Readonly<Record<Stream, number>> = { transactional: 0, bulk: 1 }

export interface NewRecipient {
  readonly address: string
  /** The part after the last `@`, lower case A-label. */
  readonly domain: string
  /** Undefined: the router finds it after the acknowledgement. */
  readonly lane: LaneId | undefined
}

export interface NewMessage {
  readonly tenant: TenantId
  readonly stream: Stream
  readonly via: 'smtp' | 'api'
  readonly credential: CredentialId | undefined
  readonly key: KeyId | undefined
  /** Envelope sender as submitted; empty for the null sender. */
  readonly mailFrom: string
  /** From header address and its domain, for DKIM and search. */
  readonly headerFrom: string
  readonly subject: string
  /** Message-ID header without angle brackets. */
  readonly messageIdHeader: string
  readonly tags: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  /** Epoch ms; undefined: now. */
  readonly sendAt: number | undefined
  readonly expiresAt: number
  /** Captured, never dialled. */
  readonly sandbox: boolean
  /** What it counts against, each recipient as one; undefined: no quota is set. */
  readonly quota?: readonly QuotaCharge[] | undefined
  readonly smtpUtf8: boolean
  /** Complete RFC 5322 bytes, CRLF lines; or the name of an fsynced spool file that holds them. */
  readonly body: Buffer | { readonly spool: string; readonly size: number }
  readonly recipients: readonly NewRecipient[]
}

export interface AcceptRequest {
  readonly messages: readonly NewMessage[]
  /** Scope of the key is the tenant of the first message. `fingerprint` is a hash of the request. */
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | undefined
}

export interface AcceptedDelivery {
  readonly id: DeliveryId
  readonly to: string
  readonly state: DeliveryState
  readonly lane: LaneId | undefined
  /** When it is first tried, epoch ms, if a quota makes it wait. */
  readonly expectedAt?: number | undefined
}
export interface AcceptedMessage {
  readonly id: MessageId
  readonly deliveries: readonly AcceptedDelivery[]
}
export type AcceptResult =
  | {
      readonly kind: 'accepted' | 'replayed'
      readonly messages: readonly AcceptedMessage[]
      /** Quotas that this request brought near their end or to it. */
      readonly marks?: readonly QuotaMark[] | undefined
    }
  | { readonly kind: 'key-reused' }
  /** Nothing was kept and nothing counted. */
  | { readonly kind: 'over-quota'; readonly refusal: QuotaRefusal }

/** One delivery in a worker's hands. */
export interface LeasedDelivery {
  readonly id: DeliveryId
  readonly message: MessageId
  readonly tenant: TenantId
  readonly stream: Stream
  readonly recipient: string
  readonly domain: string
  readonly mailFrom: string
  readonly headerFrom: string
  readonly messageIdHeader: string
  readonly size: number
  readonly spool: string | undefined
  readonly smtpUtf8: boolean
  /** Recipients of the message as accepted; above 1 the copy gets a Message-ID of its own on `bulk`. */
  readonly copies: number
  /** Number of the attempt this lease is for, from 1. */
  readonly attempt: number
  readonly expiresAt: number
}

/** How a leased delivery ends. Written with its attempt and event in one transaction, or refused if the lease was lost. */
export interface Settlement {
  readonly delivery: DeliveryId
  readonly message: MessageId
  readonly tenant: TenantId
  readonly attempt: number
  readonly to: DeliveryState
  readonly reason: MoveReason
  /** When it is due again, for `deferred` and `queued`. */
  readonly nextAt: number | undefined
  /** Undefined: nothing was tried (expired or cancelled before the dial, put back). */
  readonly outcome: Outcome | undefined
  readonly verdict: Verdict | undefined
  readonly event: EventType | undefined
  /** The lane no longer fits (the MX moved): back to the router. */
  readonly unroute: boolean
}

export interface LeaseRequest {
  readonly lane: LaneId
  /** The owner's fencing token, from `claim`. */
  readonly token: string
  readonly now: number
  /** Ownership is extended to this time. */
  readonly ownedUntil: number
  readonly limit: number
  /** Opaque pacing state, kept with the lane so that the next owner goes on with it. */
  readonly pace: string
}
export interface Lease {
  readonly deliveries: readonly LeasedDelivery[]
  /** When the earliest delivery that was not leased is due; undefined: the lane is empty. */
  readonly nextDueAt: number | undefined
}

export interface Assignment {
  readonly delivery: DeliveryId
  readonly lane: LaneId
}

export interface ClaimRequest {
  readonly lane: LaneId
  readonly token: string
  readonly now: number
  readonly ownedUntil: number
}
export type Claim =
  | {
      readonly kind: 'claimed'
      readonly pace: string
      /** Deliveries that a former owner held when it vanished: the remote may have them already. See `recover`. */
      readonly inDoubt: readonly DeliveryId[]
    }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'owned-by-other'; readonly until: number }
  | { readonly kind: 'suspended'; readonly until: number; readonly because: string }

export interface HotWriter {
  /** Resolves after fsync. Rejects with AppError STORE_FULL or STORE_UNAVAILABLE; then nothing was kept. */
  accept(request: AcceptRequest): Promise<AcceptResult>
  claim(request: ClaimRequest): Promise<Claim>
  /**
   * Makes the deliveries that `claim` called in doubt due again. Call it when the log has named them: an owner that
   * vanishes before leaves them to be named by the next one, so that none is sent twice untold.
   */
  recover(lane: LaneId, token: string, now: number): Promise<void>
  /** Rejects with LEASE_LOST when another worker owns the lane. */
  lease(request: LeaseRequest): Promise<Lease>
  /**
   * Returns how many were refused because the lease had passed to another worker. `token` undefined settles
   * deliveries that have no lane yet (the router's: a domain that does not resolve).
   */
  settle(token: string | undefined, settlements: readonly Settlement[]): Promise<number>
  /** Gives deliveries without a lane theirs. */
  assign(assignments: readonly Assignment[]): Promise<void>
  release(lane: LaneId, token: string, pace: string): Promise<void>
  /** Cancels what was not sent yet; returns how many. Leased deliveries are left to their attempt. */
  cancel(message: MessageId, now: number): Promise<number>
  /** Makes waiting deliveries due now; returns the lanes to wake. */
  retryNow(deliveries: readonly DeliveryId[], now: number): Promise<readonly LaneId[]>
}
