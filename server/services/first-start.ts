/** What an empty installation gets: a tenant, a source, a pool, a route, and an owner with a one-time setup link. */
import { SYSTEM_ACTOR } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import type { Clock, Random } from '../core/ports.ts'
import { firstRows, isInstalled } from '../store/installation.ts'
import type { Store } from '../store/open.ts'
import { hashSecret } from './auth/secret.ts'
import { newToken } from './auth/token.ts'
import { LINK_VALID_MS } from './links.ts'

export interface FirstStart {
  /** For `linkUrl`. Undefined: the installation has been set up before. */
  readonly setupToken: string | undefined
}

/** The address of the first owner until they give their own. */
export const placeholderOwner = (hostname: string): string => `owner@${hostname}`.toLowerCase()

/** One write: cut off at any point, the next call does it all. */
export async function prepareInstallation(deps: {
  store: Store
  clock: Clock
  random: Random
  hashKey: Buffer
  ehlo: string
  ownerEmail: string
}): Promise<FirstStart> {
  const { store, clock } = deps
  if (await isInstalled(store)) return { setupToken: undefined }
  const now = clock.now()
  const setupToken = newToken(deps.random)
  const email = deps.ownerEmail.toLowerCase()
  const rows = firstRows(
    store,
    {
      ehlo: deps.ehlo,
      owner: { email, name: 'Owner' },
      setup: { hash: hashSecret(setupToken, deps.hashKey), expiresAt: now + LINK_VALID_MS.setup },
    },
    now,
  )
  try {
    await store.writer.write(rows, {
      actor: SYSTEM_ACTOR,
      tenant: undefined,
      action: 'installation.prepared',
      target: { kind: 'installation', id: 'installation', name: deps.ehlo },
      after: { tenant: 'default', owner: email },
    })
  } catch (error) {
    // Another process was first.
    if (error instanceof AppError && error.code === 'STATE_CONFLICT')
      return { setupToken: undefined }
    throw error
  }
  return { setupToken }
}
