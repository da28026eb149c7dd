/** Rows of sender domains and their DKIM keys. */
import type { ChangeRecord } from '../core/audit.ts'
import { asId } from '../core/ids.ts'
import type { DomainId, TenantId } from '../core/ids.ts'
import { bumpCatalog } from './catalog.ts'
import type { DkimRecord } from './catalog.ts'
import type { Store } from './open.ts'
import { nextId, returnedId } from './rows.ts'
import type { Change } from './writer.ts'

/** Resolves with the new domain's id; rejects with NAME_TAKEN when the tenant has it already. */
export async function insertDomain(
  store: Store,
  domain: {
    tenant: TenantId
    name: string
    verifiedAt: number | undefined
    dkim: readonly DkimRecord[]
  },
  by: { readonly now: number; readonly record: ChangeRecord },
): Promise<DomainId> {
  const query = store.build
    .insertInto('domains')
    .values({
      id: nextId,
      tenant_id: domain.tenant,
      name: domain.name,
      verified_at: domain.verifiedAt ?? null,
      created_at: by.now,
    })
    .returning('id')
    .compile()
  const keys = domain.dkim.map((key): Change => ({
    query: store.build
      .insertInto('dkim_keys')
      .columns(['domain_id', 'selector', 'algorithm', 'private_key', 'public_record', 'created_at'])
      .expression((eb) =>
        eb
          .selectFrom('domains')
          .select((select) => [
            'domains.id',
            select.val(key.selector).as('selector'),
            select.val(key.algorithm).as('algorithm'),
            select.val(key.privateKey).as('private_key'),
            select.val(key.publicRecord).as('public_record'),
            select.val(by.now).as('created_at'),
          ])
          .where('domains.name', '=', domain.name)
          .where('domains.tenant_id', '=', domain.tenant),
      )
      .compile(),
    expect: { changes: 1, orElse: 'INTERNAL' },
  }))
  const [inserted] = await store.writer.write([{ query }, ...keys, bumpCatalog(store)], by.record)
  return asId('domain', returnedId(inserted?.rows))
}

/** Marks a domain verified (`at`) or not (undefined); NOT_FOUND when the tenant has no such domain. */
export async function setDomainVerified(
  store: Store,
  domain: { tenant: TenantId; name: string; at: number | undefined },
  record: ChangeRecord,
): Promise<void> {
  const query = store
    .of(domain.tenant)
    .updateTable('domains')
    .set({ verified_at: domain.at ?? null })
    .where('name', '=', domain.name)
    .compile()
  await store.writer.write(
    [{ query, expect: { changes: 1, orElse: 'NOT_FOUND' } }, bumpCatalog(store)],
    record,
  )
}

/** Removes a domain with its keys; NOT_FOUND when the tenant has no such domain. */
export async function deleteDomain(
  store: Store,
  domain: { tenant: TenantId; name: string },
  record: ChangeRecord,
): Promise<void> {
  const query = store
    .of(domain.tenant)
    .deleteFrom('domains')
    .where('name', '=', domain.name)
    .compile()
  await store.writer.write(
    [{ query, expect: { changes: 1, orElse: 'NOT_FOUND' } }, bumpCatalog(store)],
    record,
  )
}
