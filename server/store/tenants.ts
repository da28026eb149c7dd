/** Rows of tenants. */
import { asId } from '../core/ids.ts'
import type { TenantId } from '../core/ids.ts'
import { bumpCatalog } from './catalog.ts'
import type { Store } from './open.ts'
import { nextId, returnedId } from './rows.ts'

/** Resolves with the new tenant's id; rejects with NAME_TAKEN. */
export async function insertTenant(store: Store, name: string, now: number): Promise<TenantId> {
  const query = store.build
    .insertInto('tenants')
    .values({ id: nextId, name, created_at: now, settings: '{}' })
    .returning('id')
    .compile()
  const [inserted] = await store.writer.write([{ query }, bumpCatalog(store)])
  return asId('tenant', returnedId(inserted?.rows))
}
