/**
 * Hears how full quotas become: one log line per window and level, and counts for metrics. In memory, so a restart may
 * say a thing twice.
 */
import { encodeId, asId } from '../core/ids.ts'
import type { Log } from '../core/ports.ts'
import type { QuotaState } from '../core/quota.ts'
import type { AcceptResult } from '../core/work.ts'

/** Since start. */
export interface QuotaCounts {
  /** Windows that reached 80 % of their quota. */
  nearlyUsed: number
  /** Windows that were used up. */
  usedUp: number
  /** Deliveries that were made to wait. */
  delayed: number
  /** Requests that were refused. */
  refused: number
}

export interface QuotaWatch {
  readonly counts: Readonly<QuotaCounts>
  note(result: AcceptResult): void
}

export function makeQuotaWatch(log: Log): QuotaWatch {
  const counts: QuotaCounts = { nearlyUsed: 0, usedUp: 0, delayed: 0, refused: 0 }
  /** By quota, unit and level: the end of the window of which it was said. */
  const said = new Map<string, number>()

  /** Level `lacking`: there is room, but not enough for what was asked. */
  function say(state: QuotaState, level: 80 | 100 | 'lacking'): void {
    const { scope, scopeId, unit, used, limit, resetsAt } = state
    const key = `${scope}/${scopeId}/${unit}/${level}`
    if (said.get(key) === resetsAt) return
    said.set(key, resetsAt)
    const fields = {
      evt: 'quota',
      scope,
      id: encodeId(scope, asId(scope, scopeId)),
      unit,
      used,
      limit,
      resetsAt,
    }
    if (level === 'lacking') log.warn(fields, 'a quota had too little room for a request')
    else if (level === 100) {
      counts.usedUp++
      log.warn(fields, 'a quota is used up')
    } else {
      counts.nearlyUsed++
      log.warn(fields, 'a quota is nearly used up')
    }
  }

  return {
    counts,
    note(result) {
      switch (result.kind) {
        case 'over-quota':
          counts.refused++
          say(result.refusal, result.refusal.used >= result.refusal.limit ? 100 : 'lacking')
          return
        case 'accepted':
          for (const mark of result.marks ?? []) say(mark, mark.level)
          for (const { deliveries } of result.messages)
            for (const { expectedAt } of deliveries) if (expectedAt !== undefined) counts.delayed++
          return
        case 'replayed':
        case 'key-reused':
      }
    },
  }
}
