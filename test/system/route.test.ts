/** Ways out other than the MX: fixed next hops, and sources that come and go. */
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { expect, test } from 'vitest'
import { startTestApp } from '../support/app.ts'
import { makeCertificate } from '../support/certificate.ts'
import { startSink } from '../support/sink.ts'

test('a route with a next hop sends there without asking DNS, with AUTH under TLS', async () => {
  const world = await startTestApp({ zones: { 'hop.example.test': { A: ['127.0.0.1'] } } })
  const smarthost = await startSink({
    tls: await makeCertificate(['hop.example.test']),
    auth: { user: 'relay', password: 'secret word' },
  })
  try {
    await world.egress.addRoute(SYSTEM_ACTOR, {
      name: 'smarthost',
      position: 1,
      match: { recipientDomain: 'far.test' },
      to: {
        nextHop: {
          host: 'hop.example.test',
          port: smarthost.port,
          tls: 'opportunistic',
          user: 'relay',
          password: 'secret word',
        },
      },
    })
    const { id } = await world.post(['ok1@far.test', 'ok2@ok.test'])
    const { deliveries } = await world.reach(id, 'delivered')
    expect(smarthost.messages.map(({ rcptTo, tls }) => [rcptTo[0], tls])).toEqual([
      ['ok1@far.test', true],
    ])
    expect(deliveries[0]!.attempts[0]!.transcript).not.toContain('secret')
    expect(world.sink.messages.map(({ rcptTo }) => rcptTo[0])).toEqual(['ok2@ok.test'])
    expect(world.dns.count('far.test')).toBe(0)
    expect(JSON.stringify(world.egress.routes())).not.toContain('secret word')
  } finally {
    await smarthost.close()
  }
})

test('a route is changed while mail waits: what is accepted next takes the new way', async () => {
  const world = await startTestApp()
  const other = await world.addSink('127.0.0.2')
  const first = await world.post('ok1@ok.test')
  await world.reach(first.id, 'delivered')
  await world.egress.addRoute(SYSTEM_ACTOR, {
    name: 'aside',
    position: 1,
    match: { tag: 'aside' },
    to: { nextHop: { host: '127.0.0.2', port: other.port, tls: 'off' } },
  })
  const tagged = await world.post('ok2@ok.test', { tags: ['aside'] })
  const plain = await world.post('ok3@ok.test')
  await world.reach(tagged.id, 'delivered')
  await world.reach(plain.id, 'delivered')
  expect(other.messages.map(({ rcptTo }) => rcptTo[0])).toEqual(['ok2@ok.test'])
  expect(world.sink.messages.map(({ rcptTo }) => rcptTo[0])).toEqual(['ok1@ok.test', 'ok3@ok.test'])
})

test('mail without a route is kept, and goes when there is one', async () => {
  const world = await startTestApp()
  await world.egress.removeRoute(SYSTEM_ACTOR, 'default')
  const { id } = await world.post('ok@ok.test')
  await world.quiet()
  expect((await world.message(id)).deliveries[0]).toMatchObject({
    state: 'queued',
    reason: 'no-route',
    attempts: [],
  })
  await world.egress.addRoute(SYSTEM_ACTOR, {
    name: 'again',
    position: 1,
    match: {},
    to: { pool: 'default' },
  })
  await world.skip()
  await world.reach(id, 'delivered')
})

test('a disabled source gets no new mail', async () => {
  const world = await startTestApp()
  await world.egress.addSource(SYSTEM_ACTOR, {
    name: 'two',
    ip: '127.0.0.2',
    ehlo: 'two.posthorn.test',
  })
  await world.egress.setWeight(SYSTEM_ACTOR, 'default', 'two', 1)
  await world.egress.setSourceDisabled(SYSTEM_ACTOR, 'default', true)
  for (let i = 0; i < 6; i++) {
    const { id } = await world.post(`ok${i}@ok.test`)
    await world.reach(id, 'delivered')
  }
  expect(new Set(world.sink.messages.map(({ remoteAddress }) => remoteAddress))).toEqual(
    new Set(['127.0.0.2']),
  )
})
