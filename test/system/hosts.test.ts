/** Where a domain's mail goes, as DNS says it, and what happens when DNS or a host says no. */
import { expect, test } from 'vitest'
import { startTestApp } from '../support/app.ts'
import type { World } from '../support/app.ts'

/** The one delivery of a message to `to`, once it is in one of `states`. */
async function sendTo(world: World, to: string, ...states: string[]) {
  const { id } = await world.post(to)
  return (await world.reach(id, ...states)).deliveries[0]!
}

test('a host that greets with 421 is passed over for the next one', async () => {
  const world = await startTestApp({
    sink: { banner: '421 4.3.2 not now' },
    zones: {
      'two.test': {
        MX: [
          [10, 'mx.ok.test'],
          [20, 'mx2.two.test'],
        ],
      },
      'mx2.two.test': { A: ['127.0.0.2'] },
    },
  })
  const second = await world.addSink('127.0.0.2')
  const delivery = await sendTo(world, 'ok@two.test', 'delivered')
  expect(delivery.attempts).toMatchObject([{ host: 'mx2.two.test', ip: '127.0.0.2' }])
  expect(delivery.attempts[0]!.transcript).toContain('< 421 4.3.2 not now')
  expect([world.sink.connections, second.messages.length]).toEqual([1, 1])
})

test('when every host greets with 421, the mail waits, and so does what is queued behind it', async () => {
  // The lane must not end in between: what it knows of dead hosts ends with it.
  const world = await startTestApp({
    sink: { banner: '421 4.3.2 not now' },
    config: { delivery: { laneLinger: '30 s' } },
  })
  const first = await sendTo(world, 'ok@ok.test', 'deferred')
  expect(first).toMatchObject({ code: 421, attempts: [{ stage: 'banner', result: 'refused' }] })
  const { id } = await world.post(['ok1@ok.test', 'ok2@ok.test', 'ok3@ok.test'])
  const { deliveries } = await world.reach(id, 'deferred', 'queued')
  await world.quiet()
  // One of them knocked; the others were spared that.
  expect(world.sink.connections).toBeLessThanOrEqual(3)
  expect(deliveries.length).toBe(3)
})

test('hosts of equal preference share the load, better ones come first', async () => {
  const world = await startTestApp({
    zones: {
      'even.test': {
        MX: [
          [10, 'mx.ok.test'],
          [10, 'mx2.even.test'],
          [20, 'mx3.even.test'],
        ],
      },
      'mx2.even.test': { A: ['127.0.0.2'] },
      'mx3.even.test': { A: ['127.0.0.3'] },
    },
    config: { delivery: { laneLinger: '0 s' } },
  })
  const second = await world.addSink('127.0.0.2')
  const third = await world.addSink('127.0.0.3')
  for (let i = 0; i < 16; i++) await sendTo(world, `ok${i}@even.test`, 'delivered')
  // A coin that falls the same way 16 times does so once in 32,768 runs.
  expect(world.sink.messages.length).toBeGreaterThan(0)
  expect(second.messages.length).toBeGreaterThan(0)
  expect(third.connections).toBe(0)
})

test('a domain without MX takes mail itself, also behind an alias', async () => {
  const world = await startTestApp({
    zones: {
      'implicit.test': { A: ['127.0.0.1'] },
      'alias.test': { CNAME: 'real.test' },
      'real.test': { MX: [[5, 'mx.real.test']] },
      'mx.real.test': { CNAME: 'host.real.test' },
      'host.real.test': { A: ['127.0.0.1'] },
    },
  })
  const implicit = await sendTo(world, 'ok@implicit.test', 'delivered')
  expect(implicit.attempts[0]!.host).toBe('implicit.test')
  const alias = await sendTo(world, 'ok@alias.test', 'delivered')
  expect(alias.attempts[0]).toMatchObject({ host: 'mx.real.test', ip: '127.0.0.1' })
  expect(world.sink.messages.map(({ rcptTo }) => rcptTo[0])).toEqual([
    'ok@implicit.test',
    'ok@alias.test',
  ])
})

