/**
 * Tenants: the customers of this installation. Nothing of a tenant is deleted here; one that is disabled lets nobody
 * in, by key, login or membership, until it is enabled again.
 */
import type { Actor, AuditValue } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { asId, encodeId } from '../core/ids.ts'
import type { TenantId } from '../core/ids.ts'
import type { Clock } from '../core/ports.ts'
import type { TenantRecord } from '../store/catalog.ts'
import type { Store } from '../store/open.ts'
import { returnedId } from '../store/rows.ts'
import { changeTenant, findTenant, insertTenant, listTenants } from '../store/tenants.ts'
import type { TenantRow } from '../store/tenants.ts'
import type { Catalog } from './catalog.ts'
import { changedTenantSettings, parseTenantSettings } from './tenant-settings.ts'
import type { TenantSettings, TenantSettingsChange } from './tenant-settings.ts'

export interface TenantInfo {
  readonly id: TenantId
  readonly name: string
  readonly createdAt: number
  readonly disabledAt: number | undefined
  readonly members: number
  readonly settings: TenantSettings
}

/** What is not named stays. */
export interface TenantChange {
  readonly name?: string | undefined
  readonly disabled?: boolean | undefined
  readonly settings?: TenantSettingsChange | undefined
}

export interface Tenants {
  /** NAME_TAKEN. */
  add(actor: Actor, name: string): Promise<TenantId>
  /** As they are in memory. */
  list(): TenantRecord[]
  /** By name; undefined is the first tenant. NOT_FOUND. */
  resolve(name: string | undefined): TenantRecord
  all(): Promise<readonly TenantInfo[]>
  /** NOT_FOUND. */
  get(id: TenantId): Promise<TenantInfo>
  /** NOT_FOUND, NAME_TAKEN, STATE_CONFLICT when somebody else changed it at the same time. */
  change(actor: Actor, id: TenantId, change: TenantChange): Promise<TenantInfo>
}

const infoOf = (row: TenantRow): TenantInfo => ({
  id: asId('tenant', row.id),
  name: row.name,
  createdAt: row.created_at,
  disabledAt: row.disabled_at ?? undefined,
  members: row.members,
  settings: parseTenantSettings(row.settings),
})

function checkName(name: string): void {
  if (/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) return
  const message = 'has 1 to 63 lower-case letters, digits and hyphens'
  throw new AppError('BODY_INVALID', {
    public: `A tenant name ${message}.`,
    fields: [{ path: 'name', message }],
  })
}

export function makeTenants(deps: { store: Store; catalog: Catalog; clock: Clock }): Tenants {
  const { store, catalog, clock } = deps
  const list = (): TenantRecord[] => [...catalog.current.tenants.values()]

  async function rowOf(id: TenantId): Promise<TenantRow> {
    const row = await findTenant(store, id)
    if (row === undefined) throw new AppError('NOT_FOUND')
    return row
  }

  return {
    async add(actor, name) {
      checkName(name)
      const changes = insertTenant(store, { name, settings: '{}' }, clock.now())
      const [inserted] = await store.writer.write(changes, {
        actor,
        tenant: undefined,
        action: 'tenant.created',
        target: { kind: 'tenant', id: undefined, name },
        after: { name },
      })
      await catalog.refresh()
      return asId('tenant', returnedId(inserted?.rows))
    },
    list,
    resolve(name) {
      const found = name === undefined ? list()[0] : list().find((one) => one.name === name)
      if (found === undefined)
        throw new AppError('NOT_FOUND', { public: `There is no tenant ${name ?? 'yet'}.` })
      return found
    },
    all: async () => (await listTenants(store)).map(infoOf),
    get: async (id) => infoOf(await rowOf(id)),
    async change(actor, id, { name, disabled, settings }) {
      const row = await rowOf(id)
      const before = infoOf(row)
      if (name !== undefined) checkName(name)
      const kept =
        settings === undefined ? row.settings : changedTenantSettings(row.settings, settings)
      const wasDisabled = before.disabledAt !== undefined
      const isDisabled = disabled ?? wasDisabled
      const changes = changeTenant(store, row, {
        ...(name === undefined ? {} : { name }),
        ...(isDisabled === wasDisabled ? {} : { disabled_at: isDisabled ? clock.now() : null }),
        settings: kept,
      })
      await store.writer.write(changes, {
        actor,
        // Its name and life are the platform's; only its settings are the tenant's own.
        tenant: id,
        action:
          isDisabled === wasDisabled
            ? 'tenant.changed'
            : isDisabled
              ? 'tenant.disabled'
              : 'tenant.enabled',
        target: { kind: 'tenant', id: encodeId('tenant', id), name: before.name },
        before: factsOf(before.name, wasDisabled, before.settings),
        after: factsOf(name ?? before.name, isDisabled, parseTenantSettings(kept)),
      })
      await catalog.refresh()
      return infoOf(await rowOf(id))
    },
  }
}

const factsOf = (name: string, disabled: boolean, settings: TenantSettings): AuditValue => ({
  name,
  disabled,
  requireSecondFactor: settings.requireSecondFactor,
  secondFactorRoles: settings.secondFactorRoles,
  securityWebhook: settings.securityWebhook ?? null,
})
