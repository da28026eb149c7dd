/** Encryption where it can be had, clear text where it cannot and may be, and never where it must not be. */
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { expect, test } from 'vitest'
import { startTestApp } from '../support/app.ts'
import { makeCertificate } from '../support/certificate.ts'

const REQUIRED = {
  scope: 'destination',
  key: 'default',
  limits: { tls: 'required' },
  note: undefined,
} as const

test('STARTTLS is used where it is offered, and recorded', async () => {
  const world = await startTestApp({ sink: { tls: await makeCertificate(['mx.ok.test']) } })
  const { id } = await world.post('ok@ok.test')
  const { deliveries } = await world.reach(id, 'delivered')
  expect(deliveries[0]!.attempts[0]!.tls).toMatchObject({ protocol: 'TLSv1.3', verified: false })
  expect(world.sink.messages[0]!.tls).toBe(true)
})

test('a host whose TLS is broken gets the mail in the clear, and is not asked for TLS again', async () => {
  const world = await startTestApp({
    sink: { tls: 'broken' },
    config: { delivery: { laneLinger: '0 s' } },
  })
  const first = await world.post('ok1@ok.test')
  const { deliveries } = await world.reach(first.id, 'delivered')
  expect(deliveries[0]!.attempts).toHaveLength(1)
  expect(deliveries[0]!.attempts[0]).not.toHaveProperty('tls')
  expect(deliveries[0]!.attempts[0]!.transcript).toContain('! again in the clear')
  expect(world.sink.connections).toBe(2)
  const second = await world.post('ok2@ok.test')
  const later = await world.reach(second.id, 'delivered')
  expect(later.deliveries[0]!.attempts[0]!.transcript).toContain('failed lately: in the clear')
  expect(world.sink.connections).toBe(3)
})

test.each([['broken'], [undefined]] as const)(
  'where TLS is required, a host with TLS %s never gets the mail in the clear',
  async (tls) => {
    const world = await startTestApp({ sink: tls === undefined ? {} : { tls } })
    await world.egress.setLimits(SYSTEM_ACTOR, REQUIRED)
    const { id } = await world.post('ok@ok.test')
    const { deliveries } = await world.reach(id, 'deferred')
    expect(deliveries[0]).toMatchObject({ category: 'tls' })
    await world.skip()
    await world.reach(id, 'deferred')
    expect(world.sink.messages).toEqual([])
    expect(deliveries[0]!.attempts[0]!.transcript).not.toContain('MAIL FROM')
  },
)
