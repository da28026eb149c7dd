/** What only the BullMQ engine has: a broker that can be lost, emptied or shared with other processes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { realClock } from '../../server/ports.ts'
import { bullmqJobs, type BullmqJobs, type BullmqOptions } from '../../server/queue/bullmq.ts'
import { recordingLog } from '../support/log.ts'
import { redisAvailable, startRedis, type TestRedis } from '../support/redis.ts'
import { counter, gate, lane, notes, nothing } from './jobs.bench.ts'

const pass = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe.skipIf(!redisAvailable())('bullmq', () => {
  let redis: TestRedis
  let names = 0
  const engines: BullmqJobs[] = []
  const children: ChildProcess[] = []
  const prefix = (): string => `test-${process.pid}-${names++}`

  beforeAll(async () => {
    redis = await startRedis()
  })
  afterEach(async () => {
    await Promise.all(engines.splice(0).map((jobs) => jobs.close(200)))
    for (const child of children.splice(0)) child.kill('SIGKILL')
  })
  afterAll(() => redis.close())

  function engine(options: Partial<BullmqOptions> & { prefix: string }): BullmqJobs {
    const log = recordingLog()
    const jobs = bullmqJobs({ url: redis.url, clock: realClock, log, ...options })
    engines.push(jobs)
    return jobs
  }
  async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const end = Date.now() + 15_000
    while (!(await holds())) {
      if (Date.now() > end) throw new Error(`did not happen: ${what}`)
      await pass(10)
    }
  }

  test('after FLUSHALL a new wish works, and so does the end of a run', async ({ skip }) => {
    if (!redis.owned) skip('would flush a Redis that is not ours')
    const jobs = engine({ prefix: prefix() })
    let runs = 0
    let letGo = (): void => undefined
    jobs.start(
      {
        lane: async () => {
          runs++
          if (runs === 1)
            await new Promise<void>((resolve) => {
              letGo = resolve
            })
          return undefined
        },
        route: nothing,
      },
      { concurrency: 2 },
    )
    jobs.wake(lane('running'), Date.now())
    jobs.wake(lane('later'), Date.now() + 60_000)
    await until('the first run', () => runs === 1)
    await command(redis, 'FLUSHALL')
    jobs.wake(lane('later'), Date.now())
    await until('the run of the lost job', () => runs === 2)
    jobs.wake(lane('running'), Date.now())
    letGo()
    await until('one more run of the job that lost its carrier', () => runs === 3)
    expect(jobs.problem()).toBeUndefined()
  })

  test('a lost broker is a problem, not an error; its return is found, and wishes were kept', async ({
    skip,
  }) => {
    if (!redis.owned) skip('would stop a Redis that is not ours')
    const jobs = engine({ prefix: prefix() })
    const ran = new Map<string, number>()
    let letGo = (): void => undefined
    jobs.start(
      {
        lane: async ({ key }) => {
          ran.set(key, (ran.get(key) ?? 0) + 1)
          if (key === 'running' && ran.get(key) === 1) {
            await new Promise<void>((resolve) => {
              letGo = resolve
            })
            return Date.now()
          }
          return undefined
        },
        route: nothing,
      },
      { concurrency: 4 },
    )
    jobs.wake(lane('running'), Date.now())
    await until('the first run', () => ran.size === 1)
    await redis.stop()
    await until('a problem', () => jobs.problem() !== undefined)
    expect(jobs.problem()).toMatch(/^redis: /)
    for (let i = 0; i < 1_000; i++) jobs.wake(lane(`job-${i % 20}`), Date.now())
    letGo()
    expect((await jobs.depth()).waiting).toBe(20)
    await pass(300)
    await redis.start()
    await until('no problem', () => jobs.problem() === undefined)
    await until('all runs', () => ran.size === 21 && ran.get('running') === 2)
    // The new server never saw the scripts and the worker's old connection: a fresh job must pass too.
    jobs.wake(lane('fresh'), Date.now())
    await until('a fresh run', () => ran.get('fresh') === 1)
  })

  test('a job whose lock was lost does not run twice here: it runs once more afterwards', async ({
    skip,
  }) => {
    if (!redis.owned) skip('would delete a lock in a Redis that is not ours')
    const log = recordingLog()
    const own = prefix()
    const jobs = engine({ prefix: own, lockMs: 600, log })
    const { handler, open, runs } = gate()
    jobs.start({ lane: handler, route: nothing }, { concurrency: 4 })
    jobs.wake(lane('a'), Date.now())
    await until('the first run', () => runs() === 1)
    await command(redis, `DEL ${own}:jobs:lane-a:lock`, ':1')
    await until('the loss to be noticed', () => log.of('jobs-lock-lost').length > 0)
    // Long enough for the job to be found stalled and to be taken again.
    await pass(1_800)
    expect(runs()).toBe(1)
    open()
    await until('one more run', () => runs() === 2)
    await pass(300)
    expect(runs()).toBe(2)
    expect((await jobs.depth()).active).toBe(0)
  })

  test('closes at once when the broker was never there', async () => {
    const jobs = engine({ prefix: prefix(), url: 'redis://127.0.0.1:1' })
    jobs.start({ lane: nothing, route: nothing }, { concurrency: 1 })
    jobs.wake(lane('a'), Date.now())
    await until('the reason', () => /ECONNREFUSED/.test(jobs.problem() ?? ''))
    expect(await jobs.depth()).toEqual({ waiting: 1, delayed: 0, active: 0 })
    const since = Date.now()
    await jobs.close(10_000)
    expect(Date.now() - since).toBeLessThan(1_000)
  })

  test('closes soon when the broker was lost and nothing runs', async ({ skip }) => {
    if (!redis.owned) skip('would stop a Redis that is not ours')
    const jobs = engine({ prefix: prefix() })
    const { handler, runs } = counter()
    jobs.start({ lane: handler, route: nothing }, { concurrency: 1 })
    jobs.wake(lane('a'), Date.now())
    await until('a run', () => runs() === 1)
    await redis.stop()
    await until('a problem', () => jobs.problem() !== undefined)
    const since = Date.now()
    await jobs.close(15_000)
    const took = Date.now() - since
    await redis.start()
    expect(took).toBeLessThan(3_000)
  })

  test('warns of a broker that evicts keys', async ({ skip }) => {
    if (!redis.owned) skip('would reconfigure a Redis that is not ours')
    await command(redis, 'CONFIG SET maxmemory-policy allkeys-lru')
    const bad = engine({ prefix: prefix() })
    await until('the warning', () => bad.warnings().length === 1)
    expect(bad.warnings()[0]).toContain('allkeys-lru')
    expect(bad.problem()).toBeUndefined()
    await command(redis, 'CONFIG SET maxmemory-policy noeviction')
    const good = engine({ prefix: prefix() })
    await until('connected', () => good.problem() === undefined)
    await pass(50)
    expect(good.warnings()).toEqual([])
  })

  test('takes the password from the URL and names a wrong one as the problem', async ({ skip }) => {
    if (!redis.owned) skip('would reconfigure a Redis that is not ours')
    const closed = await startRedis(['--requirepass', 'open sesame'])
    const url = (password: string): string => closed.url.replace('//', `//:${password}@`)
    const right = engine({ prefix: prefix(), url: url('open%20sesame') })
    const wrong = engine({ prefix: prefix(), url: url('simsalabim') })
    await until('the right one connected', () => right.problem() === undefined)
    await until('the wrong one refused', () => /WRONGPASS|NOAUTH/.test(wrong.problem() ?? ''))
    expect(wrong.problem()).not.toContain('simsalabim')
    await Promise.all([right.close(100), wrong.close(100)])
    await closed.close()
  })

  test('a wish of one process runs in another, and a killed process loses no job', async () => {
    const shared = prefix()
    const lines: string[] = []
    const child = spawn(
      process.execPath,
      [new URL('../support/jobs-child.mjs', import.meta.url).pathname, redis.url, shared],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    children.push(child)
    child.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(...text.split('\n')))
    const jobs = engine({ prefix: shared, lockMs: 1_000 })
    jobs.wake(lane('held'), Date.now())
    await until('the run in the child', () => lines.includes('run held'))

    // Here it must wait while the child lives and renews its lock, however long the run.
    const { handler, ran } = notes()
    jobs.start({ lane: handler, route: nothing }, { concurrency: 2 })
    jobs.wake(lane('held'), Date.now())
    await pass(3_500)
    expect(ran).toEqual([])

    child.kill('SIGKILL')
    await once(child, 'exit')
    await until('the run of the orphan', () => ran.includes('held'))
  })
})

/** One inline command to a server of ours, and what it must answer. */
async function command(redis: TestRedis, words: string, expected = '+OK'): Promise<void> {
  const socket = connect(Number(new URL(redis.url).port), '127.0.0.1')
  socket.write(`${words}\r\n`)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  expect(answer.toString()).toBe(`${expected}\r\n`)
}
