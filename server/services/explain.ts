/** Answers "why is this mail not there yet": state, route, lane, limits and who set them, last reply, next try. */
import { idTime, asId, encodeId } from '../core/ids.ts'
import type { DeliveryId, TenantId } from '../core/ids.ts'
import type { Verdict } from '../core/outcome.ts'
import { explainVerdict } from '../policy/explain-verdict.ts'
import type { ExplainedLimits } from '../policy/shape.ts'
import { getDelivery } from '../store/read/message.ts'
import type { MessageDetail } from '../store/read/message.ts'
import { stringsOf } from '../store/read/messages.ts'
import type { Store } from '../store/open.ts'
import type { Catalog } from './catalog.ts'
import { explainQuota } from './explain-quota.ts'
import { explainedLimits } from './limits.ts'
import type { Routing } from './routing.ts'

export interface Explanation {
  readonly delivery: string
  readonly message: string
  readonly to: string
  readonly state: string
  /** From the closed set of core/delivery.ts. */
  readonly reason: string
  readonly acceptedAt: number
  readonly attempts: number
  readonly route: string | undefined
  readonly lane:
    | {
        readonly id: string
        readonly source: string
        readonly destination: string
        readonly suspendedUntil: number | undefined
        readonly suspendedBecause: string | undefined
        readonly limits: ExplainedLimits
      }
    | undefined
  readonly lastAttempt:
    | {
        readonly at: number
        readonly host: string | undefined
        readonly ip: string | undefined
        readonly said: string
        readonly verdict: string | undefined
      }
    | undefined
  /** Undefined once the delivery has ended. */
  readonly nextTry: { readonly at: number; readonly because: string } | undefined
  readonly expiresAt: number
}

export type Explain = (
  tenant: TenantId | undefined,
  delivery: DeliveryId,
) => Promise<Explanation | undefined>

type DeliveryRow = MessageDetail['deliveries'][number]
type AttemptRow = MessageDetail['attempts'][number]

export function makeExplain(deps: { store: Store; catalog: Catalog; routing: Routing }): Explain {
  const { store, catalog, routing } = deps

  async function laneOf(row: DeliveryRow): Promise<Explanation['lane']> {
    if (row.lane_id === null) return undefined
    const id = asId('lane', row.lane_id)
    const lane = await routing.lane(id)
    const state = await store.read
      .selectFrom('lanes')
      .select(['suspended_until', 'suspended_because'])
      .where('id', '=', id)
      .executeTakeFirst()
    if (lane === undefined) return undefined
    const facts = { source: lane.source, destination: lane.target }
    return {
      id: encodeId('lane', id),
      source: catalog.current.sources.get(lane.source)?.name ?? 'unknown',
      destination: lane.destination,
      suspendedUntil: (state?.suspended_until ?? 0) > 0 ? state?.suspended_until : undefined,
      suspendedBecause: state?.suspended_because ?? undefined,
      limits: explainedLimits(catalog.current, facts),
    }
  }

  return async (tenant, id) => {
    const detail = await getDelivery(store.across.read, tenant, id)
    const row = detail?.deliveries[0]
    if (detail === undefined || row === undefined) return undefined
    const { message } = detail
    const lane = await laneOf(row)
    const provider = lane?.destination.startsWith('provider:')
      ? lane.destination.slice('provider:'.length)
      : undefined
    const route = routing.routeOf(
      {
        tenant: asId('tenant', row.tenant_id),
        stream: message.stream,
        tags: stringsOf(message.tags),
        senderDomain: message.header_from.slice(message.header_from.lastIndexOf('@') + 1),
        recipient: row.recipient,
        recipientDomain: row.domain,
      },
      provider,
    )
    return {
      delivery: encodeId('delivery', row.id),
      message: encodeId('message', row.message_id),
      to: row.recipient,
      state: row.state,
      reason: row.reason,
      acceptedAt: idTime(row.id),
      attempts: row.attempts,
      route: route?.name,
      lane,
      lastAttempt: lastAttempt(detail.attempts.at(-1)),
      nextTry:
        row.state === 'queued' && row.reason === 'quota'
          ? { at: row.next_at, because: explainQuota(row, detail.events, catalog.current) }
          : nextTry(row),
      expiresAt: row.expires_at,
    }
  }
}

function lastAttempt(row: AttemptRow | undefined): Explanation['lastAttempt'] {
  if (row === undefined) return undefined
  const reply = [row.code, row.enhanced, row.reply].filter((part) => part !== null).join(' ')
  return {
    at: row.ended_at,
    host: row.host ?? undefined,
    ip: row.ip ?? undefined,
    said: reply === '' ? (row.detail ?? row.fault ?? 'nothing') : reply,
    verdict: row.category === null ? undefined : explainVerdict(verdictOf(row)),
  }
}

/** As settle wrote it. */
const verdictOf = (row: AttemptRow): Verdict =>
  ({
    category: row.category,
    scope: row.scope,
    permanence: row.permanence,
    action: row.action,
    rule: row.rule,
  }) as Verdict

function nextTry(row: DeliveryRow): Explanation['nextTry'] {
  switch (row.state) {
    case 'queued':
      return { at: row.next_at, because: `queued (${row.reason})` }
    case 'deferred':
      return { at: row.next_at, because: `attempt ${row.attempts} was deferred (${row.reason})` }
    case 'leased':
      return { at: row.changed_at, because: 'a worker is sending it now' }
    case 'held':
    case 'delivered':
    case 'bounced':
    case 'expired':
    case 'suppressed':
    case 'cancelled':
      return undefined
  }
}
