/** API keys and SMTP logins: made, listed and revoked here. The secret is in the answer once and nowhere else. */
import { AppError } from '../core/errors.ts'
import { asId } from '../core/ids.ts'
import type { CredentialId, KeyId, TenantId } from '../core/ids.ts'
import type { Clock, Random } from '../core/ports.ts'
import { insertCredential, insertKey, revokeAccess } from '../store/access.ts'
import type { Store } from '../store/open.ts'
import { SCOPES } from './auth/principal.ts'
import type { CredentialLimits, KeyScope } from './auth/principal.ts'
import { hashSecret, newApiKey, newSecret } from './auth/secret.ts'
import type { Catalog } from './catalog.ts'

export interface AccessDeps {
  readonly store: Store
  readonly catalog: Catalog
  readonly clock: Clock
  readonly random: Random
  readonly hashKey: Buffer
}

export interface KeyInfo {
  readonly id: KeyId
  readonly name: string
  readonly scopes: readonly string[]
  readonly mode: 'live' | 'test'
  readonly revoked: boolean
}
export interface CredentialInfo {
  readonly id: CredentialId
  readonly username: string
  readonly limits: CredentialLimits
  readonly revoked: boolean
}

export interface Access {
  createKey(request: {
    tenant: TenantId
    name: string
    scopes: readonly string[]
    mode: 'live' | 'test'
  }): Promise<{ id: KeyId; secret: string }>
  createCredential(request: {
    tenant: TenantId
    username: string
    limits: CredentialLimits
  }): Promise<{ id: CredentialId; password: string }>
  /** NOT_FOUND when the tenant has no such live key. In force at once here, within a second elsewhere. */
  revokeKey(tenant: TenantId, id: KeyId): Promise<void>
  revokeCredential(tenant: TenantId, id: CredentialId): Promise<void>
  listKeys(tenant: TenantId): KeyInfo[]
  listCredentials(tenant: TenantId): CredentialInfo[]
}

const isScope = (text: string): text is KeyScope => (SCOPES as readonly string[]).includes(text)

export function makeAccess(deps: AccessDeps): Access {
  const { store, catalog, clock, random, hashKey } = deps
  return {
    async createKey({ tenant, name, scopes, mode }) {
      const unknown = scopes.filter((scope) => !isScope(scope))
      if (unknown.length > 0)
        throw new AppError('BODY_INVALID', {
          public: `Unknown scope ${unknown.join(', ')}; there are ${SCOPES.join(', ')}.`,
        })
      const secret = newApiKey(mode, random)
      const secretHash = hashSecret(secret, hashKey)
      const id = await insertKey(store, { tenant, name, secretHash, scopes, mode }, clock.now())
      await catalog.refresh()
      return { id, secret }
    },
    async createCredential({ tenant, username, limits }) {
      // RFC 4616: NUL separates the fields of AUTH PLAIN.
      if (!/^[\x21-\x7e]{1,128}$/.test(username))
        throw new AppError('BODY_INVALID', {
          public: 'A user name has 1 to 128 visible ASCII characters.',
        })
      const password = newSecret(random)
      const secretHash = hashSecret(password, hashKey)
      const row = { tenant, username, secretHash, limits: JSON.stringify(limits) }
      const id = await insertCredential(store, row, clock.now())
      await catalog.refresh()
      return { id, password }
    },
    async revokeKey(tenant, id) {
      await revokeAccess(store, 'keys', { tenant, id }, clock.now())
      await catalog.refresh()
    },
    async revokeCredential(tenant, id) {
      await revokeAccess(store, 'credentials', { tenant, id }, clock.now())
      await catalog.refresh()
    },
    listKeys: (tenant) =>
      [...catalog.current.keys.values()]
        .filter((key) => key.tenant === tenant)
        .map((key) => ({
          id: key.id,
          name: key.name,
          scopes: stringList(key.scopes),
          mode: key.mode,
          revoked: key.revokedAt !== undefined,
        })),
    listCredentials: (tenant) =>
      [...catalog.current.credentials.values()]
        .filter((credential) => credential.tenant === tenant)
        .map((credential) => ({
          id: asId('credential', credential.id),
          username: credential.username,
          limits: JSON.parse(credential.limits) as CredentialLimits,
          revoked: credential.revokedAt !== undefined,
        })),
  }
}

function stringList(json: string): string[] {
  const value: unknown = JSON.parse(json)
  return Array.isArray(value) ? value.map(String) : []
}
