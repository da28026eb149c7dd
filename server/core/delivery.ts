/** The life of a delivery as a table. A move that is not in the table is refused by the store. */

export const DELIVERY_STATES = [
  'queued', // waits for its first attempt, or was put back untried
  'leased', // a lane worker holds it; the attempt is recorded
  'deferred', // tried at least once, waits for the next try
  'held', // waits for a person
  'delivered',
  'bounced',
  'expired',
  'suppressed',
  'cancelled',
] as const
export type DeliveryState = (typeof DELIVERY_STATES)[number]

export const NEXT_STATES: Readonly<Record<DeliveryState, readonly DeliveryState[]>> = {
  queued: ['leased', 'expired', 'suppressed', 'cancelled', 'held', 'bounced', 'deferred'],
  leased: ['delivered', 'deferred', 'bounced', 'expired', 'suppressed', 'cancelled', 'queued'],
  deferred: ['leased', 'expired', 'suppressed', 'cancelled', 'held', 'queued', 'bounced'],
  held: ['queued', 'cancelled', 'expired'],
  delivered: ['bounced'], // a DSN that arrives later
  bounced: ['queued'], // a person corrects the verdict
  expired: ['queued'],
  suppressed: ['queued'],
  cancelled: [],
}

export const canMove = (from: DeliveryState, to: DeliveryState): boolean =>
  NEXT_STATES[from].includes(to)

/** Why a delivery is where it is. Closed: "why" can always be answered from this list. */
export const MOVE_REASONS = [
  'accepted',
  'scheduled', // sendAt in the future
  'quota', // waits for a window of a quota that has room
  'sandbox', // sender domain not verified: captured, never dialled
  'suppressed-recipient',
  'leased',
  'remote-accepted',
  'remote-deferred',
  'remote-refused',
  'host-unreachable',
  'dns-temporary',
  'dns-permanent',
  'tls-required',
  'connection-lost',
  'private-target',
  'needs-smtputf8',
  'content-too-big',
  'no-route',
  'lane-released', // put back untried: worker drained, connection slots gone
  'in-doubt', // a worker died while it held the delivery
  'max-age',
  'cancelled-by-client',
  'retried-by-operator',
  'rerouted',
  'internal-error',
] as const
export type MoveReason = (typeof MOVE_REASONS)[number]
