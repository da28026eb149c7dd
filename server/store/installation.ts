/**
 * The rows of an empty installation, as one write: it is there whole or not at all, whenever the program is cut off.
 * What a start that was cut off in an older version left behind is taken up, not doubled.
 */
import { sql } from 'kysely'
import { insertMembership } from './memberships.ts'
import type { Store } from './open.ts'
import { insertTenant } from './tenants.ts'
import { insertToken } from './user-tokens.ts'
import type { Change } from './writer.ts'

export interface FirstRows {
  readonly ehlo: string
  readonly owner: { readonly email: string; readonly name: string }
  readonly setup: { readonly hash: string; readonly expiresAt: number }
}

const NAME = 'default'

export async function isInstalled({ read }: Pick<Store, 'read'>): Promise<boolean> {
  const row = await read.selectFrom('tenants').select('id').limit(1).executeTakeFirst()
  return row !== undefined
}

/** The write is undone with STATE_CONFLICT when another process was first. */
export function firstRows(
  store: Pick<Store, 'build'>,
  { ehlo, owner, setup }: FirstRows,
  now: number,
): Change[] {
  const run = (query: ReturnType<typeof sql>): Change => ({ query: query.compile(store.build) })
  return [
    {
      ...run(sql`select 1 as empty where not exists (select 1 from tenants)`),
      expect: { changes: 1, orElse: 'STATE_CONFLICT' },
    },
    run(sql`insert into sources (name, ehlo, created_at) values (${NAME}, ${ehlo}, ${now})
      on conflict do nothing`),
    run(sql`insert into pools (name, created_at) values (${NAME}, ${now}) on conflict do nothing`),
    run(sql`insert into pool_sources (pool_id, source_id, weight)
      select pools.id, sources.id, 1 from pools, sources
      where pools.name = ${NAME} and sources.name = ${NAME} on conflict do nothing`),
    run(sql`insert into routes (position, name, match, pool_id, created_at)
      select 1000, ${NAME}, '{}', id, ${now} from pools where name = ${NAME}
      on conflict do nothing`),
    run(sql`insert into users (email, name, platform_role, created_at)
      values (${owner.email}, ${owner.name}, 'admin', ${now})
      on conflict (email) do update set platform_role = 'admin'`),
    run(sql`update user_tokens set expires_at = ${now} where used_at is null
      and user_id = (select id from users where email = ${owner.email})`),
    insertToken(store, { user: { email: owner.email }, purpose: 'setup', ...setup }, now),
    ...insertTenant(store, { name: NAME, settings: '{}' }, now),
    insertMembership(
      store,
      { tenant: { name: NAME }, user: { email: owner.email }, role: 'owner' },
      now,
    ),
  ]
}
