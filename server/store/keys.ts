/** Rows of API keys. Secrets arrive hashed; revoking is a date, never a delete. Every read names its tenant. */
import { sql } from 'kysely'
import type { AuditDraft } from '../core/audit.ts'
import { asId } from '../core/ids.ts'
import type { KeyId, TenantId } from '../core/ids.ts'
import type { Permission } from '../core/permission.ts'
import { parseScopes, parseTexts } from './access-records.ts'
import type { AccessMode } from './access-records.ts'
import { lastUseOf } from './access-uses.ts'
import type { LastUse } from './access-uses.ts'
import { bumpCatalog } from './catalog.ts'
import type { Store } from './open.ts'
import { nextId, returnedId } from './rows.ts'
import type { KeysTable } from './schema.ts'
import type { Change } from './writer.ts'

export interface KeyRow {
  readonly id: KeyId
  readonly tenant: TenantId
  readonly name: string
  readonly scopes: readonly Permission[]
  readonly mode: AccessMode
  /** Empty: from anywhere. */
  readonly networks: readonly string[]
  /** Undefined: the configuration's. */
  readonly requestsPerSecond: number | undefined
  readonly createdAt: number
  /** Name of who made it; empty for keys that are older than this record. */
  readonly createdBy: string
  readonly expiresAt: number | undefined
  readonly revokedAt: number | undefined
  /** The key that took its place. */
  readonly replacedBy: KeyId | undefined
  readonly lastUse: LastUse | undefined
}

export type NewKey = Pick<
  KeyRow,
  | 'tenant'
  | 'name'
  | 'scopes'
  | 'mode'
  | 'networks'
  | 'requestsPerSecond'
  | 'createdAt'
  | 'createdBy'
  | 'expiresAt'
> & { readonly secretHash: string }

/** What can be changed; a field that is left out stays, null takes a limit away. */
export interface KeyChange {
  readonly name?: string | undefined
  readonly scopes?: readonly Permission[] | undefined
  readonly networks?: readonly string[] | undefined
  readonly requestsPerSecond?: number | null | undefined
  readonly expiresAt?: number | null | undefined
}

const insertion = (store: Store, key: NewKey): Change => ({
  query: store.build
    .insertInto('keys')
    .values({
      id: nextId,
      tenant_id: key.tenant,
      name: key.name,
      secret_hash: key.secretHash,
      scopes: JSON.stringify(key.scopes),
      mode: key.mode,
      created_at: key.createdAt,
      expires_at: key.expiresAt ?? null,
      networks: JSON.stringify(key.networks),
      rate: key.requestsPerSecond ?? null,
      created_by: key.createdBy,
    })
    .returning('id')
    .compile(),
})

export async function insertKey(store: Store, key: NewKey, record: AuditDraft): Promise<KeyId> {
  const [inserted] = await store.writer.write([insertion(store, key), bumpCatalog(store)], record)
  return asId('key', returnedId(inserted?.rows))
}

/**
 * Puts a new key in the place of `former`, which ends at `endsAt`. STATE_CONFLICT when it was revoked or replaced
 * before, and then there is no new one.
 */
export async function replaceKey(
  store: Store,
  key: NewKey,
  former: { readonly id: KeyId; readonly endsAt: number },
  record: AuditDraft,
): Promise<KeyId> {
  const query = store
    .of(key.tenant)
    .updateTable('keys')
    .set({ replaced_by: sql<number>`last_insert_rowid()`, expires_at: former.endsAt })
    .where('id', '=', former.id)
    .where('revoked_at', 'is', null)
    .where('replaced_by', 'is', null)
    .compile()
  const [inserted] = await store.writer.write(
    [
      insertion(store, key),
      { query, expect: { changes: 1, orElse: 'STATE_CONFLICT' } },
      bumpCatalog(store),
    ],
    record,
  )
  return asId('key', returnedId(inserted?.rows))
}

/** STATE_CONFLICT when the tenant has no such key, or it was revoked meanwhile, or replaced and has another end now. */
export async function updateKey(
  store: Store,
  key: Pick<KeyRow, 'tenant' | 'id' | 'replacedBy'>,
  change: KeyChange & { readonly revokedAt?: number | undefined },
  record: AuditDraft,
): Promise<void> {
  const { name, scopes, networks, requestsPerSecond, expiresAt, revokedAt } = change
  let query = store
    .of(key.tenant)
    .updateTable('keys')
    .set({
      ...(name === undefined ? {} : { name }),
      ...(scopes === undefined ? {} : { scopes: JSON.stringify(scopes) }),
      ...(networks === undefined ? {} : { networks: JSON.stringify(networks) }),
      ...(requestsPerSecond === undefined ? {} : { rate: requestsPerSecond }),
      ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
      ...(revokedAt === undefined ? {} : { revoked_at: revokedAt }),
    })
    .where('id', '=', key.id)
    .where('revoked_at', 'is', null)
  if (expiresAt !== undefined) query = query.where('replaced_by', 'is', key.replacedBy ?? null)
  await store.writer.write(
    [
      { query: query.compile(), expect: { changes: 1, orElse: 'STATE_CONFLICT' } },
      bumpCatalog(store),
    ],
    record,
  )
}

interface UsedKey extends KeysTable {
  readonly used_at: number | null
  readonly used_ip: string | null
  readonly used_country: string | null
}

const keysWithUse = (store: Store, tenant: TenantId) =>
  store
    .of(tenant)
    .selectFrom('keys')
    .leftJoin('access_uses', (join) =>
      join
        .onRef('access_uses.tenant_id', '=', 'keys.tenant_id')
        .on('access_uses.kind', '=', 'key')
        .onRef('access_uses.id', '=', 'keys.id'),
    )
    .selectAll('keys')
    .select([
      'access_uses.at as used_at',
      'access_uses.ip as used_ip',
      'access_uses.country as used_country',
    ])

const keyRow = (row: UsedKey): KeyRow => ({
  id: asId('key', row.id),
  tenant: asId('tenant', row.tenant_id),
  name: row.name,
  scopes: parseScopes(row.scopes),
  mode: row.mode,
  networks: parseTexts(row.networks),
  requestsPerSecond: row.rate ?? undefined,
  createdAt: row.created_at,
  createdBy: row.created_by,
  expiresAt: row.expires_at ?? undefined,
  revokedAt: row.revoked_at ?? undefined,
  replacedBy: row.replaced_by === null ? undefined : asId('key', row.replaced_by),
  lastUse: lastUseOf(row),
})

export async function keyById(
  store: Store,
  tenant: TenantId,
  id: KeyId,
): Promise<KeyRow | undefined> {
  const row = await keysWithUse(store, tenant).where('keys.id', '=', id).executeTakeFirst()
  return row === undefined ? undefined : keyRow(row)
}

/** Newest first, older than `before`. */
export async function listKeys(
  store: Store,
  tenant: TenantId,
  page: { readonly before: number | undefined; readonly limit: number },
): Promise<KeyRow[]> {
  let query = keysWithUse(store, tenant).orderBy('keys.id', 'desc').limit(page.limit)
  if (page.before !== undefined) query = query.where('keys.id', '<', page.before)
  return (await query.execute()).map(keyRow)
}
