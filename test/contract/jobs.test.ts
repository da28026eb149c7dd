/** The jobs contract against each engine, and what only the embedded one can promise. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { realClock } from '../../server/ports.ts'
import { bullmqJobs } from '../../server/queue/bullmq.ts'
import { embeddedJobs } from '../../server/queue/embedded.ts'
import type { JobHandler } from '../../server/queue/jobs.ts'
import { manualClock } from '../support/clock.ts'
import { recordingLog } from '../support/log.ts'
import { redisAvailable, startRedis, type TestRedis } from '../support/redis.ts'
import { counter, lane, notes, nothing } from './jobs.bench.ts'
import { jobsContract } from './jobs.contract.ts'

const pass = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

jobsContract('embedded, manual clock', async () => {
  const clock = manualClock()
  const log = recordingLog()
  return {
    clock,
    log,
    pass: (ms) => clock.advance(ms),
    engine: () => embeddedJobs({ clock, log }),
    shares: false,
    lateMs: 20,
  }
})

jobsContract('embedded, real clock', async () => {
  const log = recordingLog()
  return {
    clock: realClock,
    log,
    pass,
    engine: () => embeddedJobs({ clock: realClock, log }),
    shares: false,
    lateMs: 1_000,
  }
})

describe('embedded', () => {
  test('has one timer for all jobs, and none when nothing waits', async () => {
    const clock = manualClock()
    const jobs = embeddedJobs({ clock, log: recordingLog() })
    const { handler, runs } = counter()
    jobs.start({ lane: handler, route: nothing }, { concurrency: 8 })
    for (let i = 0; i < 1_000; i++) jobs.wake(lane(`${i}`), clock.now() + 1 + ((i * 7919) % 1_000))
    expect(clock.pending()).toBe(1)
    await clock.advance(1_000)
    expect(runs()).toBe(1_000)
    expect(clock.pending()).toBe(0)
    expect(await jobs.depth()).toEqual({ waiting: 0, delayed: 0, active: 0 })
  })

  test('runs due jobs in the order of their wishes', async () => {
    const clock = manualClock()
    const jobs = embeddedJobs({ clock, log: recordingLog() })
    const { handler, ran } = notes()
    const start = clock.now()
    const offsets = Array.from({ length: 200 }, (_, i) => (i * 37) % 101)
    offsets.forEach((offset, i) => jobs.wake(lane(`${offset}/${i}`), start + offset))
    await clock.advance(200)
    jobs.start({ lane: handler, route: nothing }, { concurrency: 1 })
    await clock.advance(1_000)
    const expected = offsets
      .map((offset, i) => ({ offset, i }))
      .sort((a, b) => a.offset - b.offset || a.i - b.i)
      .map(({ offset, i }) => `${offset}/${i}`)
    while (ran.length < expected.length) await clock.settle()
    expect(ran).toEqual(expected)
  })

  test('keeps a wish that is further away than a timer can count', async () => {
    const clock = manualClock()
    const jobs = embeddedJobs({ clock, log: recordingLog() })
    const ran: number[] = []
    const note: JobHandler = async () => {
      ran.push(clock.now())
      return undefined
    }
    jobs.start({ lane: note, route: nothing }, { concurrency: 1 })
    const at = clock.now() + 60 * 86_400_000
    jobs.wake(lane('a'), at)
    await clock.advance(61 * 86_400_000)
    expect(ran).toEqual([at])
  })

  test('the back-off ends at 60 s', async () => {
    const clock = manualClock()
    const log = recordingLog()
    const jobs = embeddedJobs({ clock, log })
    const fail: JobHandler = async () => {
      throw new Error('always')
    }
    jobs.start({ lane: fail, route: nothing }, { concurrency: 1 })
    jobs.wake(lane('a'), clock.now())
    await clock.advance(5 * 60_000)
    const pauses = log.of('job-failed').map(({ fields }) => fields['retryInMs'])
    expect(pauses.slice(0, 8)).toEqual([1e3, 2e3, 4e3, 8e3, 16e3, 32e3, 60e3, 60e3])
  })
})

describe.skipIf(!redisAvailable())('with Redis', () => {
  let redis: TestRedis
  let names = 0

  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.close())

  jobsContract('bullmq', async () => {
    const log = recordingLog()
    const prefix = `test-${process.pid}-${names++}`
    return {
      clock: realClock,
      log,
      pass,
      engine: () => bullmqJobs({ url: redis.url, prefix, clock: realClock, log }),
      shares: true,
      lateMs: 1_000,
    }
  })
})
