/** What an empty installation gets: a tenant, a source, a pool, a route, and an owner with a one-time setup link. */
import type { Clock, Random } from '../core/ports.ts'
import { insertPool, insertRoute, insertSource, setPoolWeight } from '../store/egress.ts'
import type { Store } from '../store/open.ts'
import { insertTenant } from '../store/tenants.ts'
import { insertUser, replaceToken, setMembership } from '../store/users.ts'
import { hashSecret, newSecret } from './auth/secret.ts'

const SETUP_VALID_MS = 7 * 86_400_000

export interface FirstStart {
  /** Undefined: the installation has been set up before. */
  readonly setupToken: string | undefined
}

export async function prepareInstallation(deps: {
  store: Store
  clock: Clock
  random: Random
  hashKey: Buffer
  ehlo: string
  ownerEmail: string
}): Promise<FirstStart> {
  const { store, clock } = deps
  const now = clock.now()
  const known = await store.read.selectFrom('tenants').select('id').limit(1).executeTakeFirst()
  if (known !== undefined) return { setupToken: undefined }
  const by = { now, record: { unaudited: 'the first start' } }
  const source = await insertSource(store, { name: 'default', ip: undefined, ehlo: deps.ehlo }, by)
  const pool = await insertPool(store, 'default', by)
  await setPoolWeight(store, { pool, source, weight: 1 }, by.record)
  const route = { position: 1_000, name: 'default', match: '{}', pool, nextHop: undefined }
  await insertRoute(store, route, by)
  const setupToken = newSecret(deps.random)
  const user = await insertUser(
    store,
    { email: deps.ownerEmail.toLowerCase(), name: 'Owner', platformRole: 'admin' },
    now,
  )
  const hash = hashSecret(setupToken, deps.hashKey)
  const expiresAt = now + SETUP_VALID_MS
  await replaceToken(store, { user, purpose: 'setup', hash, expiresAt }, now)
  // Last: its presence says that the rest is there.
  const tenant = await insertTenant(store, 'default', now)
  await setMembership(store, { tenant, user, role: 'owner' }, now)
  return { setupToken }
}
