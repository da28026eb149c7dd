/** Tenants and the people who look after the installation. Sign-in is not here yet: a user has a one-time setup link. */
import { AppError } from '../core/errors.ts'
import type { TenantId, UserId } from '../core/ids.ts'
import type { Clock, Random } from '../core/ports.ts'
import { parseAddress } from '../core/address.ts'
import type { TenantRecord } from '../store/catalog.ts'
import type { Store } from '../store/open.ts'
import { insertTenant } from '../store/tenants.ts'
import { insertUser, listUsers, replaceToken, setMembership, userByEmail } from '../store/users.ts'
import { hashSecret, newSecret } from './auth/secret.ts'
import type { Catalog } from './catalog.ts'

const SETUP_VALID_MS = 7 * 86_400_000

export interface UserInfo {
  readonly email: string
  readonly name: string
  readonly role: string
  readonly createdAt: number
}

export interface Tenants {
  add(name: string): Promise<TenantId>
  list(): TenantRecord[]
  /** By name; undefined is the first tenant. NOT_FOUND. */
  resolve(name: string | undefined): TenantRecord
  addUser(user: { email: string; name: string; role: string }): Promise<{ setupToken: string }>
  /** A new one-time token for somebody who lost theirs. NOT_FOUND. */
  renewSetup(email: string): Promise<{ setupToken: string }>
  users(): Promise<UserInfo[]>
}

export function makeTenants(deps: {
  store: Store
  catalog: Catalog
  clock: Clock
  random: Random
  hashKey: Buffer
}): Tenants {
  const { store, catalog, clock } = deps
  const list = (): TenantRecord[] => [...catalog.current.tenants.values()]

  async function renew(user: UserId): Promise<{ setupToken: string }> {
    const setupToken = newSecret(deps.random)
    const hash = hashSecret(setupToken, deps.hashKey)
    const expiresAt = clock.now() + SETUP_VALID_MS
    await replaceToken(store, { user, purpose: 'setup', hash, expiresAt }, clock.now())
    return { setupToken }
  }
  return {
    async add(name) {
      if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(name))
        throw new AppError('BODY_INVALID', {
          public: 'A tenant name has 1 to 63 lower-case letters, digits and hyphens.',
        })
      const id = await insertTenant(store, name, clock.now())
      await catalog.refresh()
      return id
    },
    list,
    resolve(name) {
      const found = name === undefined ? list()[0] : list().find((one) => one.name === name)
      if (found === undefined)
        throw new AppError('NOT_FOUND', { public: `There is no tenant ${name ?? 'yet'}.` })
      return found
    },
    async addUser({ email, name, role }) {
      const parsed = parseAddress(email)
      if (!parsed.ok)
        throw new AppError('ADDRESS_INVALID', { public: `Not an address: ${parsed.reason}.` })
      const user = await insertUser(
        store,
        { email: email.toLowerCase(), name, platformRole: undefined },
        clock.now(),
      )
      const tenant = list()[0]
      if (tenant !== undefined)
        await setMembership(store, { tenant: tenant.id, user, role }, clock.now())
      return renew(user)
    },
    async renewSetup(email) {
      const user = await userByEmail(store, email)
      if (user === undefined) throw new AppError('NOT_FOUND')
      return renew(user)
    },
    users: async () =>
      (await listUsers(store)).map((row) => ({
        email: row.email,
        name: row.name,
        role: row.platform_role ?? 'member',
        createdAt: row.created_at,
      })),
  }
}
