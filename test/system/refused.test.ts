/** What a receiving host refuses or breaks off concerns the delivery it was said of, and no other. */
import { expect, test } from 'vitest'
import { startTestApp } from '../support/app.ts'

const messageIdOf = (data: Buffer): string | undefined =>
  /^Message-ID: (.*)\r$/m.exec(data.toString('latin1'))?.[1]

test('a 5xx to one recipient does not stop the others', async () => {
  const world = await startTestApp()
  const { id } = await world.post([
    'ok1@ok.test',
    'bounce-550@ok.test',
    'defer-450@ok.test',
    'ok2@ok.test',
    'bounce-554-after-data@ok.test',
  ])
  const { deliveries } = await world.reach(id, 'delivered', 'bounced', 'deferred')
  expect(deliveries.map(({ to, state, code }) => [to, state, code])).toEqual([
    ['ok1@ok.test', 'delivered', 250],
    ['bounce-550@ok.test', 'bounced', 550],
    ['defer-450@ok.test', 'deferred', 450],
    ['ok2@ok.test', 'delivered', 250],
    ['bounce-554-after-data@ok.test', 'bounced', 554],
  ])
  expect(deliveries[1]).toMatchObject({
    reason: 'remote-refused',
    category: 'unknown-user',
    attempts: [{ stage: 'rcpt', reply: 'no such user here', verdict: { scope: 'recipient' } }],
  })
  expect(deliveries[1]!.events.map(({ type }) => type)).toEqual(['accepted', 'bounced'])
  expect(world.sink.messages).toHaveLength(2)
  expect(world.sink.violations).toEqual([])
})

test('a connection dropped in DATA is retried', async () => {
  const world = await startTestApp()
  const { id } = await world.post('drop-in-data@ok.test')
  const { deliveries } = await world.reach(id, 'deferred')
  expect(deliveries[0]).toMatchObject({
    reason: 'connection-lost',
    attempts: [{ result: 'failed', stage: 'body', fault: 'connection-lost' }],
  })
  await world.skip()
  await world.reach(id, 'deferred')
  expect(world.sink.counts.get('drop-in-data')).toBe(2)
})

test('a connection dropped after the final dot is in doubt: retried with the same Message-ID', async () => {
  let drops = 0
  const taken: (string | undefined)[] = []
  const world = await startTestApp({
    sink: {
      // The host takes the mail, but its answer gets lost the first time.
      replies(command, session) {
        if (command !== '.' || drops++ > 0) return undefined
        session.socket.destroy()
        return '250 2.0.0 lost on the way'
      },
      onMessage: ({ data }) => taken.push(messageIdOf(data)),
    },
  })
  const { id } = await world.post('ok@ok.test')
  const first = await world.reach(id, 'deferred')
  expect(first.deliveries[0]).toMatchObject({
    reason: 'connection-lost',
    attempts: [{ stage: 'body', fault: 'connection-lost', verdict: { action: 'retry' } }],
  })
  await world.skip()
  const second = await world.reach(id, 'delivered')
  expect(second.deliveries[0]!.attempts).toHaveLength(2)
  expect(taken).toHaveLength(2)
  expect(new Set(taken)).toEqual(new Set([`<${second.messageIdHeader}>`]))
})
