/** What lets programs in: API keys and SMTP logins. What both have in common stands in access-terms.ts. */
import type { Clock, Random } from '../core/ports.ts'
import type { Store } from '../store/open.ts'
import type { Catalog } from './catalog.ts'
import { makeCredentials } from './credentials.ts'
import type { Credentials } from './credentials.ts'
import { makeKeys } from './keys.ts'
import type { Keys } from './keys.ts'

export interface AccessDeps {
  readonly store: Store
  readonly catalog: Catalog
  readonly clock: Clock
  readonly random: Random
  /** Of `hashSecret`; with another one no secret is known any more. */
  readonly hashKey: Buffer
}

export interface AccessPage {
  /** Only older than this key or login; undefined begins with the newest. */
  readonly before: number | undefined
  readonly limit: number
}

export interface Access {
  readonly keys: Keys
  readonly credentials: Credentials
}

export const makeAccess = (deps: AccessDeps): Access => ({
  keys: makeKeys(deps),
  credentials: makeCredentials(deps),
})
