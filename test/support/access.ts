/** Keys and logins over a real store: two tenants, the services that make them, and the one that lets them in. */
import { onTestFinished } from 'vitest'
import type { Actor } from '../../server/core/audit.ts'
import { asId } from '../../server/core/ids.ts'
import type { TenantId } from '../../server/core/ids.ts'
import { realRandom } from '../../server/ports.ts'
import { makeAccess } from '../../server/services/access.ts'
import type { Access } from '../../server/services/access.ts'
import { makeAccessUses } from '../../server/services/access-uses.ts'
import type { AccessUses, NewCountryUse } from '../../server/services/access-uses.ts'
import { makeAuthenticator } from '../../server/services/auth/authenticate.ts'
import type { Authenticator } from '../../server/services/auth/authenticate.ts'
import { openCatalog } from '../../server/services/catalog.ts'
import type { Catalog } from '../../server/services/catalog.ts'
import { bumpCatalog } from '../../server/store/catalog.ts'
import { manualClock } from './clock.ts'
import type { ManualClock } from './clock.ts'
import { openTestStore } from './store.ts'
import type { TestStore } from './store.ts'

export const ANNA: Actor = {
  kind: 'user',
  id: 3,
  name: 'anna@shop.test',
  means: 'session',
  ip: '192.0.2.7',
  country: 'DE',
  requestId: 'r-1',
}

export interface AuditLine {
  readonly action: string
  readonly target_id: string
  readonly target_name: string
  readonly actor_name: string
  readonly tenant_id: number
  readonly before: string | null
  readonly after: string | null
}

/** `leap` moves the time of day and runs no timer: the catalogue polls every second of a year. */
export interface LeapingClock extends ManualClock {
  leap(ms: number): void
}

export interface AccessWorld {
  readonly opened: TestStore
  readonly clock: LeapingClock
  readonly catalog: Catalog
  readonly access: Access
  readonly auth: Authenticator
  readonly uses: AccessUses
  readonly tenant: TenantId
  readonly other: TenantId
  /** What came from a new country, in order. */
  readonly newCountries: NewCountryUse[]
  /** Address → country. */
  readonly countries: Map<string, string>
  /** How often a place was asked for. */
  placesAsked: () => number
  audit: () => AuditLine[]
  /** Another process on the same data. */
  secondUses: () => AccessUses
  disable: (tenant: TenantId) => Promise<void>
}

export const HASH_KEY = Buffer.alloc(32, 7)

export async function openAccessWorld(): Promise<AccessWorld> {
  const timers = manualClock()
  let leapt = 0
  const clock = {
    ...timers,
    now: () => timers.now() + leapt,
    leap: (ms: number) => void (leapt += ms),
  }
  const opened = await openTestStore({ clock })
  const { store, log } = opened
  for (const [id, name] of [
    [1, 'one'],
    [2, 'two'],
  ] as const) {
    const query = store.build
      .insertInto('tenants')
      .values({ id, name, created_at: 0, settings: '{}' })
      .compile()
    await store.writer.write([{ query }], { unaudited: 'test' })
  }
  const catalog = await openCatalog(store, clock, log)
  onTestFinished(() => catalog.close())
  const countries = new Map<string, string>()
  let asked = 0
  const places = {
    placeOf: (ip: string) => {
      asked++
      return { country: countries.get(ip) }
    },
  }
  const newCountries: NewCountryUse[] = []
  const makeUses = (): AccessUses =>
    makeAccessUses({
      store,
      clock,
      log,
      places,
      onNewCountry: (event) => void newCountries.push(event),
    })
  const uses = makeUses()
  return {
    opened,
    clock,
    catalog,
    access: makeAccess({ store, catalog, clock, random: realRandom, hashKey: HASH_KEY }),
    auth: makeAuthenticator({ catalog, hashKey: HASH_KEY, clock, places, uses }),
    uses,
    tenant: asId('tenant', 1),
    other: asId('tenant', 2),
    newCountries,
    countries,
    placesAsked: () => asked,
    audit: () =>
      opened.all<AuditLine>(
        `select action, target_id, target_name, actor_name, tenant_id, before, after from audit order by id`,
      ),
    secondUses: makeUses,
    async disable(tenant) {
      const query = store.build
        .updateTable('tenants')
        .set({ disabled_at: clock.now() })
        .where('id', '=', tenant)
        .compile()
      await store.writer.write([{ query }, bumpCatalog(store)], { unaudited: 'test' })
      await catalog.refresh()
    },
  }
}

/** The code of an AppError, or what else was thrown; undefined when nothing was. */
export async function codeFrom(work: () => unknown): Promise<unknown> {
  try {
    await work()
    return undefined
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  }
}
