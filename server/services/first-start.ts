/** What an empty installation gets: a tenant, a source, a pool, a route, and an owner with a one-time setup link. */
import type { Clock, Random } from '../core/ports.ts'
import { insertPool, insertRoute, insertSource, setPoolWeight } from '../store/egress.ts'
import type { Store } from '../store/open.ts'
import { insertTenant, insertUser } from '../store/tenants.ts'
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
  const source = await insertSource(store, { name: 'default', ip: undefined, ehlo: deps.ehlo }, now)
  const pool = await insertPool(store, 'default', now)
  await setPoolWeight(store, { pool, source, weight: 1 })
  const route = { position: 1_000, name: 'default', match: '{}', pool, nextHop: undefined }
  await insertRoute(store, route, now)
  const setupToken = newSecret(deps.random)
  await insertUser(
    store,
    {
      email: deps.ownerEmail,
      name: 'Owner',
      role: 'owner',
      setupHash: hashSecret(setupToken, deps.hashKey),
      setupExpiresAt: now + SETUP_VALID_MS,
    },
    now,
  )
  // Last: its presence says that the rest is there.
  await insertTenant(store, 'default', now)
  return { setupToken }
}
