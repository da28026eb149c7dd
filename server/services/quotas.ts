/**
 * Quotas of a tenant, its logins and its sender domains: set, taken away, and shown with how much of them is used. Who
 * may set which is decided before; counting is done where mail is accepted.
 */
import type { Actor, AuditDraft, AuditValue } from '../core/audit.ts'
import { parseDomain } from '../core/address.ts'
import { AppError } from '../core/errors.ts'
import { decodeId, encodeId } from '../core/ids.ts'
import type { TenantId } from '../core/ids.ts'
import type { Clock } from '../core/ports.ts'
import { QUOTA_UNITS, windowEnd, windowStart } from '../core/quota.ts'
import type { QuotaCharge, QuotaLimits, QuotaOver, QuotaScope, QuotaUnit } from '../core/quota.ts'
import { domainKey } from '../store/catalog.ts'
import type { Store } from '../store/open.ts'
import { deleteQuota, putQuota, quotaUses } from '../store/quotas.ts'
import type { QuotaUse } from '../store/quotas.ts'
import type { QuotaRecord } from '../store/read/quotas.ts'
import type { Catalog } from './catalog.ts'
import { quotaRecord } from './quota-charges.ts'

/** Whose quota: `of` is its name or outside id; of the tenant's own it may be left out. */
export interface QuotaTarget {
  readonly tenant: TenantId
  readonly scope: QuotaScope
  readonly of?: string | undefined
}
/** All units at once: one that is left out has no limit. */
export interface QuotaWish extends QuotaTarget, QuotaLimits {
  readonly over: QuotaOver
}

export interface QuotaInfo {
  readonly scope: QuotaScope
  /** Outside id of the tenant, login or domain. */
  readonly id: string
  readonly name: string
  readonly over: QuotaOver
  readonly units: readonly {
    readonly unit: QuotaUnit
    readonly limit: number
    /** Recipients in the window of now. */
    readonly used: number
    /** Epoch ms. */
    readonly resetsAt: number
    /** Recipients that wait for later windows, or are scheduled in them. */
    readonly planned: number
  }[]
}

/** One window in which something counts, of now or later. */
export interface QuotaUsage {
  readonly scope: QuotaScope
  readonly id: string
  readonly name: string
  readonly unit: QuotaUnit
  /** Epoch ms. */
  readonly start: number
  readonly end: number
  readonly used: number
  /** Undefined when the quota has no limit in this unit any more. */
  readonly limit: number | undefined
}

export interface Quotas {
  /** BODY_INVALID for limits that are none, NOT_FOUND when it is not the tenant, a login or a domain of it. */
  set(actor: Actor, wish: QuotaWish): Promise<QuotaInfo>
  /** NOT_FOUND when none is set. */
  remove(actor: Actor, target: QuotaTarget): Promise<void>
  /** The tenant's own first, then logins, then domains. */
  list(tenant: TenantId): Promise<QuotaInfo[]>
  /** Oldest first. */
  usage(tenant: TenantId): Promise<QuotaUsage[]>
}

const MOST = 1_000_000_000

