/**
 * How the deliveries of a new message begin: suppressed, caught by the sandbox, due now, at the wished time, or as soon
 * as its quotas have room. Decides and counts; writes nothing.
 */
import type Database from 'better-sqlite3'
import type { DeliveryState, MoveReason } from '../../core/delivery.ts'
import { asId, encodeId } from '../../core/ids.ts'
import type { QuotaRefusal, QuotaState } from '../../core/quota.ts'
import type { NewMessage, NewRecipient } from '../../core/work.ts'
import type { PlannedSlot, QuotaLedger } from './quota.ts'

export interface Start {
  readonly state: DeliveryState
  readonly reason: MoveReason
  readonly nextAt: number
  readonly expiresAt: number
  /** JSON for its `accepted` event. */
  readonly data: string | null
}

export interface Starts {
  /** Call first in each transaction. */
  begin(): void
  /** One for each recipient, in order. What is not to be sent counts against no quota. */
  of(message: NewMessage, now: number): readonly Start[] | QuotaRefusal
}

export const isRefusal = (plan: readonly unknown[] | QuotaRefusal): plan is QuotaRefusal =>
  'wanted' in plan

export function makeStarts(db: Database.Database, quotas: QuotaLedger): Starts {
  const anySuppression = db.prepare('select 1 from suppressions limit 1')
  const suppression = db.prepare('select 1 from suppressions where address = ? and tenant_id = ?')
  let checkSuppressions = true

  function firstState(
    message: NewMessage,
    recipient: NewRecipient,
    now: number,
  ): [DeliveryState, MoveReason] {
    if (checkSuppressions && suppression.get(recipient.address.toLowerCase(), message.tenant))
      return ['suppressed', 'suppressed-recipient']
    if (message.sandbox) return ['delivered', 'sandbox']
    if (message.sendAt !== undefined && message.sendAt > now) return ['queued', 'scheduled']
    return ['queued', 'accepted']
  }

  return {
    begin() {
      checkSuppressions = anySuppression.get() !== undefined
    },
    of(message, now) {
      const { sendAt, expiresAt, quota } = message
      const starts = message.recipients.map((recipient): Start => {
        const [state, reason] = firstState(message, recipient, now)
        return { state, reason, nextAt: sendAt ?? now, expiresAt, data: null }
      })
      if (quota === undefined) return starts
      const want = starts.reduce((sum, { state }) => sum + (state === 'queued' ? 1 : 0), 0)
      if (want === 0) return starts
      const from = Math.max(now, sendAt ?? now)
      const charged = quotas.charge({ tenant: message.tenant, charges: quota, want, from })
      return charged.kind === 'over' ? charged.refusal : delayed(starts, charged.slots, from)
    },
  }
}

/** The same starts with those that are to wait put off, each to its own moment; `from` is when they were wished. */
function delayed(
  starts: readonly Start[],
  slots: readonly PlannedSlot[],
  from: number,
): readonly Start[] {
  if (slots.every(({ waitsFor }) => waitsFor === undefined)) return starts
  const moments = slots.flatMap(({ at, count, firstMs, stepMs, waitsFor }) => {
    const data = waitsFor === undefined ? null : eventData(waitsFor)
    return Array.from({ length: count }, (_, i) => ({
      at: at + Math.floor(firstMs + i * stepMs),
      data,
    }))
  })
  let next = 0
  return starts.map((start) => {
    const moment = start.state === 'queued' ? moments[next++] : undefined
    if (moment === undefined || moment.data === null) return start
    return {
      state: 'queued',
      reason: 'quota',
      nextAt: moment.at,
      // The time it has to be delivered begins when it may be sent.
      expiresAt: start.expiresAt + moment.at - from,
      data: moment.data,
    }
  })
}

/** Which quota it waits for, by its outside id, and how full that was. */
const eventData = ({ scope, scopeId, unit, limit, used }: QuotaState): string =>
  JSON.stringify({ quota: { scope, id: encodeId(scope, asId(scope, scopeId)), unit, limit, used } })
