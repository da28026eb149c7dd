/** What a REST client hears of quotas: when its mail is expected, or why it was not taken. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import type { TenantId } from '../../server/core/ids.ts'
import { windowEnd, windowStart } from '../../server/core/quota.ts'
import { realClock } from '../../server/ports.ts'
import { makeQuotas } from '../../server/services/quotas.ts'
import type { QuotaWish, Quotas } from '../../server/services/quotas.ts'
import { insertDomain } from '../../server/store/domains.ts'
import { aMessage, codeOf, openWorld } from './support.ts'
import type { World } from './support.ts'

let world: World
let quotas: Quotas
beforeAll(async () => {
  world = await openWorld()
  quotas = makeQuotas({ store: world.store, catalog: world.catalog, clock: realClock })
})
afterAll(() => world.close())

interface AcceptedBody {
  id: string
  deliveries: { id: string; to: string; state: string; expectedAt?: string }[]
}

const BY = { now: 1, record: { unaudited: 'test' } } as const
let count = 0
/** A tenant of its own with a verified domain, a key and a quota: its counters are empty. */
async function newTenant(quota: Omit<QuotaWish, 'tenant' | 'scope'>): Promise<{
  tenant: TenantId
  name: string
  from: string
  auth: { authorization: string }
}> {
  const name = `quota-${++count}`
  const tenant = await world.newTenant(name)
  const domain = `${name}.example`
  await insertDomain(world.store, { tenant, name: domain, verifiedAt: 1, dkim: [] }, BY)
  await world.catalog.refresh()
  await quotas.set(SYSTEM_ACTOR, { tenant, scope: 'tenant', ...quota })
  const { secret } = await world.newKey(tenant, ['messages:send', 'messages:read'])
  return { tenant, name, from: `app@${domain}`, auth: { authorization: `Bearer ${secret}` } }
}
const people = (number: number): string[] =>
  Array.from({ length: number }, (_, i) => `p${i}@dest.example`)
/** Not in the last seconds of an hour, or the test would meet two windows. */
async function awayFromTheEnd(): Promise<void> {
  const left = windowEnd('hour', Date.now()) - Date.now()
  if (left < 5_000) await realClock.sleep(left)
}

describe('a quota that delays', () => {
  test('accepts everything, and says when what waits is expected', async () => {
    await awayFromTheEnd()
    const { name, from, auth } = await newTenant({ day: 3, over: 'delay' })
    const sent = await world.post('/v1/messages', aMessage({ from, to: people(5) }), auth)
    expect(sent.statusCode).toBe(202)
    const { id, deliveries } = sent.json<AcceptedBody>()
    expect(deliveries.map(({ state }) => state)).toEqual(Array(5).fill('queued'))
    const tomorrow = windowEnd('day', Date.now())
    expect(deliveries.map(({ expectedAt }) => expectedAt)).toEqual([
      undefined,
      undefined,
      undefined,
      new Date(tomorrow).toISOString(),
      new Date(tomorrow + 2 * 3_600_000).toISOString(),
    ])

    const message = await world.get(`/v1/messages/${id}`, auth)
    const last = message.json<{ deliveries: Record<string, unknown>[] }>().deliveries[4]!
    expect(last).toMatchObject({
      state: 'queued',
      reason: 'quota',
      nextAttemptAt: deliveries[4]!.expectedAt,
    })

    const explained = await world.get(`/v1/deliveries/${deliveries[3]!.id}/explain`, auth)
    const day = new Date(tomorrow).toISOString().slice(0, 10)
    expect(explained.json()).toMatchObject({
      reason: 'quota',
      nextTry: {
        at: deliveries[3]!.expectedAt,
        because: `waits for the daily quota of tenant ${name}: 3 of 3 used, next at ${day} 00:00 UTC`,
      },
    })
  })

  test('counts a batch as a whole', async () => {
    await awayFromTheEnd()
    const { from, auth } = await newTenant({ day: 2, over: 'delay' })
    const batch = Array.from({ length: 3 }, () => aMessage({ from }))
    const sent = await world.post('/v1/messages/batch', batch, auth)
    const { messages } = sent.json<{ messages: AcceptedBody[] }>()
    expect(messages.map(({ deliveries }) => deliveries[0]!.expectedAt !== undefined)).toEqual([
      false,
      false,
      true,
    ])
  })
})

