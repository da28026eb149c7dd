/**
 * When, from where, and from which countries keys and logins were used. Apart from the keys themselves: this changes
 * all the time, is no part of the snapshot, and is not audited.
 */
import { sql } from 'kysely'
import type { TenantId } from '../core/ids.ts'
import type { Store } from './open.ts'

export type AccessKind = 'key' | 'credential'

export interface LastUse {
  readonly at: number
  readonly ip: string
  /** ISO 3166-1 alpha-2, when known. */
  readonly country: string | undefined
}

/** The columns of a left join. */
export const lastUseOf = (row: {
  readonly used_at: number | null
  readonly used_ip: string | null
  readonly used_country: string | null
}): LastUse | undefined =>
  row.used_at === null || row.used_ip === null
    ? undefined
    : { at: row.used_at, ip: row.used_ip, country: row.used_country ?? undefined }

export interface AccessUse {
  readonly tenant: TenantId
  readonly kind: AccessKind
  readonly id: number
}
export type NotedUse = AccessUse & LastUse
export interface NotedCountry extends AccessUse {
  readonly country: string
  readonly ip: string
  readonly at: number
  /** Whether it was used before, as far as the one who notes it knows. */
  readonly isLater: boolean
}

const isObject = (row: unknown): row is { readonly [column: string]: unknown } =>
  typeof row === 'object' && row !== null

const wordOf = ({ tenant, kind, id, country }: AccessUse & { readonly country: string }): string =>
  `${tenant}/${kind}/${id}/${country}`

/**
 * Writes what was noted, in one go. Resolves with the countries that are new to a key or login which had been used
 * before; of several processes that see the same one, only the first is told.
 */
export async function writeUses<T extends NotedCountry>(
  store: Store,
  uses: readonly NotedUse[],
  countries: readonly T[],
): Promise<readonly T[]> {
  const last = sql`
    insert into access_uses (tenant_id, kind, id, at, ip, country)
      select value ->> 'tenant', value ->> 'kind', value ->> 'id', value ->> 'at', value ->> 'ip',
        value ->> 'country'
      from json_each(${JSON.stringify(uses)}) where true
      on conflict do update set at = excluded.at, ip = excluded.ip, country = excluded.country
        where excluded.at >= access_uses.at`.compile(store.build)
  const known = sql`
    insert into access_countries (tenant_id, kind, id, country, first_at)
      select value ->> 'tenant', value ->> 'kind', value ->> 'id', value ->> 'country',
        value ->> 'at'
      from json_each(${JSON.stringify(countries)}) where true
      on conflict do nothing
      returning concat_ws('/', tenant_id, kind, id, country) as word, exists (
        select 1 from access_uses as u where u.tenant_id = access_countries.tenant_id
          and u.kind = access_countries.kind and u.id = access_countries.id) as used`.compile(
    store.build,
  )
  // First the countries, as long as it can be seen whether there was a use before.
  const changes = countries.length === 0 ? [{ query: last }] : [{ query: known }, { query: last }]
  const [inserted] = await store.writer.write(changes, {
    unaudited: 'Keys and logins are used all the time.',
  })
  const added = countries.length === 0 ? [] : (inserted?.rows ?? [])
  const wasUsed = new Map(added.filter(isObject).map(({ word, used }) => [word, used === 1]))
  return countries.filter((noted) => {
    const before = wasUsed.get(wordOf(noted))
    return before !== undefined && (before || noted.isLater)
  })
}
