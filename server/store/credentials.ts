/**
 * Rows of SMTP logins. Passwords arrive hashed; revoking is a date, never a delete, and keeps the user name taken.
 * Every read names its tenant.
 */
import { sql } from 'kysely'
import type { UpdateObject } from 'kysely'
import type { AuditDraft } from '../core/audit.ts'
import { asId } from '../core/ids.ts'
import type { CredentialId, TenantId } from '../core/ids.ts'
import { parseLimits, parseTexts } from './access-records.ts'
import type { AccessMode, CredentialLimits } from './access-records.ts'
import { lastUseOf } from './access-uses.ts'
import type { LastUse } from './access-uses.ts'
import { bumpCatalog } from './catalog.ts'
import type { Store } from './open.ts'
import { nextId, returnedId } from './rows.ts'
import type { CredentialsTable, Schema } from './schema.ts'

export interface CredentialRow {
  readonly id: CredentialId
  readonly tenant: TenantId
  readonly username: string
  readonly limits: CredentialLimits
  readonly mode: AccessMode
  /** Empty: from anywhere. */
  readonly networks: readonly string[]
  readonly createdAt: number
  /** Name of who made it; empty for logins that are older than this record. */
  readonly createdBy: string
  readonly expiresAt: number | undefined
  readonly revokedAt: number | undefined
  /** When the present password was made; undefined: with the login. */
  readonly rotatedAt: number | undefined
  /** Until when the password before it is good. */
  readonly formerUntil: number | undefined
  readonly lastUse: LastUse | undefined
}

export type NewCredential = Pick<
  CredentialRow,
  'tenant' | 'username' | 'limits' | 'mode' | 'networks' | 'createdAt' | 'createdBy' | 'expiresAt'
> & { readonly secretHash: string }

/** What can be changed; a field that is left out stays, null takes a limit away. */
export interface CredentialChange {
  /** All of them: a limit that is not in it is taken away. */
  readonly limits?: CredentialLimits | undefined
  readonly networks?: readonly string[] | undefined
  readonly expiresAt?: number | null | undefined
}

/** Rejects with NAME_TAKEN: user names are unique over all tenants. */
export async function insertCredential(
  store: Store,
  credential: NewCredential,
  record: AuditDraft,
): Promise<CredentialId> {
  const query = store.build
    .insertInto('credentials')
    .values({
      id: nextId,
      tenant_id: credential.tenant,
      username: credential.username,
      secret_hash: credential.secretHash,
      limits: JSON.stringify(credential.limits),
      created_at: credential.createdAt,
      expires_at: credential.expiresAt ?? null,
      networks: JSON.stringify(credential.networks),
      mode: credential.mode,
      created_by: credential.createdBy,
    })
    .returning('id')
    .compile()
  const [inserted] = await store.writer.write([{ query }, bumpCatalog(store)], record)
  return asId('credential', returnedId(inserted?.rows))
}

type CredentialKey = Pick<CredentialRow, 'tenant' | 'id'>

/** STATE_CONFLICT when the tenant has no such login, or it was revoked meanwhile. */
async function update(
  store: Store,
  { id, tenant }: CredentialKey,
  values: UpdateObject<Schema, 'credentials'>,
  record: AuditDraft,
): Promise<void> {
  const query = store
    .of(tenant)
    .updateTable('credentials')
    .set(values)
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .compile()
  await store.writer.write(
    [{ query, expect: { changes: 1, orElse: 'STATE_CONFLICT' } }, bumpCatalog(store)],
    record,
  )
}

export function updateCredential(
  store: Store,
  key: CredentialKey,
  change: CredentialChange & { readonly revokedAt?: number | undefined },
  record: AuditDraft,
): Promise<void> {
  const { limits, networks, expiresAt, revokedAt } = change
  const values = {
    ...(limits === undefined ? {} : { limits: JSON.stringify(limits) }),
    ...(networks === undefined ? {} : { networks: JSON.stringify(networks) }),
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    ...(revokedAt === undefined ? {} : { revoked_at: revokedAt }),
  }
  return update(store, key, values, record)
}

export interface NextPassword {
  readonly secretHash: string
  readonly formerUntil: number
  readonly expiresAt: number | undefined
  readonly madeAt: number
}

/** The present password becomes the former one, good until then; the one before that ends. */
export const replacePassword = (
  store: Store,
  key: CredentialKey,
  next: NextPassword,
  record: AuditDraft,
): Promise<void> =>
  update(
    store,
    key,
    {
      former_hash: sql<string>`secret_hash`,
      former_until: next.formerUntil,
      secret_hash: next.secretHash,
      expires_at: next.expiresAt ?? null,
      rotated_at: next.madeAt,
    },
    record,
  )

interface UsedCredential extends CredentialsTable {
  readonly used_at: number | null
  readonly used_ip: string | null
  readonly used_country: string | null
}

const credentialsWithUse = (store: Store, tenant: TenantId) =>
  store
    .of(tenant)
    .selectFrom('credentials')
    .leftJoin('access_uses', (join) =>
      join
        .onRef('access_uses.tenant_id', '=', 'credentials.tenant_id')
        .on('access_uses.kind', '=', 'credential')
        .onRef('access_uses.id', '=', 'credentials.id'),
    )
    .selectAll('credentials')
    .select([
      'access_uses.at as used_at',
      'access_uses.ip as used_ip',
      'access_uses.country as used_country',
    ])

const credentialRow = (row: UsedCredential): CredentialRow => ({
  id: asId('credential', row.id),
  tenant: asId('tenant', row.tenant_id),
  username: row.username,
  limits: parseLimits(row.limits),
  mode: row.mode,
  networks: parseTexts(row.networks),
  createdAt: row.created_at,
  createdBy: row.created_by,
  expiresAt: row.expires_at ?? undefined,
  revokedAt: row.revoked_at ?? undefined,
  rotatedAt: row.rotated_at ?? undefined,
  formerUntil: row.former_until ?? undefined,
  lastUse: lastUseOf(row),
})

export async function credentialById(
  store: Store,
  tenant: TenantId,
  id: CredentialId,
): Promise<CredentialRow | undefined> {
  const row = await credentialsWithUse(store, tenant)
    .where('credentials.id', '=', id)
    .executeTakeFirst()
  return row === undefined ? undefined : credentialRow(row)
}

/** Newest first, older than `before`. */
export async function listCredentials(
  store: Store,
  tenant: TenantId,
  page: { readonly before: number | undefined; readonly limit: number },
): Promise<CredentialRow[]> {
  let query = credentialsWithUse(store, tenant).orderBy('credentials.id', 'desc').limit(page.limit)
  if (page.before !== undefined) query = query.where('credentials.id', '<', page.before)
  return (await query.execute()).map(credentialRow)
}
