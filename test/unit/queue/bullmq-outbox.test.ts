/** What Redis gets to hear of: few round trips, no lost wish. */
import { expect, test } from 'vitest'
import { makeOutbox, type OutboxEntry } from '../../../server/queue/bullmq-outbox.ts'
import { manualClock } from '../../support/clock.ts'

const job = { kind: 'lane', key: 'a' } as const

function setUp() {
  const clock = manualClock(1_000)
  const sent: string[] = []
  let answer: 'ok' | 'ask-again' | Error = 'ok'
  const outbox = makeOutbox({
    clock,
    deliver: async (batch: readonly OutboxEntry[]) => {
      sent.push(batch.map(({ id, at }) => `${id}@${at}`).join(' '))
      await Promise.resolve()
      if (answer instanceof Error) throw answer
      return answer === 'ok' ? [] : batch
    },
    onFailure: () => undefined,
  })
  const answerWith = (next: typeof answer): void => {
    answer = next
  }
  return { clock, sent, outbox, answerWith }
}

test('10,000 wishes a window are two sends: the first at once, the last at its end', async () => {
  const { clock, sent, outbox } = setUp()
  for (let i = 0; i < 5_000; i++) outbox.wake(job, 1_000)
  await clock.settle()
  expect(sent).toEqual(['lane-a@1000'])
  for (let i = 0; i < 5_000; i++) outbox.wake(job, 1_010)
  await clock.settle()
  expect(sent).toHaveLength(1)
  await clock.advance(50)
  // Another process may have run the job between the two, so the second wish counts.
  expect(sent).toEqual(['lane-a@1000', 'lane-a@1010'])
  await clock.advance(500)
  expect(sent).toHaveLength(2)
})

test('an earlier wish does not wait for the end of the window', async () => {
  const { clock, sent, outbox } = setUp()
  outbox.wake(job, 9_000)
  await clock.settle()
  outbox.wake(job, 2_000)
  await clock.settle()
  expect(sent).toEqual(['lane-a@9000', 'lane-a@2000'])
})

test('wishes of one turn travel together', async () => {
  const { clock, sent, outbox } = setUp()
  outbox.wake(job, 1_000)
  outbox.wake({ kind: 'route', key: 'a:b%' }, 1_000.5)
  await clock.settle()
  expect(sent).toEqual(['lane-a@1000 route-a%3Ab%25@1001'])
})

test('while the job runs here its wishes stay here; what is left goes out at its end', async () => {
  const { clock, sent, outbox } = setUp()
  const entry = outbox.enter(job)!
  expect(outbox.enter(job)).toBeUndefined()
  outbox.wake(job, 5_000)
  outbox.wake(job, 4_000)
  await clock.advance(1_000)
  expect(sent).toEqual([])
  expect(outbox.take(entry)).toBe(4_000)
  expect(outbox.take(entry)).toBe(Infinity)
  outbox.wake(job, 6_000)
  outbox.leave(entry, Infinity)
  await clock.settle()
  expect(sent).toEqual(['lane-a@6000'])
})

test('a wish that a run here overtook is not sent', async () => {
  const { clock, sent, outbox } = setUp()
  outbox.wake(job, 1_000)
  const entry = outbox.enter(job)!
  await clock.settle()
  outbox.leave(entry, Infinity)
  await clock.advance(1_000)
  expect(sent).toEqual([])
})

test('asked to ask again, it does so at the end of the window', async () => {
  const { clock, sent, outbox, answerWith } = setUp()
  answerWith('ask-again')
  outbox.wake(job, 1_000)
  await clock.settle()
  answerWith('ok')
  await clock.advance(50)
  await clock.advance(500)
  expect(sent).toEqual(['lane-a@1000', 'lane-a@1000'])
})

test('without a broker one wish per job is kept and tried each second; its return ends the wait', async () => {
  const { clock, sent, outbox, answerWith } = setUp()
  answerWith(new Error('gone'))
  outbox.wake(job, 3_000)
  await clock.settle()
  for (let i = 0; i < 1_000; i++) outbox.wake(job, 3_000 - i)
  await clock.advance(2_500)
  expect(sent).toEqual(['lane-a@3000', 'lane-a@2001', 'lane-a@2001'])
  expect(outbox.size()).toBe(1)
  answerWith('ok')
  outbox.resume()
  await clock.settle()
  expect(outbox.size()).toBe(0)
  await clock.advance(5_000)
  expect(sent).toHaveLength(4)
  expect(clock.pending()).toBe(0)
})

test('closing sends what waits, once, and takes no more', async () => {
  const { clock, sent, outbox, answerWith } = setUp()
  outbox.wake(job, 1_000)
  await clock.settle()
  outbox.wake(job, 1_020)
  await outbox.close()
  expect(sent).toEqual(['lane-a@1000', 'lane-a@1020'])
  answerWith(new Error('gone'))
  outbox.wake({ kind: 'lane', key: 'b' }, 1_000)
  await clock.advance(5_000)
  expect(sent).toHaveLength(2)
  expect(clock.pending()).toBe(0)
})
