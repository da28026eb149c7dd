import { expect, test } from 'vitest'
import type { Job } from '../../../server/queue/jobs.ts'
import { makeReconciler, type WakeUp } from '../../../server/queue/reconcile.ts'
import { manualClock } from '../../support/clock.ts'
import { recordingLog } from '../../support/log.ts'

const wakeUp = (key: string, at: number): WakeUp => ({ job: { kind: 'lane', key }, at })

function setUp(due: () => AsyncIterable<WakeUp> | Promise<readonly WakeUp[]>) {
  const clock = manualClock(0)
  const log = recordingLog()
  const woken: string[] = []
  const jobs = { wake: (job: Job, at: number) => void woken.push(`${job.key}@${at}`) }
  const reconciler = makeReconciler({ jobs, clock, everyMs: 60_000, due, log })
  return { clock, log, woken, reconciler }
}

test('wakes everything at start and each minute, from a list', async () => {
  const { clock, woken, reconciler } = setUp(async () => [wakeUp('a', 5), wakeUp('b', 7)])
  reconciler.start()
  reconciler.start()
  await clock.settle()
  expect(woken).toEqual(['a@5', 'b@7'])
  await clock.advance(59_999)
  expect(woken).toHaveLength(2)
  await clock.advance(1)
  expect(woken).toHaveLength(4)
  await clock.advance(120_000)
  expect(woken).toHaveLength(8)
})

test('wakes from a stream as it comes', async () => {
  const { reconciler, woken } = setUp(async function* () {
    yield wakeUp('a', 1)
    await Promise.resolve()
    yield wakeUp('b', 2)
  })
  expect(await reconciler.runOnce()).toBe(2)
  expect(woken).toEqual(['a@1', 'b@2'])
})

test('a round that fails is told, keeps what it woke, and the next one comes', async () => {
  let rounds = 0
  const { clock, log, woken, reconciler } = setUp(async function* () {
    rounds++
    yield wakeUp('a', 1)
    await Promise.resolve()
    if (rounds === 1) throw new Error('database is locked')
  })
  reconciler.start()
  await clock.settle()
  expect(log.of('reconcile-failed')).toHaveLength(1)
  await clock.advance(60_000)
  expect(rounds).toBe(2)
  expect(woken).toEqual(['a@1', 'a@1'])
})

test('rounds do not overlap: a slow one is joined, the pause starts at its end', async () => {
  let rounds = 0
  let finish = (): void => undefined
  const { clock, reconciler } = setUp(() => {
    rounds++
    return new Promise((resolve) => {
      finish = () => resolve([])
    })
  })
  reconciler.start()
  const joined = reconciler.runOnce()
  await clock.advance(300_000)
  expect(rounds).toBe(1)
  finish()
  expect(await joined).toBe(0)
  await clock.advance(60_000)
  expect(rounds).toBe(2)
  finish()
})

test('stop waits for the round under way and ends the rounds', async () => {
  let finish = (): void => undefined
  const { clock, woken, reconciler } = setUp(
    () =>
      new Promise((resolve) => {
        finish = () => resolve([wakeUp('a', 1)])
      }),
  )
  reconciler.start()
  await clock.settle()
  let stopped = false
  const stopping = reconciler.stop().then(() => (stopped = true))
  await clock.settle()
  expect(stopped).toBe(false)
  finish()
  await stopping
  expect(woken).toEqual(['a@1'])
  await clock.advance(600_000)
  expect(woken).toHaveLength(1)
  expect(clock.pending()).toBe(0)
})
