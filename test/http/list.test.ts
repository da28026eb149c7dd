import { afterAll, beforeAll, expect, test } from 'vitest'
import { aMessage, openWorld } from './support.ts'
import type { World } from './support.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

interface PageBody {
  items: { id: string; subject?: string; type?: string; message?: string; to?: string }[]
  nextCursor: string | null
}
const page = async (url: string, headers = {}): Promise<PageBody> =>
  (await world.get(url, headers)).json<PageBody>()
const send = (changes: Record<string, unknown>): Promise<unknown> =>
  world.post('/v1/messages', aMessage(changes))
const subjects = async (query: string): Promise<(string | undefined)[]> =>
  (await page(`/v1/messages?${query}`)).items.map(({ subject }) => subject)

test('250 messages are paged through once each, newest first, while others arrive', async () => {
  const batch = (from: number): Record<string, unknown>[] =>
    Array.from({ length: 50 }, (_, i) => aMessage({ subject: `n${from + i}` }))
  for (let from = 0; from < 250; from += 50) await world.post('/v1/messages/batch', batch(from))

  const seen: (string | undefined)[] = []
  let cursor: string | null = ''
  let pages = 0
  while (cursor !== null) {
    const query: string = cursor === '' ? '' : `&cursor=${cursor}`
    const { items, nextCursor }: PageBody = await page(`/v1/messages?limit=40${query}`)
    seen.push(...items.map(({ subject }) => subject))
    cursor = nextCursor
    await send({ subject: `late${pages++}` })
  }
  const expected = Array.from({ length: 250 }, (_, i) => `n${249 - i}`)
  expect(seen).toEqual(expected)
})

test('filters', async () => {
  await send({ subject: 'f1', to: 'special@dest.example', tags: ['blue'] })
  await send({ subject: 'f2', from: 'x@sandbox.example', to: 'special@dest.example' })
  await send({ subject: 'f3', from: 'y@live.example', tags: ['blue', 'red'] })
  await send({
    subject: 'f4',
    to: 'bad@dest.example',
    sendAt: new Date(Date.now() + 9e6).toISOString(),
  })

  expect(await subjects('to=special@DEST.example')).toEqual(['f2', 'f1'])
  expect(await subjects('to=special@dest.example&sandbox=true')).toEqual(['f2'])
  expect(await subjects('to=special@dest.example&sandbox=false')).toEqual(['f1'])
  expect(await subjects('from=y@live.example')).toEqual(['f3'])
  expect(await subjects('tag=blue')).toEqual(['f3', 'f1'])
  expect(await subjects('state=delivered')).toEqual(['f2'])
  expect(await subjects('state=bounced')).toEqual([])
  for (const subject of ['c1', 'c2']) {
    const { id } = (await world.post('/v1/messages', aMessage({ subject }))).json<{ id: string }>()
    await world.post(`/v1/messages/${id}/cancel`, {})
  }
  expect(await subjects('state=cancelled')).toEqual(['c2', 'c1'])
  expect(await subjects('state=cancelled&limit=1')).toEqual(['c2'])
  expect(await subjects('since=2100-01-01T00:00:00Z')).toEqual([])
  expect(await subjects('limit=2')).toEqual(['c2', 'c1'])
})

test('a tenant sees nothing of another', async () => {
  const { items } = await page('/v1/messages?limit=1')
  const mine = items[0]!.id
  const message = (await world.get(`/v1/messages/${mine}`)).json<{ deliveries: { id: string }[] }>()
  const delivery = message.deliveries[0]!.id
  const { secret } = await world.newKey(await world.newTenant('stranger'), [
    'messages:read',
    'messages:manage',
  ])
  const headers = { authorization: `Bearer ${secret}` }
  expect(await page('/v1/messages', headers)).toEqual({ items: [], nextCursor: null })
  expect((await page('/v1/events', headers)).items).toEqual([])
  for (const url of [
    `/v1/messages/${mine}`,
    `/v1/messages/${mine}/content`,
    `/v1/deliveries/${delivery}`,
    `/v1/deliveries/${delivery}/explain`,
  ])
    expect([url, (await world.get(url, headers)).statusCode]).toEqual([url, 404])
  expect((await world.post(`/v1/messages/${mine}/cancel`, {}, headers)).statusCode).toBe(404)
})

test('the deliveries of a message to many come in pages', async () => {
  const to = Array.from({ length: 20 }, (_, i) => `m${i}@dest.example`)
  const { id } = (await world.post('/v1/messages', aMessage({ to }))).json<{ id: string }>()
  const seen: string[] = []
  let after: string | null = ''
  while (after !== null) {
    const query: string = after === '' ? '' : `&deliveriesAfter=${after}`
    const body: {
      recipients: number
      deliveries: { to: string }[]
      nextDeliveriesAfter: string | null
    } = (await world.get(`/v1/messages/${id}?limit=8${query}`)).json()
    expect(body.recipients).toBe(20)
    seen.push(...body.deliveries.map((delivery) => delivery.to))
    after = body.nextDeliveriesAfter
  }
  expect(seen).toEqual(to)
})

test('the feed of events tells everything once, in order, and goes on from its cursor', async () => {
  const follow = async (cursor: string | null): Promise<[PageBody['items'], string | null]> => {
    const all: PageBody['items'] = []
    for (;;) {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`
      const { items, nextCursor } = await page(`/v1/events?limit=100${query}`)
      if (items.length === 0) return [all, cursor]
      all.push(...items)
      cursor = nextCursor
    }
  }
  const [before, cursor] = await follow(null)
  expect(new Set(before.map(({ id }) => id)).size).toBe(before.length)
  expect(before.map(({ id }) => id)).toEqual(before.map(({ id }) => id).sort())

  const { id } = (await world.post('/v1/messages', aMessage({ from: 'x@sandbox.example' }))).json<{
    id: string
  }>()
  const [after] = await follow(cursor)
  expect(after.map(({ type, message, to }) => [type, message, to])).toEqual([
    ['accepted', id, 'ada@dest.example'],
    ['delivered', id, 'ada@dest.example'],
  ])
})
