/** Rows of API keys and SMTP credentials. Secrets arrive hashed; revoking is a date, never a delete. */
import { asId } from '../core/ids.ts'
import type { CredentialId, KeyId, TenantId } from '../core/ids.ts'
import { bumpCatalog } from './catalog.ts'
import type { Store } from './open.ts'
import { nextId, returnedId } from './rows.ts'

export interface NewKey {
  readonly tenant: TenantId
  readonly name: string
  readonly secretHash: string
  readonly scopes: readonly string[]
  readonly mode: 'live' | 'test'
}

export async function insertKey(store: Store, key: NewKey, now: number): Promise<KeyId> {
  const query = store.build
    .insertInto('keys')
    .values({
      id: nextId,
      tenant_id: key.tenant,
      name: key.name,
      secret_hash: key.secretHash,
      scopes: JSON.stringify(key.scopes),
      mode: key.mode,
      created_at: now,
      networks: '[]',
      created_by: '',
    })
    .returning('id')
    .compile()
  const [inserted] = await store.writer.write([{ query }, bumpCatalog(store)])
  return asId('key', returnedId(inserted?.rows))
}

export interface NewCredential {
  readonly tenant: TenantId
  readonly username: string
  readonly secretHash: string
  readonly limits: string
}

/** Rejects with NAME_TAKEN: user names are unique over all tenants. */
export async function insertCredential(
  store: Store,
  credential: NewCredential,
  now: number,
): Promise<CredentialId> {
  const query = store.build
    .insertInto('credentials')
    .values({
      id: nextId,
      tenant_id: credential.tenant,
      username: credential.username,
      secret_hash: credential.secretHash,
      limits: credential.limits,
      created_at: now,
      networks: '[]',
      mode: 'live',
      created_by: '',
    })
    .returning('id')
    .compile()
  const [inserted] = await store.writer.write([{ query }, bumpCatalog(store)])
  return asId('credential', returnedId(inserted?.rows))
}

/** NOT_FOUND when the tenant has no such live row. */
export async function revokeAccess(
  store: Store,
  table: 'keys' | 'credentials',
  row: { tenant: TenantId; id: number },
  now: number,
): Promise<void> {
  const query = store.build
    .updateTable(table)
    .set({ revoked_at: now })
    .where('id', '=', row.id)
    .where('tenant_id', '=', row.tenant)
    .where('revoked_at', 'is', null)
    .compile()
  await store.writer.write([
    { query, expect: { changes: 1, orElse: 'NOT_FOUND' } },
    bumpCatalog(store),
  ])
}
