/** Who is asking: what a valid API key or SMTP login stands for. */
import { AppError } from '../../core/errors.ts'
import type { CredentialId, KeyId, TenantId } from '../../core/ids.ts'
import type { CatalogSnapshot } from '../../store/catalog.ts'

export const SCOPES = ['messages:send', 'messages:read', 'messages:manage'] as const
export type KeyScope = (typeof SCOPES)[number]

/** Limits of one SMTP login; undefined falls back to the configuration's. */
export interface CredentialLimits {
  readonly messagesPerHour?: number | undefined
  readonly recipientsPerHour?: number | undefined
  /** Sessions at the same time. */
  readonly connections?: number | undefined
  /** Bytes. */
  readonly messageSize?: number | undefined
}

export interface Principal {
  readonly tenant: TenantId
  readonly credential: CredentialId | undefined
  readonly key: KeyId | undefined
  readonly name: string
  readonly scopes: readonly KeyScope[]
  /** `test`: everything goes to the sandbox. */
  readonly mode: 'live' | 'test'
  readonly limits: CredentialLimits
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
