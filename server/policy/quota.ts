/** What people are told about quotas: which one, how full it is, and when there is room again. Pure; times in UTC. */
import type { QuotaRefusal, QuotaScope, QuotaState, QuotaUnit } from '../core/quota.ts'

const PERIOD: Readonly<Record<QuotaUnit, string>> = {
  hour: 'hourly',
  day: 'daily',
  month: 'monthly',
}
const WHOSE: Readonly<Record<QuotaScope, string>> = {
  tenant: 'tenant',
  credential: 'login',
  domain: 'domain',
}

type Which = Pick<QuotaState, 'scope' | 'unit'>

/** `the daily quota of tenant acme` */
export const quotaName = ({ scope, unit }: Which, name: string): string =>
  `the ${PERIOD[unit]} quota of ${WHOSE[scope]} ${name}`

/** `waits for the daily quota of tenant acme: 10,000 of 10,000 used, next at 2026-01-02 00:00 UTC` */
export const waitText = (
  quota: Which & Pick<QuotaState, 'limit' | 'used'>,
  name: string,
  nextAt: number,
): string => `waits for ${quotaName(quota, name)}: ${usedText(quota)}, next at ${timeText(nextAt)}`

/**
 * `The daily quota of tenant acme is used up: 100 of 100 used, until 2026-01-02 00:00 UTC.` A message that would not even
 * fit an empty window is told so, since waiting would not help it.
 */
export function refusalText(refusal: QuotaRefusal, name: string): string {
  const { limit, used, wanted, resetsAt, isPlannedAhead } = refusal
  const which = quotaName(refusal, name)
  const subject = which.charAt(0).toUpperCase() + which.slice(1)
  if (isPlannedAhead)
    return `${subject} is used up, and so is all that may be planned ahead; try again after ${timeText(resetsAt)}.`
  if (wanted > limit)
    return `${subject} is ${countText(limit)}; a message to ${countText(wanted)} recipients never fits.`
  const state = used >= limit ? 'is used up' : `has no room for ${countText(wanted)} more`
  return `${subject} ${state}: ${usedText(refusal)}, until ${timeText(resetsAt)}.`
}

const usedText = ({ used, limit }: Pick<QuotaState, 'limit' | 'used'>): string =>
  `${countText(used)} of ${countText(limit)} used`

const countText = (count: number): string => count.toLocaleString('en-US')

const timeText = (at: number): string => {
  const [day, time = ''] = new Date(at).toISOString().split('T')
  return `${day} ${time.slice(0, 5)} UTC`
}
