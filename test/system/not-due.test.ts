/** Mail that has its time keeps it, whatever happens to its domain meanwhile. */
import { expect, test } from 'vitest'
import { startTestApp } from '../support/app.ts'
import { until } from '../support/program.ts'

const HOUR = 3_600_000

test('a domain that cannot be resolved meanwhile does not bring scheduled mail out of its time', async () => {
  const world = await startTestApp({
    zones: { 'sick.test': 'SERVFAIL', 'mx.sick.test': { A: ['127.0.0.1'] } },
  })
  const { clock, dns, sink } = world
  const sendAt = new Date(clock.now() + 3 * HOUR).toISOString()
  const { id } = await world.post('ok@sick.test', { sendAt })
  await until(() => dns.count('sick.test', 'MX') > 0, 'the router to ask')
  await world.quiet()
  dns.zones = { ...dns.zones, 'sick.test': { MX: [[10, 'mx.sick.test']] } }
  clock.leap(HOUR)
  await world.quiet()
  expect(sink.messages).toEqual([])
  expect((await world.message(id)).deliveries[0]).toMatchObject({
    state: 'queued',
    reason: 'scheduled',
    nextAttemptAt: sendAt,
    attempts: [],
  })
  await world.skip()
  await world.reach(id, 'delivered')
  expect(clock.now()).toBeGreaterThanOrEqual(Date.parse(sendAt))
})
