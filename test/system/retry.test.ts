/** What cannot be delivered now is tried again when the schedule says, for as long as the message is worth it. */
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { expect, test } from 'vitest'
import { startTestApp } from '../support/app.ts'
import { rawMail, SENDER } from '../support/program.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

test('a deferred delivery is tried again by its schedule, not sooner, and delivered', async () => {
  let refusals = 3
  const world = await startTestApp({
    config: { delivery: { retry: { jitter: 0 } } },
    sink: {
      replies: (command) =>
        command.startsWith('RCPT') && refusals-- > 0 ? '450 4.2.1 mailbox busy' : undefined,
    },
  })
  const { id } = await world.post('ok@ok.test')
  const waiting = await world.reach(id, 'deferred')
  expect(waiting.deliveries[0]).toMatchObject({ reason: 'remote-deferred', code: 450 })
  const explained = await world.call('GET', `/v1/deliveries/${waiting.deliveries[0]!.id}/explain`)
  expect(explained.body).toMatchObject({
    state: 'deferred',
    lastAttempt: { said: '450 4.2.1 mailbox busy' },
    nextTry: { at: waiting.deliveries[0]!.nextAttemptAt },
  })
  const waits: number[] = []
  for (let i = 0; i < 3; i++) waits.push(Math.ceil((await world.skip()) / MINUTE))
  expect(waits).toEqual([1, 2, 5])
  const { deliveries } = await world.reach(id, 'delivered')
  expect(deliveries[0]!.attempts.map(({ code }) => code)).toEqual([450, 450, 450, 250])
  expect(deliveries[0]!.events.map(({ type }) => type)).toEqual([
    'accepted',
    'deferred',
    'deferred',
    'deferred',
    'delivered',
  ])
})

test('a delivery that is deferred for two days expires, after a last try', async () => {
  const world = await startTestApp()
  const started = world.clock.now()
  const { id } = await world.post('defer-450@ok.test')
  await world.reach(id, 'deferred')
  let tries = 1
  for (; (await world.message(id)).deliveries[0]!.state === 'deferred'; tries++) await world.skip()
  const { deliveries } = await world.reach(id, 'expired')
  expect(deliveries[0]).toMatchObject({ reason: 'max-age', code: 450 })
  expect(deliveries[0]!.attempts).toHaveLength(tries)
  expect(tries).toBeGreaterThan(50)
  expect(tries).toBeLessThan(62)
  const passed = world.clock.now() - started
  expect(passed).toBeGreaterThan(47.9 * HOUR)
  expect(passed).toBeLessThan(48.1 * HOUR)
  expect(deliveries[0]!.events.at(-1)!.type).toBe('expired')
})

test('a delivery whose worker comes after its time expires untried', async () => {
  const world = await startTestApp()
  const { id } = await world.post('ok@ok.test', { sendAt: inAn(world.clock.now(), HOUR) })
  await world.quiet()
  world.clock.leap(72 * HOUR)
  const { deliveries } = await world.reach(id, 'expired')
  expect(deliveries[0]).toMatchObject({ reason: 'max-age', attempts: [] })
  expect(world.sink.connections).toBe(0)
})

test('a greylisting host is waited for, and sees the same source again', async () => {
  const seen = new Set<string>()
  const world = await startTestApp({
    sink: {
      replies(command) {
        if (!command.startsWith('RCPT') || seen.has(command)) return undefined
        seen.add(command)
        return '450 4.2.0 Greylisted, see http://postgrey.schweikert.ch/help/ok.test.html'
      },
    },
  })
  for (const ip of ['127.0.0.1', '127.0.0.2', '127.0.0.3'])
    await world.egress.addSource(SYSTEM_ACTOR, {
      name: ip,
      ip,
      ehlo: `${ip.replaceAll('.', '-')}.posthorn.test`,
    })
  await world.egress.addPool(SYSTEM_ACTOR, 'three')
  for (const ip of ['127.0.0.1', '127.0.0.2', '127.0.0.3'])
    await world.egress.setWeight(SYSTEM_ACTOR, 'three', ip, 1)
  await world.egress.addRoute(SYSTEM_ACTOR, {
    name: 'three',
    position: 1,
    match: {},
    to: { pool: 'three' },
  })
  const sent = await Promise.all(Array.from({ length: 12 }, (_, i) => world.post(`ok${i}@ok.test`)))
  for (const { id } of sent) {
    const { deliveries } = await world.reach(id, 'deferred')
    expect(deliveries[0]).toMatchObject({ category: 'greylisted', code: 450 })
  }
  // Postgrey lets nobody in before five minutes.
  world.clock.leap(4 * MINUTE + 50_000)
  await world.quiet()
  expect(world.sink.messages).toHaveLength(0)
  world.clock.leap(2 * MINUTE)
  const sources = new Set<string | undefined>()
  for (const { id } of sent) {
    const { deliveries } = await world.reach(id, 'delivered')
    const used = deliveries[0]!.attempts.map(({ sourceIp }) => sourceIp)
    expect(used).toHaveLength(2)
    expect(used[0]).toBe(used[1])
    sources.add(used[0])
  }
  expect(sources.size).toBeGreaterThan(1)
})

test('a message with sendAt goes at its time, over REST and SMTP', async () => {
  const world = await startTestApp()
  const at = inAn(world.clock.now(), 3 * HOUR)
  const { id } = await world.post('ok@ok.test', { sendAt: at })
  const reply = await world.submit({
    to: ['ok2@ok.test'],
    raw: rawMail([`X-Posthorn-Send-At: ${at}`]),
  })
  const second = /msg_\w+/.exec(reply)![0]
  expect((await world.message(id)).deliveries[0]).toMatchObject({
    state: 'queued',
    reason: 'scheduled',
    nextAttemptAt: at,
  })
  await world.quiet()
  world.clock.leap(3 * HOUR - 60_000)
  await world.quiet()
  expect(world.sink.messages).toHaveLength(0)
  world.clock.leap(60_000)
  await world.reach(id, 'delivered')
  await world.reach(second, 'delivered')
  expect(world.sink.messages.every(({ data }) => !/x-posthorn/i.test(data.toString()))).toBe(true)
})

test('a message cancelled before it is sent is never dialled', async () => {
  const world = await startTestApp()
  const { id } = await world.post(['ok1@ok.test', 'ok2@ok.test'], {
    sendAt: inAn(world.clock.now(), HOUR),
  })
  const first = await world.call('POST', `/v1/messages/${id}/cancel`)
  expect([first.status, first.body]).toEqual([200, { id, cancelled: 2 }])
  const again = await world.call('POST', `/v1/messages/${id}/cancel`)
  expect(again.body).toEqual({ id, cancelled: 0 })
  world.clock.leap(2 * HOUR)
  const other = await world.post('ok3@ok.test')
  await world.reach(other.id, 'delivered')
  const { deliveries } = await world.reach(id, 'cancelled')
  expect(deliveries[0]).toMatchObject({ reason: 'cancelled-by-client', attempts: [] })
  expect(world.sink.messages.map(({ rcptTo }) => rcptTo)).toEqual([['ok3@ok.test']])
  expect(world.sink.messages[0]!.mailFrom).toBe(`app@${SENDER}`)
})

const inAn = (now: number, ms: number): string => new Date(now + ms).toISOString()
