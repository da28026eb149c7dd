/**
 * Quotas for people: set, looked at, taken away; and for `submit`: which of them a message falls under. One message to
 * ten people counts ten. What the sandbox takes is not counted.
 */
import type { Actor, AuditDraft, AuditValue } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import type { CredentialId, DomainId, TenantId } from '../core/ids.ts'
import type { Clock } from '../core/ports.ts'
import { QUOTA_SCOPES, QUOTA_UNITS, windowEnd, windowStart } from '../core/quota.ts'
import type { QuotaCharge, QuotaFull, QuotaLimits, QuotaScope, QuotaUnit } from '../core/quota.ts'
import { domainKey } from '../store/catalog.ts'
import type { CatalogSnapshot } from '../store/catalog.ts'
import type { Store } from '../store/open.ts'
import { deleteQuota, quotaKey, saveQuota, usesOf } from '../store/quotas.ts'
import type { QuotaRecord } from '../store/quotas.ts'
import type { Catalog } from './catalog.ts'

export interface QuotaWindow {
  readonly unit: QuotaUnit
  readonly limit: number
  readonly used: number
  /** Epoch ms. */
  readonly resetsAt: number
}

export interface QuotaInfo {
  readonly scope: QuotaScope
  /** Of the tenant, the login or the domain. */
  readonly name: string
  readonly over: QuotaCharge['over']
  readonly windows: readonly QuotaWindow[]
}

export interface QuotaTarget {
  readonly tenant: TenantId
  readonly scope: QuotaScope
  /** User name of the login, or the domain; of the tenant itself nothing needs to be named. */
  readonly name: string
}

export interface Quotas {
  /** NOT_FOUND when the tenant has no such login or domain; BODY_INVALID without any limit. */
  set(
    actor: Actor,
    target: QuotaTarget,
    quota: { readonly limits: QuotaLimits; readonly over: QuotaCharge['over'] },
  ): Promise<QuotaInfo>
  /** NOT_FOUND. */
  remove(actor: Actor, target: QuotaTarget): Promise<void>
  list(tenant: TenantId): Promise<readonly QuotaInfo[]>
}

export function makeQuotas({
  store,
  catalog,
  clock,
}: {
  readonly store: Store
  readonly catalog: Catalog
  readonly clock: Clock
}): Quotas {
  const changed = (
    actor: Actor,
    target: QuotaTarget,
    action: string,
    id: number,
  ): Omit<AuditDraft, 'before' | 'after'> => ({
    actor,
    tenant: target.tenant,
    action,
    target: { kind: 'quota', id: quotaKey(target.scope, id), name: target.name },
  })

  async function list(tenant: TenantId): Promise<QuotaInfo[]> {
    const now = clock.now()
    const starts = {
      hour: windowStart('hour', now),
      day: windowStart('day', now),
      month: windowStart('month', now),
    }
    const uses = await usesOf(store, tenant, starts)
    const snapshot = catalog.current
    return [...snapshot.quotas.values()]
      .filter((quota) => quota.tenant === tenant)
      .map((quota) => ({
        scope: quota.scope,
        name: nameOf(snapshot, quota),
        over: quota.over,
        windows: QUOTA_UNITS.flatMap((unit) => {
          const limit = quota.limits[unit]
          if (limit === undefined) return []
          const use = uses.find(
            (one) => one.unit === unit && one.scope === quota.scope && one.id === quota.id,
          )
          return [{ unit, limit, used: use?.used ?? 0, resetsAt: windowEnd(unit, starts[unit]) }]
        }),
      }))
      .sort((a, b) => QUOTA_SCOPES.indexOf(a.scope) - QUOTA_SCOPES.indexOf(b.scope))
  }

  return {
    list,
    async set(actor, target, { limits, over }) {
      if (QUOTA_UNITS.every((unit) => limits[unit] === undefined))
        throw new AppError('BODY_INVALID', {
          public: 'A quota needs a limit for the hour, the day or the month.',
          fields: [{ path: 'limits', message: 'names no limit' }],
        })
      const id = idOf(catalog.current, target)
      const { tenant, scope } = target
      const former = catalog.current.quotas.get(quotaKey(scope, id))
      const record: AuditDraft = {
        ...changed(actor, target, 'quota.changed', id),
        before: former === undefined ? null : auditOf(former),
        after: auditOf({ limits, over }),
      }
      await saveQuota(store, { tenant, scope, id, limits, over }, { now: clock.now(), record })
      await catalog.refresh()
      const info = (await list(tenant)).find(
        (one) => one.scope === scope && one.name === nameOf(catalog.current, { scope, id, tenant }),
      )
      if (info === undefined) throw new AppError('NOT_FOUND')
      return info
    },
    async remove(actor, target) {
      const id = idOf(catalog.current, target)
      const former = catalog.current.quotas.get(quotaKey(target.scope, id))
      await deleteQuota(
        store,
        { tenant: target.tenant, scope: target.scope, id },
        {
          ...changed(actor, target, 'quota.removed', id),
          before: former === undefined ? null : auditOf(former),
        },
      )
      await catalog.refresh()
    },
  }
}