export function makeQuotas(deps: { store: Store; catalog: Catalog; clock: Clock }): Quotas {
  const { store, catalog, clock } = deps

  /** Row key and name of whose quota it is. */
  function find({ tenant, scope, of }: QuotaTarget): { scopeId: number; name: string } {
    const { tenants, credentials, domains } = catalog.current
    const wanted = of ?? ''
    if (scope === 'tenant') {
      const found = tenants.get(tenant)
      // Named, so that nobody limits the tenant they happen to be in when they mean another.
      const isMeant = [undefined, found?.name, encodeId('tenant', tenant)].includes(of)
      if (found !== undefined && isMeant) return { scopeId: found.id, name: found.name }
    } else if (scope === 'credential') {
      const id = decodeId('credential', wanted)
      for (const one of credentials.values())
        if (one.tenant === tenant && (one.id === id || one.username === wanted))
          return { scopeId: one.id, name: one.username }
    } else {
      const id = decodeId('domain', wanted)
      const parsed = parseDomain(wanted)
      const named = parsed.ok ? domains.get(domainKey(tenant, parsed.domain)) : undefined
      if (named !== undefined) return { scopeId: named.id, name: named.name }
      for (const one of domains.values())
        if (one.tenant === tenant && one.id === id) return { scopeId: one.id, name: one.name }
    }
    throw new AppError('NOT_FOUND', { public: NOTHING[scope](wanted) })
  }

  const known = (tenant: TenantId, scope: QuotaScope, scopeId: number): QuotaRecord | undefined =>
    quotaRecord(catalog.current.quotas.get(tenant), scope, scopeId)

  async function list(tenant: TenantId): Promise<QuotaInfo[]> {
    const quotas = catalog.current.quotas.get(tenant)
    if (quotas === undefined) return []
    const now = clock.now()
    const uses = await quotaUses(store, tenant, now)
    const records = [
      ...(quotas.tenant === undefined ? [] : [quotas.tenant]),
      ...quotas.credentials.values(),
      ...quotas.domains.values(),
    ]
    return records.map((record) => infoOf(record, uses, now))
  }

  return {
    list,
    async set(actor, { tenant, scope, of, over, ...wished }) {
      const limits = checked(wished)
      const { scopeId, name } = find({ tenant, scope, of })
      const charge: QuotaCharge = { scope, scopeId, limits, over }
      const before = known(tenant, scope, scopeId)?.charge
      await putQuota(store, { tenant, charge }, clock.now(), {
        ...draft(actor, tenant, charge, name),
        action: 'quota.changed',
        before: before && auditValue(before),
        after: auditValue(charge),
      })
      await catalog.refresh()
      const now = clock.now()
      return infoOf({ name, charge }, await quotaUses(store, tenant, now), now)
    },
    async remove(actor, target) {
      const { tenant, scope } = target
      const { scopeId, name } = find(target)
      const before = known(tenant, scope, scopeId)?.charge
      await deleteQuota(
        store,
        { tenant, scope, scopeId },
        {
          ...draft(actor, tenant, { scope, scopeId }, name),
          action: 'quota.removed',
          before: before && auditValue(before),
        },
      )
      await catalog.refresh()
    },
    async usage(tenant) {
      const uses = await quotaUses(store, tenant, clock.now())
      return uses.flatMap(({ scope, scopeId, unit, start, used }): QuotaUsage[] => {
        const record = known(tenant, scope, scopeId)
        if (record === undefined) return []
        const { name, charge } = record
        const window = { start, end: windowEnd(unit, start), used, limit: charge.limits[unit] }
        return [{ scope, id: encodeId(scope, charge.scopeId), name, unit, ...window }]
      })
    },
  }
}

const NOTHING: Readonly<Record<QuotaScope, (name: string) => string>> = {
  tenant: () => 'There is no such tenant.',
  credential: (name) => `There is no SMTP login ${name} in this tenant.`,
  domain: (name) => `There is no domain ${name} in this tenant.`,
}

/** Whole numbers from 1, and at least one. */
function checked(wished: QuotaLimits): QuotaLimits {
  const set = QUOTA_UNITS.flatMap((unit) => {
    const limit = wished[unit]
    return limit === undefined ? [] : [[unit, limit] as const]
  })
  const wrong = set.filter(([, limit]) => !Number.isInteger(limit) || limit < 1 || limit > MOST)
  if (wrong.length > 0)
    throw new AppError('BODY_INVALID', {
      public: 'A quota is a whole number of recipients, at least 1.',
      fields: wrong.map(([unit]) => ({ path: unit, message: `must be from 1 to ${MOST}` })),
    })
  if (set.length === 0)
    throw new AppError('BODY_INVALID', { public: 'A quota needs a limit per hour, day or month.' })
  return Object.fromEntries(set)
}

function infoOf({ name, charge }: QuotaRecord, uses: readonly QuotaUse[], now: number): QuotaInfo {
  const { scope, scopeId, limits, over } = charge
  const own = uses.filter((use) => use.scope === scope && use.scopeId === scopeId)
  const units = QUOTA_UNITS.flatMap((unit): QuotaInfo['units'] => {
    const limit = limits[unit]
    if (limit === undefined) return []
    const start = windowStart(unit, now)
    const windows = own.filter((use) => use.unit === unit)
    const total = windows.reduce((sum, use) => sum + use.used, 0)
    const used = windows.find((use) => use.start === start)?.used ?? 0
    return [{ unit, limit, used, resetsAt: windowEnd(unit, now), planned: total - used }]
  })
  return { scope, id: encodeId(scope, scopeId), name, over, units }
}

const draft = (
  actor: Actor,
  tenant: TenantId,
  { scope, scopeId }: Pick<QuotaCharge, 'scope' | 'scopeId'>,
  name: string,
): Pick<AuditDraft, 'actor' | 'tenant' | 'target'> => ({
  actor,
  tenant,
  target: { kind: scope, id: encodeId(scope, scopeId), name },
})

const auditValue = ({ limits, over }: QuotaCharge): AuditValue => ({
  hour: limits.hour ?? null,
  day: limits.day ?? null,
  month: limits.month ?? null,
  over,
})
