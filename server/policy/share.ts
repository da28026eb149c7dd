/**
 * Who gets the next places in a lane. Tenants take turns of equal size until the places or the mail run out, so that
 * one tenant's million does not starve another's ten. Must never hand out more than asked for or more than there is.
 */
import type { TenantId } from '../core/ids.ts'

export interface Demand {
  readonly tenant: TenantId
  /** Deliveries that are due now. */
  readonly due: number
}

export interface Shares {
  /** Tenants that get something. */
  readonly take: ReadonlyMap<TenantId, number>
  /** Hand it to the next call: the tenant that had the last turn. */
  readonly cursor: TenantId | undefined
}

/**
 * Divides `limit` places. Everybody gets the same, or all that is due if that is less; places that cannot be divided
 * go to those whose turn it is, counting from the one after `cursor`, so that over several calls nobody is ahead by
 * more than one. At most one entry per tenant in `demand`, in any order.
 */
export function shareOut(
  demand: readonly Demand[],
  limit: number,
  cursor: TenantId | undefined,
): Shares {
  const take = new Map<TenantId, number>()
  let waiting = ring(
    demand.filter(({ due }) => due > 0),
    cursor,
  )
  let left = Math.max(0, Math.floor(limit))
  let last = cursor
  while (left > 0 && waiting.length > 0) {
    // As long as each can have one more, all get the same; each such round empties a tenant or the places.
    const turn = Math.max(1, Math.floor(left / waiting.length))
    const partial = left < waiting.length
    const hungry: Demand[] = []
    for (const entry of waiting) {
      if (left === 0) break
      const got = take.get(entry.tenant) ?? 0
      const given = Math.min(turn, entry.due - got, left)
      take.set(entry.tenant, got + given)
      left -= given
      if (partial) last = entry.tenant
      if (got + given < entry.due) hungry.push(entry)
    }
    waiting = hungry
  }
  return { take, cursor: last }
}

/** By tenant, starting with the one after the cursor. */
function ring(demand: readonly Demand[], cursor: TenantId | undefined): readonly Demand[] {
  const ordered = demand.toSorted((a, b) => a.tenant - b.tenant)
  const from = cursor === undefined ? 0 : ordered.findIndex(({ tenant }) => tenant > cursor)
  return from <= 0 ? ordered : [...ordered.slice(from), ...ordered.slice(0, from)]
}
