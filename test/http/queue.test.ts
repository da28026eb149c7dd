/** The queue over REST: what waits, stopping a lane, and trying again. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asId, encodeId } from '../../server/core/ids.ts'
import { ensureLane } from '../../server/store/lanes.ts'
import { leapClock } from '../support/leap-clock.ts'
import type { LeapClock } from '../support/leap-clock.ts'
import { aMessage, codeOf, openWorld } from './support.ts'
import type { World } from './support.ts'

let world: World
let clock: LeapClock
let lane: string
beforeAll(async () => {
  clock = leapClock()
  world = await openWorld({}, {}, { clock })
  await world.post('/v1/sources', { name: 'one', ehlo: 'one.example' })
  const [source] = world.all<{ id: number }>('select id from sources')
  const destination = { kind: 'mx', provider: undefined, site: 'mx.dest.example' } as const
  const of = { source: asId('source', source!.id), destination }
  const id = await ensureLane(world.store, of, clock.now())
  lane = encodeId('lane', id)
  for (const to of ['ada@dest.example', 'bob@dest.example', 'eve@other.example'])
    await world.post('/v1/messages', aMessage({ to }))
  const query = world.store.across.build
    .updateTable('deliveries')
    .set({ lane_id: id })
    .where('recipient', 'like', '%@dest.example')
    .compile()
  await world.store.writer.write([{ query }], { unaudited: 'test' })
})
afterAll(() => world.close())

const lanes = async (): Promise<Record<string, unknown>[]> =>
  (await world.get('/v1/queue/lanes')).json<{ items: Record<string, unknown>[] }>().items

test('a lane tells what waits on it, and for whom', async () => {
  expect(await lanes()).toMatchObject([
    { id: lane, source: 'one', waiting: 2, due: 2, leased: 0, isOwned: false },
  ])
})

test('a lane is suspended for a while with a reason, and resumed', async () => {
  const body = { minutes: 5, because: 'waiting for removal from a blocklist' }
  const held = await world.post(`/v1/queue/lanes/${lane}/suspend`, body)
  expect(held.statusCode).toBe(204)
  const [row] = await lanes()
  expect(row).toMatchObject({ suspendedBecause: body.because })
  const until = Date.parse(String(row?.['suspendedUntil']))
  expect(Math.abs(until - clock.now() - 5 * 60_000)).toBeLessThan(10_000)
  for (let i = 0; i < 2; i++) {
    const resumed = await world.app.inject({
      method: 'POST',
      url: `/v1/queue/lanes/${lane}/resume`,
      headers: { authorization: `Bearer ${world.key}` },
    })
    expect(resumed.statusCode).toBe(204)
  }
  expect((await lanes())[0]).not.toHaveProperty('suspendedUntil')
})

describe('retrying', () => {
  const retry = async (body: object) => (await world.post('/v1/queue/retry', body)).json<object>()

  test.each<[body: object, matching: number, why: string]>([
    [{}, 3, 'everything that waits'],
    [{ domain: 'dest.example' }, 2, 'one domain'],
    [{ domain: 'DEST.example' }, 2, 'in any case'],
    [{ state: 'deferred' }, 0, 'nothing was tried yet'],
    [{ domain: 'nobody.example' }, 0, 'nobody there'],
  ])('counts %o as %i: %s', async (body, matching) => {
    expect(await retry({ ...body, dryRun: true })).toEqual({ matching, retried: 0 })
  })
  test('of one lane counts that lane, and no more than the limit is touched', async () => {
    expect(await retry({ lane, dryRun: true })).toEqual({ matching: 2, retried: 0 })
    expect(await retry({ lane, limit: 1 })).toEqual({ matching: 2, retried: 1 })
    expect(await retry({ lane })).toEqual({ matching: 2, retried: 2 })
  })
})

describe('refused', () => {
  test.each<[url: string, body: object, status: number, code: string, why: string]>([
    ['lanes/LANE/suspend', { minutes: 0, because: 'x' }, 400, 'BODY_INVALID', 'no time'],
    ['lanes/LANE/suspend', { minutes: 43_201, because: 'x' }, 400, 'BODY_INVALID', 'over a month'],
    ['lanes/LANE/suspend', { minutes: 5 }, 400, 'BODY_INVALID', 'no reason'],
    ['lanes/LANE/suspend', { minutes: 5, because: 'a\nb' }, 400, 'BODY_INVALID', 'two lines'],
    ['lanes/lan_00000000zzz/suspend', { minutes: 5, because: 'x' }, 404, 'NOT_FOUND', 'no lane'],
    ['lanes/src_00000000001/suspend', { minutes: 5, because: 'x' }, 400, 'ID_INVALID', 'a source'],
    ['retry', { state: 'delivered' }, 400, 'BODY_INVALID', 'what is done is done'],
    ['retry', { limit: 0 }, 400, 'BODY_INVALID', 'nothing to do'],
    ['retry', { lane: 'x' }, 400, 'ID_INVALID', 'no lane'],
    ['retry', { tenant: 'acme' }, 400, 'FIELD_UNKNOWN', 'no such filter'],
  ])('%s %o → %i %s: %s', async (url, body, status, code) => {
    const answer = await world.post(`/v1/queue/${url.replace('LANE', lane)}`, body)
    expect([answer.statusCode, codeOf(answer)]).toEqual([status, code])
  })
})
