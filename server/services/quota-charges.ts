/** Which quotas a message counts against, and what its sender hears when one has no room. */
import { AppError } from '../core/errors.ts'
import type { DomainId, TenantId } from '../core/ids.ts'
import type { QuotaCharge, QuotaRefusal, QuotaScope } from '../core/quota.ts'
import { refusalText } from '../policy/quota.ts'
import type { CatalogSnapshot } from '../store/catalog.ts'
import type { QuotaRecord, TenantQuotas } from '../store/read/quotas.ts'
import type { Principal } from './auth/principal.ts'

/** Up to three: the tenant's own, the login's, the sender domain's. Undefined when none is set: nothing is counted. */
export function chargesOf(
  snapshot: CatalogSnapshot,
  { tenant, credential }: Pick<Principal, 'tenant' | 'credential'>,
  domain: DomainId,
): readonly QuotaCharge[] | undefined {
  const quotas = snapshot.quotas.get(tenant)
  if (quotas === undefined) return undefined
  const records = [
    quotas.tenant,
    credential === undefined ? undefined : quotas.credentials.get(credential),
    quotas.domains.get(domain),
  ]
  const charges = records.flatMap((record) => (record === undefined ? [] : [record.charge]))
  return charges.length === 0 ? undefined : charges
}

export function quotaRecord(
  quotas: TenantQuotas | undefined,
  scope: QuotaScope,
  scopeId: number,
): QuotaRecord | undefined {
  switch (scope) {
    case 'tenant':
      return quotas?.tenant
    case 'credential':
      return quotas?.credentials.get(scopeId)
    case 'domain':
      return quotas?.domains.get(scopeId)
  }
}

/**
 * QUOTA_EXCEEDED with which quota, how full, and the time until its window ends; RECIPIENTS_TOO_MANY for a message that
 * would not fit an empty window either, so that nobody is told to come back for nothing.
 */
export function overQuota(
  snapshot: CatalogSnapshot,
  tenant: TenantId,
  refusal: QuotaRefusal,
  now: number,
): AppError {
  const record = quotaRecord(snapshot.quotas.get(tenant), refusal.scope, refusal.scopeId)
  // The quota was taken away while the request was on its way.
  const name = record?.name ?? `${refusal.scopeId}`
  const text = refusalText(refusal, name)
  if (refusal.wanted > refusal.limit && !refusal.isPlannedAhead)
    return new AppError('RECIPIENTS_TOO_MANY', { public: text })
  return new AppError('QUOTA_EXCEEDED', {
    public: text,
    retryAfterMs: Math.max(0, refusal.resetsAt - now),
  })
}
