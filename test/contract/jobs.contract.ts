/**
 * What every jobs engine must do, as tests over a factory. The suite asks the bench to let time pass, so that it runs
 * on a manual clock in no time and against a real broker with short waits; bounds are generous, order and counts exact.
 */
import { describe, expect, test } from 'vitest'
import type { JobHandler } from '../../server/queue/jobs.ts'
import { counter, gate, jobsFixture, type JobsBench, lane, nothing, notes } from './jobs.bench.ts'
import { slotCases } from './jobs.slots.contract.ts'

/** Runs the contract against the engines of `openBench`. */
export function jobsContract(name: string, openBench: () => Promise<JobsBench>): void {
  describe(`jobs contract: ${name}`, () => {
    const bench = jobsFixture(openBench)
    const { now, open, quiet, started, until } = bench

    test('runs at the wished time, not before', async () => {
      const ran: number[] = []
      const jobs = started(async () => {
        ran.push(now())
        return undefined
      })
      const at = now() + 200
      jobs.wake(lane('a'), at)
      await until('the run', () => ran.length > 0)
      expect(ran[0]).toBeGreaterThanOrEqual(at)
      expect(ran[0]).toBeLessThan(at + bench.lateMs)
      await quiet()
      expect(ran).toHaveLength(1)
    })

    test.each([
      ['a second ago', -1_000],
      ['now', 0],
      ['the epoch', -Infinity],
    ])('a wish for %s runs now', async (_when, offset) => {
      const { handler, runs } = counter()
      const jobs = started(handler)
      jobs.wake(lane('a'), Math.max(0, now() + offset))
      await until('the run', () => runs() === 1)
      await quiet()
      expect(runs()).toBe(1)
    })

    test.each([
      ['Infinity', Infinity],
      ['NaN', NaN],
    ])('%s is no time and asks for nothing', async (_what, at) => {
      const { handler, runs } = counter()
      const jobs = started(handler)
      jobs.wake(lane('a'), at)
      await quiet()
      expect(runs()).toBe(0)
      expect(await jobs.depth()).toEqual({ waiting: 0, delayed: 0, active: 0 })
    })

    test('the earliest wish wins, whichever comes first', async () => {
      const ran = new Map<string, number[]>()
      const jobs = started(async ({ key }) => {
        ran.set(key, [...(ran.get(key) ?? []), now()])
        return undefined
      })
      const soon = now() + 300
      jobs.wake(lane('late-then-soon'), now() + 60_000)
      jobs.wake(lane('soon-then-late'), soon)
      await bench.pass(100)
      jobs.wake(lane('late-then-soon'), soon)
      jobs.wake(lane('soon-then-late'), now() + 60_000)
      await until('both runs', () => ran.size === 2)
      await quiet()
      for (const [key, times] of ran) {
        expect(times, key).toHaveLength(1)
        expect(times[0], key).toBeGreaterThanOrEqual(soon)
        expect(times[0], key).toBeLessThan(soon + bench.lateMs)
      }
      // The later wish was granted by the earlier run.
      expect(await jobs.depth()).toEqual({ waiting: 0, delayed: 0, active: 0 })
    })

    test('wishes during a run cause one more run, after it', async () => {
      const { handler, open, runs } = gate()
      const jobs = started(handler)
      jobs.wake(lane('a'), now())
      await until('the first run', () => runs() === 1)
      for (let i = 0; i < 3; i++) jobs.wake(lane('a'), now())
      await quiet()
      expect(runs()).toBe(1)
      open()
      await until('the second run', () => runs() === 2)
      await quiet()
      expect(runs()).toBe(2)
    })

    test('wishes of another engine during a run cause one more run, too', async () => {
      const { handler, open: letGo, runs } = gate()
      const worker = started(handler)
      const other = bench.shares ? open() : worker
      worker.wake(lane('a'), now())
      await until('the first run', () => runs() === 1)
      for (let i = 0; i < 1_000; i++) other.wake(lane('a'), now())
      await quiet()
      expect(runs()).toBe(1)
      letGo()
      await until('the second run', () => runs() === 2)
      await quiet()
      expect(runs()).toBe(2)
    })

    test.each([
      ['the wish is earlier', 200, 60_000],
      ['the return value is earlier', 60_000, 200],
    ])(
      'after a run the earlier of wish and return value counts: %s',
      async (_case, wish, value) => {
        const ran: number[] = []
        const jobs = started(async (job) => {
          ran.push(now())
          if (ran.length > 1) return undefined
          jobs.wake(job, now() + wish)
          return now() + value
        })
        jobs.wake(lane('a'), now())
        await until('the second run', () => ran.length === 2)
        expect(ran[1]! - ran[0]!).toBeGreaterThanOrEqual(200)
        expect(ran[1]! - ran[0]!).toBeLessThan(200 + bench.lateMs)
      },
    )

    test('the return value names the next run, undefined ends it', async () => {
      const ran: number[] = []
      const jobs = started(async () => {
        ran.push(now())
        return ran.length < 4 ? now() + 60 : undefined
      })
      jobs.wake(lane('a'), now())
      await until('four runs', () => ran.length === 4)
      for (let i = 1; i < 4; i++) expect(ran[i]! - ran[i - 1]!).toBeGreaterThanOrEqual(60)
      await quiet()
      expect(ran).toHaveLength(4)
      expect(await jobs.depth()).toEqual({ waiting: 0, delayed: 0, active: 0 })
    })

    test('10,000 wishes for a waiting job are one run', async () => {
      const { handler, runs } = counter()
      const jobs = open()
      for (let i = 0; i < 10_000; i++) jobs.wake(lane('a'), now())
      await quiet()
      for (let i = 0; i < 10_000; i++) jobs.wake(lane('a'), now())
      jobs.start({ lane: handler, route: nothing }, { concurrency: 4 })
      await until('the run', () => runs() > 0)
      await quiet()
      // A wish of the last moment may reach a broker after the run began.
      expect(runs()).toBeLessThanOrEqual(bench.shares ? 2 : 1)
    })

    test('10,000 wishes for a running job are one more run', async () => {
      const { handler, open, runs } = gate()
      const jobs = started(handler)
      jobs.wake(lane('a'), now())
      await until('the first run', () => runs() === 1)
      for (let i = 0; i < 10_000; i++) jobs.wake(lane('a'), now())
      open()
      await until('the second run', () => runs() === 2)
      await quiet()
      expect(runs()).toBe(2)
    })

    test('wake starts nothing by itself, it returns first', async () => {
      const { handler, runs } = counter()
      const jobs = started(handler)
      jobs.wake(lane('a'), now())
      await Promise.resolve()
      expect(runs()).toBe(0)
      await until('the run', () => runs() === 1)
    })

    test('a job can be woken again the moment it ended, time after time', async () => {
      const { handler, runs } = counter()
      const jobs = started(handler)
      for (let round = 1; round <= 40; round++) {
        jobs.wake(lane('a'), now())
        await until(`run ${round}`, () => runs() >= round)
      }
    })

    test('no wish is lost: whoever wakes after a change sees it seen', async () => {
      const writers = bench.shares ? [open(), open()] : []
      let changed = 0
      let seen = 0
      const work: JobHandler = async () => {
        seen = changed
        await bench.pass(0)
        return undefined
      }
      writers.push(started(work), ...(bench.shares ? [started(work)] : []))
      for (let i = 0; i < 150; i++) {
        changed++
        writers[i % writers.length]!.wake(lane('a'), now())
        if (i % 3 === 0) await bench.pass(i % 11)
      }
      await until('the last change is seen', () => seen === 150)
    })

    test('two that wish for one job in the same moment: the earlier wish counts', async () => {
      const { handler, ran } = notes()
      const worker = started(handler)
      const late = bench.shares ? open() : worker
      const soon = bench.shares ? open() : worker
      const count = 200
      for (let i = 0; i < count; i++) {
        late.wake(lane(`job-${i}`), now() + 60_000)
        soon.wake(lane(`job-${i}`), now() + 20)
        if (i % 10 === 0) await bench.pass(1)
      }
      await until('all runs', () => new Set(ran).size === count)
    })

    test('one job never runs twice at once, here or in another engine', async () => {
      const running = new Map<string, number>()
      let most = 0
      let runs = 0
      const work: JobHandler = async ({ key }) => {
        const together = (running.get(key) ?? 0) + 1
        running.set(key, together)
        most = Math.max(most, together)
        await bench.clock.sleep(runs++ % 7)
        running.set(key, running.get(key)! - 1)
        return runs < 300 ? now() + (runs % 3) : undefined
      }
      const both = [started(work, 5), ...(bench.shares ? [started(work, 5)] : [])]
      for (let i = 0; i < 60; i++) {
        for (const jobs of both) jobs.wake(lane(`job-${i % 8}`), now())
        await bench.pass(5)
      }
      await until('300 runs', () => runs >= 300)
      expect(most).toBe(1)
    })

    test('a handler that throws rests 1 s, then 2 s, and wishes do not cut the rest short', async () => {
      const ran: number[] = []
      const jobs = started(async () => {
        ran.push(now())
        if (ran.length < 3) throw new Error('database away')
        return undefined
      })
      jobs.wake(lane('a'), now())
      await until('the first run', () => ran.length === 1)
      await until('the third run', () => {
        jobs.wake(lane('a'), now())
        return ran.length >= 3
      })
      for (const [i, pause] of [1_000, 2_000].entries()) {
        expect(ran[i + 1]! - ran[i]!).toBeGreaterThanOrEqual(pause)
        expect(ran[i + 1]! - ran[i]!).toBeLessThan(pause + bench.lateMs)
      }
      expect(bench.log.of('job-failed').map(({ fields }) => fields['retryInMs'])).toEqual([
        1_000, 2_000,
      ])
    })

    test('success ends the back-off: the next throw rests 1 s again', async () => {
      let runs = 0
      const jobs = started(async () => {
        runs++
        if (runs !== 2) throw new Error('again')
        return now()
      })
      jobs.wake(lane('a'), now())
      await until('two throws', () => bench.log.of('job-failed').length === 2)
      expect(bench.log.of('job-failed').map(({ fields }) => fields['retryInMs'])).toEqual([
        1_000, 1_000,
      ])
    })

    slotCases(bench)
  })
}