const auditOf = ({ limits, over }: Pick<QuotaCharge, 'limits' | 'over'>): AuditValue => ({
  hour: limits.hour ?? null,
  day: limits.day ?? null,
  month: limits.month ?? null,
  over,
})

/** Throws NOT_FOUND. */
function idOf(snapshot: CatalogSnapshot, { tenant, scope, name }: QuotaTarget): number {
  switch (scope) {
    case 'tenant':
      if (snapshot.tenants.has(tenant)) return tenant
      throw new AppError('NOT_FOUND')
    case 'credential': {
      const login = snapshot.credentials.get(name)
      if (login?.tenant === tenant) return login.id
      throw new AppError('NOT_FOUND')
    }
    case 'domain': {
      const domain = snapshot.domains.get(domainKey(tenant, name))
      if (domain !== undefined) return domain.id
      throw new AppError('NOT_FOUND')
    }
  }
}

function nameOf(
  snapshot: CatalogSnapshot,
  { scope, id, tenant }: Pick<QuotaRecord, 'scope' | 'id' | 'tenant'>,
): string {
  const named = {
    tenant: () => snapshot.tenants.get(tenant)?.name,
    credential: () => find(snapshot.credentials.values(), id)?.username,
    domain: () => find(snapshot.domains.values(), id)?.name,
  }[scope]()
  // What it was for is gone.
  return named ?? encodeId(scope, id)
}

function find<T extends { readonly id: number }>(rows: Iterable<T>, id: number): T | undefined {
  for (const row of rows) if (row.id === id) return row
  return undefined
}

/** What a message is counted against; undefined: nothing, which costs one look at an empty map. */
export function quotasFor(
  snapshot: CatalogSnapshot,
  message: {
    readonly tenant: TenantId
    readonly credential: CredentialId | undefined
    readonly domain: DomainId
  },
): readonly QuotaCharge[] | undefined {
  const { quotas } = snapshot
  if (quotas.size === 0) return undefined
  const charges = [
    quotas.get(quotaKey('tenant', message.tenant)),
    message.credential === undefined
      ? undefined
      : quotas.get(quotaKey('credential', message.credential)),
    quotas.get(quotaKey('domain', message.domain)),
  ].filter((charge) => charge !== undefined)
  return charges.length === 0 ? undefined : charges
}

const WORDS = { hour: 'hourly', day: 'daily', month: 'monthly' } as const

/** Why a message is not taken, with the time to wait. */
export function overQuota(
  snapshot: CatalogSnapshot,
  { scope, id, unit, limit, until }: QuotaFull,
  tenant: TenantId,
  now: number,
): AppError {
  const whose = scope === 'credential' ? 'login' : scope
  const name = nameOf(snapshot, { scope, id, tenant })
  return new AppError('QUOTA_EXCEEDED', {
    public: `The ${WORDS[unit]} quota of ${limit} recipients of the ${whose} ${name} is used up until ${new Date(until).toISOString()}.`,
    retryAfterMs: Math.max(1, until - now),
  })
}