const HOPELESS: readonly [domain: string, reason: string, detail: RegExp, why: string][] = [
  ['null.test', 'dns-permanent', /5\.1\.10 .*null MX/, 'a null MX'],
  ['loop.test', 'dns-permanent', /5\.4\.6/, 'we are the best MX ourselves'],
]
test.each(HOPELESS)('mail to %s bounces untried: %s %s (%s)', async (domain, reason, detail) => {
  const world = await startTestApp({
    zones: {
      'null.test': { MX: [[0, '.']] },
      'loop.test': { MX: [[10, 'mx.posthorn.test']] },
    },
  })
  const delivery = await sendTo(world, `ok@${domain}`, 'bounced')
  expect(delivery).toMatchObject({ reason, attempts: [{ number: 1, stage: 'dns' }] })
  expect(delivery.attempts[0]!.detail).toMatch(detail)
  expect(world.sink.connections).toBe(0)
})

test('a domain that does not exist bounces', async () => {
  const world = await startTestApp()
  const { id } = await world.post('ok@nowhere.test')
  await world.quiet()
  for (let i = 0; (await world.message(id)).deliveries[0]!.state !== 'bounced' && i < 3; i++)
    await world.skip()
  const { deliveries } = await world.reach(id, 'bounced')
  expect(deliveries[0]).toMatchObject({ reason: 'dns-permanent', category: 'bad-domain' })
  expect(deliveries[0]!.attempts.at(-1)!.detail).toMatch(/5\.1\.2 nowhere\.test does not exist/)
})

test.each(['SERVFAIL', 'TIMEOUT'] as const)(
  'a name server that answers %s defers',
  async (fault) => {
    const world = await startTestApp({ zones: { 'flaky.test': fault } })
    const first = await sendTo(world, 'ok@flaky.test', 'deferred')
    expect(first).toMatchObject({
      reason: 'dns-temporary',
      attempts: [{ stage: 'dns', fault: 'dns-temporary' }],
    })
    expect(first.events.map(({ type }) => type)).toEqual(['accepted', 'deferred'])
    world.dns.zones = { ...world.dns.zones, 'flaky.test': { MX: [[10, 'mx.ok.test']] } }
    await world.skip()
    const { body } = await world.call<{ state: string; attempts: unknown[] }>(
      'GET',
      `/v1/deliveries/${first.id}`,
    )
    expect(body.state).toBe('delivered')
    expect(body.attempts).toHaveLength(2)
  },
)

test('a host inside a private network is refused unless that is allowed', async () => {
  const world = await startTestApp({ config: { delivery: { allowPrivateNetworks: false } } })
  const delivery = await sendTo(world, 'ok@ok.test', 'bounced')
  expect(delivery).toMatchObject({ reason: 'private-target', attempts: [{ stage: 'dns' }] })
  expect(world.sink.connections).toBe(0)
})

test('a host that has only IPv6 addresses is reached when IPv6 is on, and waited for when it is off', async () => {
  const zones = {
    'six.test': { MX: [[10, 'mx.six.test']] as const },
    'mx.six.test': { AAAA: ['::1'] },
  }
  const on = await startTestApp({ zones, config: { delivery: { ipv6: 'fallback' } } })
  const sink = await on.addSink('::1')
  expect(await sendTo(on, 'ok@six.test', 'delivered')).toMatchObject({ attempts: [{ ip: '::1' }] })
  expect(sink.messages).toHaveLength(1)

  const off = await startTestApp({ zones })
  const waiting = await sendTo(off, 'ok@six.test', 'deferred')
  expect(waiting.attempts[0]).toMatchObject({ stage: 'dns', fault: 'unreachable' })
})

test('a domain that moves to other hosts takes its waiting mail along', async () => {
  const world = await startTestApp({
    sink: { replies: (command) => (command.startsWith('RCPT') ? '450 4.2.1 busy' : undefined) },
    zones: {
      'mover.test': { MX: [[10, 'mx.ok.test']], ttl: 60 },
      'mx.new.test': { A: ['127.0.0.2'] },
    },
  })
  const second = await world.addSink('127.0.0.2')
  const { id } = await world.post('ok@mover.test')
  await world.reach(id, 'deferred')
  world.dns.zones = { ...world.dns.zones, 'mover.test': { MX: [[10, 'mx.new.test']] } }
  for (let i = 0; i < 5 && second.messages.length === 0; i++) await world.skip()
  const { deliveries } = await world.reach(id, 'delivered')
  expect(deliveries[0]!.attempts.at(-1)).toMatchObject({ host: 'mx.new.test', ip: '127.0.0.2' })
  // Under the limits of the hosts it belongs to now, not those of the lane it waited in.
  const lane = world.app.store.reader
    .prepare('select destination from lanes where id = (select max(lane_id) from deliveries)')
    .get()
  expect(lane).toEqual({ destination: 'site:mx.new.test' })
})
