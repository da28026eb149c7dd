/** Rows of the ways out: sources, pools, routes. */
import type { ChangeRecord } from '../core/audit.ts'
import { asId } from '../core/ids.ts'
import type { PoolId, RouteId, SourceId } from '../core/ids.ts'
import { bumpCatalog } from './catalog.ts'
import type { Store } from './open.ts'
import { nextId, returnedId } from './rows.ts'

/** Rejects with NAME_TAKEN. */
export async function insertSource(
  store: Store,
  source: { name: string; ip: string | undefined; ehlo: string },
  by: { readonly now: number; readonly record: ChangeRecord },
): Promise<SourceId> {
  const query = store.build
    .insertInto('sources')
    .values({
      id: nextId,
      name: source.name,
      ip: source.ip ?? null,
      ehlo: source.ehlo,
      created_at: by.now,
      disabled_at: null,
    })
    .returning('id')
    .compile()
  const [inserted] = await store.writer.write([{ query }, bumpCatalog(store)], by.record)
  return asId('source', returnedId(inserted?.rows))
}

/** A disabled source gets no new deliveries; what waits on it stays until it is enabled or rerouted. */
export async function setSourceDisabled(
  store: Store,
  source: SourceId,
  at: number | undefined,
  record: ChangeRecord,
): Promise<void> {
  const query = store.build
    .updateTable('sources')
    .set({ disabled_at: at ?? null })
    .where('id', '=', source)
    .compile()
  await store.writer.write(
    [{ query, expect: { changes: 1, orElse: 'NOT_FOUND' } }, bumpCatalog(store)],
    record,
  )
}

/** Rejects with NAME_TAKEN. */
export async function insertPool(
  store: Store,
  name: string,
  by: { readonly now: number; readonly record: ChangeRecord },
): Promise<PoolId> {
  const query = store.build
    .insertInto('pools')
    .values({ id: nextId, name, created_at: by.now })
    .returning('id')
    .compile()
  const [inserted] = await store.writer.write([{ query }, bumpCatalog(store)], by.record)
  return asId('pool', returnedId(inserted?.rows))
}

/** Adds a source to a pool, or changes its weight; weight 0 takes it out. */
export async function setPoolWeight(
  store: Store,
  member: { pool: PoolId; source: SourceId; weight: number },
  record: ChangeRecord,
): Promise<void> {
  const query =
    member.weight > 0
      ? store.build
          .insertInto('pool_sources')
          .values({ pool_id: member.pool, source_id: member.source, weight: member.weight })
          .onConflict((conflict) =>
            conflict.columns(['pool_id', 'source_id']).doUpdateSet({ weight: member.weight }),
          )
          .compile()
      : store.build
          .deleteFrom('pool_sources')
          .where('pool_id', '=', member.pool)
          .where('source_id', '=', member.source)
          .compile()
  await store.writer.write([{ query }, bumpCatalog(store)], record)
}

/** Exactly one of `pool` and `nextHop` (JSON) is set. Rejects with NAME_TAKEN. */
export async function insertRoute(
  store: Store,
  route: {
    position: number
    name: string
    match: string
    pool: PoolId | undefined
    nextHop: string | undefined
  },
  by: { readonly now: number; readonly record: ChangeRecord },
): Promise<RouteId> {
  const query = store.build
    .insertInto('routes')
    .values({
      id: nextId,
      position: route.position,
      name: route.name,
      match: route.match,
      pool_id: route.pool ?? null,
      next_hop: route.nextHop ?? null,
      created_at: by.now,
    })
    .returning('id')
    .compile()
  const [inserted] = await store.writer.write([{ query }, bumpCatalog(store)], by.record)
  return asId('route', returnedId(inserted?.rows))
}

/** NOT_FOUND when there is no such route. */
export async function deleteRoute(
  store: Store,
  route: RouteId,
  record: ChangeRecord,
): Promise<void> {
  const query = store.build.deleteFrom('routes').where('id', '=', route).compile()
  await store.writer.write(
    [{ query, expect: { changes: 1, orElse: 'NOT_FOUND' } }, bumpCatalog(store)],
    record,
  )
}

/** Sets (or with `limits` undefined removes) an operator's limits of a destination or a source. */
export async function setLimits(
  store: Store,
  entry: {
    scope: 'destination' | 'source'
    key: string
    limits: string | undefined
    note: string | undefined
  },
  by: { readonly now: number; readonly record: ChangeRecord },
): Promise<void> {
  const query =
    entry.limits === undefined
      ? store.build
          .deleteFrom('limits')
          .where('scope', '=', entry.scope)
          .where('key', '=', entry.key)
          .compile()
      : store.build
          .insertInto('limits')
          .values({
            scope: entry.scope,
            key: entry.key,
            limits: entry.limits,
            note: entry.note ?? null,
            changed_at: by.now,
          })
          .onConflict((conflict) =>
            conflict.columns(['scope', 'key']).doUpdateSet({
              limits: entry.limits ?? '',
              note: entry.note ?? null,
              changed_at: by.now,
            }),
          )
          .compile()
  await store.writer.write([{ query }, bumpCatalog(store)], by.record)
}
