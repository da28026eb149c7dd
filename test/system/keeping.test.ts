/** Room, time and what is kept: a full disk, a clock that is set, and bodies that are forgotten in time. */
import { execFileSync } from 'node:child_process'
import { readdirSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startTestApp } from '../support/app.ts'
import { SENDER, until } from '../support/program.ts'

const DAY = 86_400_000
const HOUR = 3_600_000
const MIB = 1024 * 1024

test('with too little room mail is refused as "later", what was accepted goes out, and all resumes', async (context) => {
  const { bavail, bsize } = statfsSync(tmpdir())
  const free = Math.floor((bavail * bsize) / MIB)
  context.skip(free < 4_096, 'too little room to play with')
  const world = await startTestApp({ config: { store: { minFreeDisk: `${free - 1_024} MiB` } } })
  const waiting = await world.post('ok1@ok.test', {
    sendAt: new Date(world.clock.now() + HOUR).toISOString(),
  })
  const filler = join(world.dataDir, 'filler')
  execFileSync('fallocate', ['-l', `${2_048 * MIB}`, filler])
  world.clock.leap(1_000)
  const mail = { from: `app@${SENDER}`, to: 'ok2@ok.test', subject: 'x', text: 'x' }
  const post = () => world.call('POST', '/v1/messages', mail)
  await until(async () => (await post()).status !== 202, 'the shortage to be seen')
  expect(await post()).toMatchObject({ status: 507, body: { code: 'STORE_FULL' } })
  await expect(world.submit({ to: ['ok3@ok.test'] })).rejects.toMatchObject({ responseCode: 452 })
  expect((await world.call('GET', '/readyz')).status).toBe(503)
  world.clock.leap(HOUR)
  await world.reach(waiting.id, 'delivered')
  rmSync(filler)
  world.clock.leap(1_000)
  await until(async () => (await post()).status === 202, 'room to be seen')
  await world.submit({ to: ['ok3@ok.test'] })
  expect((await world.call('GET', '/readyz')).status).toBe(200)
})

test('a clock that is set forth and back loses no mail, repeats none and keeps the order of events', async () => {
  const world = await startTestApp()
  const send = async (): Promise<void> => {
    const { id } = await world.post('ok@ok.test')
    await world.reach(id, 'delivered')
  }
  await send()
  const deferred = await world.post('defer-450@ok.test')
  await world.reach(deferred.id, 'deferred')
  for (const hours of [1, -2, 3, -30, 28]) {
    // In the middle of the lane's work, and while it rests.
    world.clock.set(hours * HOUR)
    await send()
    await new Promise((resolve) => setTimeout(resolve, 150))
    await send()
    await world.submit({ to: ['ok2@ok.test'] })
  }
  const plan = await world.post('ok3@ok.test', {
    sendAt: new Date(world.clock.now() + HOUR).toISOString(),
  })
  world.clock.set(2 * HOUR)
  // Timers know nothing of that; the reconciler's round does.
  await world.app.reconciler.runOnce()
  await world.reach(plan.id, 'delivered')
  await until(
    () => world.sink.messages.length === 17,
    'all to arrive',
    () => String(world.sink.messages.length),
  )
  const events = await world.events()
  const ids = events.map(({ id }) => id)
  expect(ids).toEqual([...ids].sort())
  const perDelivery = new Map<string, string[]>()
  for (const { delivery, type } of events)
    perDelivery.set(delivery, [...(perDelivery.get(delivery) ?? []), type])
  const sequences = new Set([...perDelivery.values()].map((types) => types.join(' ')))
  sequences.delete('accepted delivered')
  expect([...sequences].every((sequence) => /^accepted( deferred)+$/.test(sequence))).toBe(true)
})

test('bodies are forgotten a week after the last delivery ended, what still waits keeps its own', async () => {
  const world = await startTestApp({ config: { delivery: { retry: { jitter: 0 } } } })
  const attachments = [
    {
      filename: 'a.bin',
      contentType: 'application/octet-stream',
      content: Buffer.alloc(400_000).toString('base64'),
    },
  ]
  const small = await world.post('ok1@ok.test')
  const large = await world.post('ok2@ok.test', { attachments })
  const sendAt = new Date(world.clock.now() + 20 * DAY).toISOString()
  const later = await world.post('ok3@ok.test', { sendAt, attachments })
  await world.reach(small.id, 'delivered')
  await world.reach(large.id, 'delivered')
  const content = async (id: string): Promise<number> =>
    (await world.call('GET', `/v1/messages/${id}/content`)).status
  expect(await Promise.all([small, large, later].map(({ id }) => content(id)))).toEqual([
    200, 200, 200,
  ])
  expect(await world.app.retention.runOnce()).toBe(0)

  world.clock.leap(8 * DAY)
  const fresh = await world.post('ok4@ok.test')
  await world.reach(fresh.id, 'delivered')
  await world.app.retention.runOnce()
  const after = [small, large, later, fresh].map(({ id }) => content(id))
  expect(await Promise.all(after)).toEqual([404, 404, 200, 200])
  expect((await world.message(small.id)).deliveries[0]!.attempts).toHaveLength(1)
  expect(readdirSync(join(world.dataDir, 'spool'))).toHaveLength(1)

  world.clock.leap(12 * DAY)
  await world.reach(later.id, 'delivered')
  expect(world.sink.messages.at(-1)!.data.length).toBeGreaterThan(400_000)
  world.clock.leap(91 * DAY)
  await world.app.retention.runOnce()
  expect((await world.call('GET', `/v1/messages/${small.id}`)).status).toBe(404)
  expect(await world.events()).toEqual([])
})
