/** Append-only facts about a delivery. The set is closed; past tense. */
export const EVENT_TYPES = [
  'accepted',
  'queued',
  'deferred',
  'delivered',
  'bounced',
  'expired',
  'suppressed',
  'complained',
  'opened',
  'clicked',
  'unsubscribed',
  'cancelled',
] as const
export type EventType = (typeof EVENT_TYPES)[number]
