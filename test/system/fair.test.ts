/** Who goes first when a lane has more mail than it may send. */
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { OPERATOR_GRANT } from '../../server/services/access-terms.ts'
import { expect, test } from 'vitest'
import { startTestApp } from '../support/app.ts'
import type { World } from '../support/app.ts'
import { SENDER, until } from '../support/program.ts'
import type { AcceptedAnswer } from '../support/program.ts'

const SITE = { scope: 'destination', key: 'site:mx.ok.test', note: undefined } as const

/** A REST call of another tenant, who has a verified domain and a key. */
async function secondTenant(world: World): Promise<(body: object) => Promise<AcceptedAnswer>> {
  const tenant = await world.tenants.add(SYSTEM_ACTOR, 'second')
  await world.domains.add(SYSTEM_ACTOR, tenant, 'second.test', true)
  const scopes = ['messages:send']
  const { secret } = await world.access.keys.create(SYSTEM_ACTOR, tenant, {
    name: 'second',
    scopes,
    mode: 'live',
    grant: OPERATOR_GRANT,
  })
  const headers = { authorization: `Bearer ${secret}` }
  return async (body) => {
    const mail = { from: 'app@second.test', subject: 'Few', text: 'x', ...body }
    const { status, body: answer } = await world.call<AcceptedAnswer>(
      'POST',
      '/v1/messages',
      mail,
      headers,
    )
    expect(status).toBe(202)
    return answer
  }
}

const addresses = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${name}${i}@ok.test`)

test("one tenant's two thousand do not hold up another's ten", async () => {
  const world = await startTestApp()
  await world.egress.setLimits(SYSTEM_ACTOR, { ...SITE, limits: { connections: 2 } })
  const post = await secondTenant(world)
  // Everything becomes due at the same moment, the two thousand having come first.
  const sendAt = new Date(world.clock.now() + 3_600_000).toISOString()
  for (const half of ['many-a', 'many-b']) await world.post(addresses(half, 1_000), { sendAt })
  await post({ to: addresses('few', 10), sendAt })
  await world.quiet()
  world.clock.leap(3_600_000)
  await until(() => world.sink.messages.length === 2_010, 'all to arrive')
  const places = world.sink.messages.flatMap(({ mailFrom }, i) =>
    mailFrom === 'app@second.test' ? [i] : [],
  )
  expect(places).toHaveLength(10)
  expect(Math.max(...places)).toBeLessThan(60)
})

test('transactional mail overtakes bulk mail that waits, within the rate', async () => {
  const world = await startTestApp()
  const rate = { messages: 100, perMs: 1_000 }
  await world.egress.setLimits(SYSTEM_ACTOR, { ...SITE, limits: { connections: 4, rate } })
  await world.post(addresses('bulk', 1_000), { stream: 'bulk' })
  await until(() => world.sink.messages.length >= 50, 'bulk to flow')
  const before = world.sink.messages.length
  const { id } = await world.post(addresses('urgent', 10))
  await world.reach(id, 'delivered')
  const bulk = world.sink.messages.slice(before).filter(({ rcptTo }) => /^bulk/.test(rcptTo[0]!))
  // What was in hand, and what went while the request was on its way.
  expect(bulk.length).toBeLessThan(60)
  expect(world.sink.messages[0]!.mailFrom).toBe(`app@${SENDER}`)
})
