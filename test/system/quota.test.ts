/** Quotas in the whole program: what is beyond one waits for its window or is refused, and nobody has to release it. */
import { expect, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { windowEnd } from '../../server/core/quota.ts'
import { makeQuotas } from '../../server/services/quotas.ts'
import type { Quotas } from '../../server/services/quotas.ts'
import { startTestApp } from '../support/app.ts'
import type { World, WorldOptions } from '../support/app.ts'
import { until } from '../support/program.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** A minute after the begin of an hour, so that the test meets one window until it leaps. */
async function startWorld(options: WorldOptions = {}): Promise<World & { quotas: Quotas }> {
  const world = await startTestApp(options)
  const { clock } = world
  clock.leap(windowEnd('hour', clock.now()) - clock.now() + MINUTE)
  const { store, catalog } = world.app
  return { ...world, quotas: makeQuotas({ store, catalog, clock }) }
}
const sentTo = (world: World): string[] => world.sink.messages.flatMap(({ rcptTo }) => rcptTo)

test('mail beyond a quota that delays goes out by itself in the next window, spread over it', async () => {
  const world = await startWorld()
  const { quotas, tenant, clock, login } = world
  await quotas.set(SYSTEM_ACTOR, {
    tenant,
    scope: 'credential',
    of: login.user,
    hour: 2,
    over: 'delay',
  })
  const nextHour = windowEnd('hour', clock.now())
  const reply = await world.submit({
    to: ['ok1@ok.test', 'ok2@ok.test', 'ok3@ok.test', 'ok4@ok.test'],
  })
  expect(reply).toMatch(/^250 2\.0\.0 queued as msg_/)
  await world.quiet()
  expect(sentTo(world).sort()).toEqual(['ok1@ok.test', 'ok2@ok.test'])

  const id = /msg_\w+/.exec(reply)![0]
  const waiting = (await world.message(id)).deliveries.slice(2)
  expect(waiting).toMatchObject([
    { state: 'queued', reason: 'quota', nextAttemptAt: new Date(nextHour).toISOString() },
    {
      state: 'queued',
      reason: 'quota',
      nextAttemptAt: new Date(nextHour + 15 * MINUTE).toISOString(),
    },
  ])
  await world.skip()
  expect(clock.now()).toBeGreaterThanOrEqual(nextHour)
  expect(sentTo(world)).toHaveLength(3)
  const waited = await world.skip()
  expect(waited).toBeGreaterThan(14 * MINUTE)
  await world.reach(id, 'delivered')
  expect(sentTo(world)).toHaveLength(4)
  // REST is another way in: the login's quota is not for it.
  expect((await world.post('ok5@ok.test')).deliveries[0]).not.toHaveProperty('expectedAt')
})

test('mail over a quota that refuses is answered 452 4.7.0, and taken in the next window', async () => {
  const world = await startWorld()
  const { quotas, tenant, clock } = world
  const { name } = world.tenants.resolve(undefined)
  await quotas.set(SYSTEM_ACTOR, { tenant, scope: 'tenant', hour: 3, over: 'refuse' })
  await world.submit({ to: ['ok1@ok.test', 'ok2@ok.test'] })
  const refused: unknown = await world
    .submit({ to: ['ok3@ok.test', 'ok4@ok.test'] })
    .catch((error: unknown) => error)
  expect(String(refused)).toMatch(
    new RegExp(
      `452 4\\.7\\.0 The hourly quota of tenant ${name} has no room for 2 more: 2 of 3 used, until .* Try again in \\d+ s`,
    ),
  )
  await world.quiet()
  expect(sentTo(world)).toHaveLength(2)
  clock.leap(windowEnd('hour', clock.now()) - clock.now())
  expect(await world.submit({ to: ['ok3@ok.test', 'ok4@ok.test'] })).toMatch(/^250 /)
  await until(() => sentTo(world).length === 4, 'the mail of the next hour')
})

test('several programs share one quota', async () => {
  const world = await startWorld()
  await world.quotas.set(SYSTEM_ACTOR, {
    tenant: world.tenant,
    scope: 'tenant',
    day: 20,
    over: 'refuse',
  })
  const other = await world.join()
  const results = await Promise.allSettled(
    Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? world : other).post(`ok${i}@ok.test`)),
  )
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(20)
  await until(() => sentTo(world).length === 20, 'what was accepted')
})

test('a domain that cannot be resolved meanwhile does not bring mail out of its window', async () => {
  const world = await startWorld({
    zones: { 'sick.test': 'SERVFAIL', 'mx.sick.test': { A: ['127.0.0.1'] } },
  })
  const { quotas, tenant, clock, dns } = world
  await quotas.set(SYSTEM_ACTOR, { tenant, scope: 'tenant', hour: 1, over: 'delay' })
  await world.post('ok1@ok.test')
  const { id, deliveries } = await world.post('ok2@sick.test')
  const scheduled = await world.post('ok3@sick.test', {
    sendAt: new Date(clock.now() + 3 * HOUR).toISOString(),
  })
  await until(() => dns.count('sick.test', 'MX') > 0, 'the router to ask')
  await world.quiet()
  clock.leap(20 * MINUTE)
  await world.quiet()
  expect((await world.message(id)).deliveries[0]).toMatchObject({
    state: 'queued',
    reason: 'quota',
    nextAttemptAt: (deliveries[0] as { expectedAt?: string }).expectedAt,
    attempts: [],
  })
  expect((await world.message(scheduled.id)).deliveries[0]).toMatchObject({
    state: 'queued',
    reason: 'scheduled',
    attempts: [],
  })
  dns.zones = { ...dns.zones, 'sick.test': { MX: [[10, 'mx.sick.test']] } }
  await world.skip()
  await world.reach(id, 'delivered')
  await world.skip()
  await world.reach(scheduled.id, 'delivered')
})