describe('a quota that refuses', () => {
  test('answers 429 with the time to the next window, and keeps nothing', async () => {
    await awayFromTheEnd()
    const { tenant, name, from, auth } = await newTenant({ day: 3, over: 'refuse' })
    await world.post('/v1/messages', aMessage({ from, to: people(2) }), auth)
    const refused = await world.post('/v1/messages', aMessage({ from, to: people(2) }), auth)
    expect([refused.statusCode, codeOf(refused)]).toEqual([429, 'QUOTA_EXCEEDED'])
    const left = windowEnd('day', Date.now()) - Date.now()
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(left / 1_000 - 5)
    expect(Number(refused.headers['retry-after'])).toBeLessThan(left / 1_000 + 5)
    expect(refused.json<{ detail: string }>().detail).toMatch(
      new RegExp(
        `^The daily quota of tenant ${name} has no room for 2 more: 2 of 3 used, until .* 00:00 UTC\\.$`,
      ),
    )
    const [own] = await quotas.list(tenant)
    expect(own!.units).toMatchObject([{ unit: 'day', limit: 3, used: 2, planned: 0 }])
    expect((await world.post('/v1/messages', aMessage({ from }), auth)).statusCode).toBe(202)
  })

  test('refuses a batch as a whole', async () => {
    await awayFromTheEnd()
    const { tenant, from, auth } = await newTenant({ day: 2, over: 'refuse' })
    const batch = Array.from({ length: 3 }, () => aMessage({ from }))
    const refused = await world.post('/v1/messages/batch', batch, auth)
    expect(codeOf(refused)).toBe('QUOTA_EXCEEDED')
    expect((await quotas.list(tenant))[0]!.units[0]!.used).toBe(0)
  })

  test('a raised quota lets mail in at once', async () => {
    const { tenant, from, auth } = await newTenant({ month: 1, over: 'refuse' })
    const send = () => world.post('/v1/messages', aMessage({ from, to: people(2) }), auth)
    expect(codeOf(await send())).toBe('RECIPIENTS_TOO_MANY')
    await quotas.set(SYSTEM_ACTOR, { tenant, scope: 'tenant', month: 2, over: 'refuse' })
    expect((await send()).statusCode).toBe(202)
  })
})

test('what goes to the sandbox is not counted: test keys, and domains that are not verified', async () => {
  const { tenant, from } = await newTenant({ day: 1, over: 'refuse' })
  const { secret } = await world.newKey(tenant, ['messages:send'], 'test')
  const auth = { authorization: `Bearer ${secret}` }
  for (const sender of [from, from, 'app@unknown.example']) {
    const sent = await world.post('/v1/messages', aMessage({ from: sender, to: people(2) }), auth)
    expect(sent.statusCode).toBe(202)
  }
  expect(await quotas.usage(tenant)).toEqual([])
})

describe('the quota of a domain', () => {
  test('counts its own mail only, that of a subdomain without a quota of its own included', async () => {
    await awayFromTheEnd()
    const { tenant, name, from, auth } = await newTenant({ day: 100, over: 'delay' })
    const other = { tenant, name: `other-${name}.example`, verifiedAt: 1, dkim: [] }
    await insertDomain(world.store, other, BY)
    await quotas.set(SYSTEM_ACTOR, {
      tenant,
      scope: 'domain',
      of: `${name}.example`,
      hour: 50,
      over: 'refuse',
    })
    for (const sender of [from, `app@news.${name}.example`, `app@${other.name}`])
      await world.post('/v1/messages', aMessage({ from: sender }), auth)
    const [whole, domain] = await quotas.list(tenant)
    expect(whole).toMatchObject({ scope: 'tenant', name, units: [{ unit: 'day', used: 3 }] })
    expect(domain).toMatchObject({
      scope: 'domain',
      name: `${name}.example`,
      over: 'refuse',
      units: [{ unit: 'hour', limit: 50, used: 2 }],
    })
    const start = windowStart('hour', Date.now())
    expect(await quotas.usage(tenant)).toContainEqual({
      scope: 'domain',
      id: domain!.id,
      name: `${name}.example`,
      unit: 'hour',
      start,
      end: start + 3_600_000,
      used: 2,
      limit: 50,
    })
  })
})
