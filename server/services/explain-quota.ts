/** Which quota a delivery waits for, in words: as it was when the mail was accepted, which its first event tells. */
import { asId, decodeId } from '../core/ids.ts'
import { QUOTA_SCOPES, QUOTA_UNITS } from '../core/quota.ts'
import type { QuotaState } from '../core/quota.ts'
import { waitText } from '../policy/quota.ts'
import type { CatalogSnapshot } from '../store/catalog.ts'
import type { MessageDetail } from '../store/read/message.ts'
import { quotaRecord } from './quota-charges.ts'

type DeliveryRow = MessageDetail['deliveries'][number]

/** `waits for the daily quota of tenant acme: 10,000 of 10,000 used, next at 2026-01-02 00:00 UTC` */
export function explainQuota(
  row: Pick<DeliveryRow, 'tenant_id' | 'next_at'>,
  events: readonly Pick<MessageDetail['events'][number], 'type' | 'data'>[],
  { quotas }: Pick<CatalogSnapshot, 'quotas'>,
): string {
  const quota = quotaOf(events.find(({ type }) => type === 'accepted')?.data ?? null)
  if (quota === undefined) return 'queued (quota)'
  const key = decodeId(quota.scope, quota.id)
  const own = quotas.get(asId('tenant', row.tenant_id))
  const record = key === undefined ? undefined : quotaRecord(own, quota.scope, key)
  // Taken away meanwhile: it has no name here any more.
  return waitText(quota, record?.name ?? quota.id, row.next_at)
}

type Told = Pick<QuotaState, 'scope' | 'unit' | 'limit' | 'used'> & { readonly id: string }

/** `{"quota": {scope, id, unit, limit, used}}` as the writer put it. */
function quotaOf(json: string | null): Told | undefined {
  const data: unknown = json === null ? undefined : JSON.parse(json)
  const quota = field(data, 'quota')
  const scope = QUOTA_SCOPES.find((one) => one === field(quota, 'scope'))
  const unit = QUOTA_UNITS.find((one) => one === field(quota, 'unit'))
  if (scope === undefined || unit === undefined) return undefined
  return {
    scope,
    unit,
    id: String(field(quota, 'id')),
    limit: Number(field(quota, 'limit')),
    used: Number(field(quota, 'used')),
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
