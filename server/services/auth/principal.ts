/** Who is asking: what a valid API key or SMTP login stands for. */
import { AppError } from '../../core/errors.ts'
import type { CredentialId, KeyId, TenantId } from '../../core/ids.ts'
import type { Permission } from '../../core/permission.ts'
import type { CredentialLimits } from '../../store/access-records.ts'
import type { CatalogSnapshot } from '../../store/catalog.ts'

export type { CredentialLimits } from '../../store/access-records.ts'

export interface Principal {
  readonly tenant: TenantId
  readonly credential: CredentialId | undefined
  readonly key: KeyId | undefined
  readonly name: string
  readonly scopes: readonly Permission[]
  /** `test`: everything goes to the sandbox. */
  readonly mode: 'live' | 'test'
  readonly limits: CredentialLimits
  /** Of an API key that has a rate of its own. */
  readonly requestsPerSecond?: number | undefined
}

/** A client of a trusted network submits as the first tenant. */
export function trustedPrincipal(snapshot: CatalogSnapshot): Principal {
  for (const tenant of snapshot.tenants.keys())
    return {
      tenant,
      credential: undefined,
      key: undefined,
      name: 'trusted network',
      scopes: ['messages:send'],
      mode: 'live',
      limits: {},
    }
  throw new AppError('STORE_UNAVAILABLE', { detail: 'There is no tenant yet.' })
}
