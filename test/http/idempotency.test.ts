import { afterAll, beforeAll, expect, test } from 'vitest'
import { aMessage, codeOf, openWorld } from './support.ts'
import type { World } from './support.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

const keyed = (key: string): Record<string, string> => ({ 'idempotency-key': key })

test('100 requests at once under one key make one message', async () => {
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => world.post('/v1/messages', aMessage(), keyed('same'))),
  )
  expect(new Set(answers.map(({ statusCode }) => statusCode))).toEqual(new Set([202]))
  expect(new Set(answers.map(({ body }) => body)).size).toBe(1)
  const replayed = answers.filter(({ headers }) => headers['idempotency-replayed'] === 'true')
  expect(replayed).toHaveLength(99)
  const { items } = (await world.get('/v1/messages')).json<{ items: unknown[] }>()
  expect(items).toHaveLength(1)
})

test('100 different keys at once make 100 messages', async () => {
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => world.post('/v1/messages', aMessage(), keyed(`k${i}`))),
  )
  expect(new Set(answers.map(({ body }) => body)).size).toBe(100)
})

test('a key that was used for something else is refused', async () => {
  const first = await world.post('/v1/messages', aMessage(), keyed('once'))
  const { secret } = await world.newKey(world.tenant, ['messages:send'], 'test')
  const others: [why: string, response: Promise<Awaited<ReturnType<World['post']>>>][] = [
    ['another body', world.post('/v1/messages', aMessage({ subject: 'Other' }), keyed('once'))],
    ['another path', world.post('/v1/messages/batch', [aMessage()], keyed('once'))],
    [
      'a test key',
      world.post('/v1/messages', aMessage(), {
        ...keyed('once'),
        authorization: `Bearer ${secret}`,
      }),
    ],
  ]
  for (const [why, response] of others) {
    const answer = await response
    expect([why, answer.statusCode, codeOf(answer)]).toEqual([why, 409, 'IDEMPOTENCY_KEY_REUSED'])
  }
  const again = await world.post('/v1/messages', aMessage(), keyed('once'))
  expect([again.statusCode, again.body]).toEqual([202, first.body])
})

test('keys of other tenants are other keys', async () => {
  const { secret } = await world.newKey(await world.newTenant('other'), ['messages:send'])
  const mine = await world.post('/v1/messages', aMessage(), keyed('shared'))
  const theirs = await world.post('/v1/messages', aMessage({ subject: 'Theirs' }), {
    ...keyed('shared'),
    authorization: `Bearer ${secret}`,
  })
  expect([mine.statusCode, theirs.statusCode]).toEqual([202, 202])
  expect(theirs.headers['idempotency-replayed']).toBeUndefined()
})

test('a batch and a raw message replay as well', async () => {
  const batch = () => world.post('/v1/messages/batch', [aMessage(), aMessage()], keyed('batch'))
  const raw = () =>
    world.post(
      '/v1/messages/raw?from=a@live.example&to=b@d.example',
      'From: a@live.example\r\n\r\nHi\r\n',
      { ...keyed('raw'), 'content-type': 'message/rfc822' },
    )
  for (const send of [batch, raw]) {
    const [first, second] = [await send(), await send()]
    expect(first.statusCode).toBe(202)
    expect(first.headers['idempotency-replayed']).toBeUndefined()
    expect(second.headers['idempotency-replayed']).toBe('true')
    expect(second.body).toBe(first.body)
  }
})

test('a refused request does not use the key up', async () => {
  expect(
    (await world.post('/v1/messages', aMessage({ to: 'bad' }), keyed('free'))).statusCode,
  ).toBe(400)
  expect((await world.post('/v1/messages', aMessage(), keyed('free'))).statusCode).toBe(202)
})

test.each([
  ['', 'empty'],
  ['a b', 'a space'],
  ['ä', 'not ASCII'],
  ['x'.repeat(256), 'too long'],
])('the key %j is refused: %s', async (key) => {
  const answer = await world.post('/v1/messages', aMessage(), keyed(key))
  expect([answer.statusCode, codeOf(answer)]).toEqual([400, 'IDEMPOTENCY_KEY_INVALID'])
})
