/** Rows of tenants and people. */
import { asId } from '../core/ids.ts'
import type { TenantId } from '../core/ids.ts'
import { bumpCatalog } from './catalog.ts'
import type { Store } from './open.ts'
import { nextId, returnedId } from './rows.ts'

/** Resolves with the new tenant's id; rejects with NAME_TAKEN. */
export async function insertTenant(store: Store, name: string, now: number): Promise<TenantId> {
  const query = store.build
    .insertInto('tenants')
    .values({ id: nextId, name, created_at: now, disabled_at: null })
    .returning('id')
    .compile()
  const [inserted] = await store.writer.write([{ query }, bumpCatalog(store)])
  return asId('tenant', returnedId(inserted?.rows))
}

export interface NewUser {
  readonly email: string
  readonly name: string
  readonly role: string
  readonly setupHash: string
  readonly setupExpiresAt: number
}

/** Resolves with the new user's id; rejects with NAME_TAKEN. */
export async function insertUser(store: Store, user: NewUser, now: number): Promise<number> {
  const query = store.build
    .insertInto('users')
    .values({
      id: nextId,
      email: user.email,
      name: user.name,
      role: user.role,
      setup_hash: user.setupHash,
      setup_expires_at: user.setupExpiresAt,
      created_at: now,
    })
    .returning('id')
    .compile()
  const [inserted] = await store.writer.write([{ query }])
  return returnedId(inserted?.rows)
}

/** Gives a user a new setup link; NOT_FOUND when nobody has that address. */
export async function renewSetup(
  store: Store,
  email: string,
  setup: { hash: string; expiresAt: number },
): Promise<void> {
  const query = store.build
    .updateTable('users')
    .set({ setup_hash: setup.hash, setup_expires_at: setup.expiresAt })
    .where('email', '=', email)
    .compile()
  await store.writer.write([{ query, expect: { changes: 1, orElse: 'NOT_FOUND' } }])
}

export const listUsers = (
  store: Store,
): Promise<{ id: number; email: string; name: string; role: string; created_at: number }[]> =>
  store.read
    .selectFrom('users')
    .select(['id', 'email', 'name', 'role', 'created_at'])
    .orderBy('id')
    .execute()
