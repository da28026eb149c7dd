/** The part of the jobs contract about slots: closing, crowding, turns, names, concurrency and depth. */
import { expect, test } from 'vitest'
import type { JobContext, JobHandler } from '../../server/queue/jobs.ts'
import { counter, gate, type JobsFixture, lane, nothing } from './jobs.bench.ts'

/** Adds the cases to the surrounding `describe`. */
export function slotCases(bench: JobsFixture): void {
  const { now, open, quiet, started, until } = bench

  test('close aborts the signal and waits for the handler', async () => {
    let context: JobContext | undefined
    let ended = false
    const jobs = started(async (_job, given) => {
      context = given
      await bench.clock.sleep(60_000, given.signal)
      await bench.clock.sleep(50)
      ended = true
      return undefined
    })
    jobs.wake(lane('a'), now())
    await until('the run', () => context !== undefined)
    expect(context!.signal.aborted).toBe(false)
    const closed = jobs.close(5_000).then(() => expect(ended).toBe(true))
    expect(context!.signal.aborted).toBe(true)
    await until('the end', () => ended)
    await closed
    await jobs.close(5_000)
  })

  test('close does not wait longer than the grace', async () => {
    const { handler, open, runs } = gate()
    const jobs = started(handler)
    jobs.wake(lane('a'), now())
    await until('the run', () => runs() === 1)
    let closed = false
    void jobs.close(200).then(() => {
      closed = true
    })
    await bench.pass(50)
    expect(closed).toBe(false)
    await until('the close', () => closed)
    expect(bench.log.of('jobs-abandoned')).toHaveLength(1)
    open()
  })

  test('a closed engine takes no wishes', async () => {
    const { handler, runs } = counter()
    const jobs = started(handler)
    jobs.wake(lane('later'), now() + 100)
    await jobs.close(1_000)
    jobs.wake(lane('a'), now())
    await quiet()
    expect(runs()).toBe(0)
  })

  test('crowded says that others wait for a slot', async () => {
    const contexts: JobContext[] = []
    const first = gate()
    const jobs = started(async (job, context) => {
      contexts.push(context)
      return job.key === 'first' ? first.handler(job, context) : undefined
    }, 1)
    jobs.wake(lane('first'), now())
    await until('the run', () => contexts.length === 1)
    jobs.wake(lane('later'), now() + 60_000)
    await quiet()
    expect(contexts[0]!.crowded()).toBe(false)
    jobs.wake(lane('second'), now())
    await until('crowded', () => contexts[0]!.crowded())
    first.open()
    await until('the second run', () => contexts.length === 2)
    await until('no crowd', () => !contexts[0]!.crowded())
  })

  test('a job that is always due lets the others have their turn', async () => {
    const ran: string[] = []
    const jobs = started(async ({ key }) => {
      ran.push(key)
      await bench.clock.sleep(2)
      return key === 'greedy' && ran.length < 200 ? 0 : undefined
    }, 1)
    jobs.wake(lane('greedy'), now())
    await until('greed', () => ran.length > 2)
    for (const key of ['a', 'b', 'c']) jobs.wake(lane(key), now())
    await until('the turns of the others', () => ['a', 'b', 'c'].every((key) => ran.includes(key)))
    expect(ran.length).toBeLessThan(150)
  })

  test.each([
    ['an integer', '42'],
    ['an A-label', 'xn--bcher-kva.example'],
    ['a colon', 'hop:10.0.0.1:25'],
    ['what a colon is encoded to', 'hop%3A10.0.0.1%3A25'],
    ['only zeros and a colon', '0:0'],
    ['a long name', `${'a'.repeat(60)}.`.repeat(5)],
    ['spaces and quotes', `it's "one" key`],
    ['not ASCII', 'bücher.example/☃'],
    ['braces, which mean a slot in Redis', '{a}{b}'],
    ['the name of a property', '__proto__'],
    ['nothing', ''],
  ])('a key may be %s', async (_what, key) => {
    const keys: string[] = []
    const jobs = started(async (job) => {
      keys.push(job.key)
      return undefined
    })
    jobs.wake(lane(key), now() + 20)
    jobs.wake(lane(`${key}x`), now() + 20)
    await until('both runs', () => keys.length === 2)
    expect(keys.sort()).toEqual([key, `${key}x`].sort())
  })

  test('kinds are apart: the same key in both is two jobs', async () => {
    const ran: string[] = []
    const jobs = open()
    const note: JobHandler = async ({ kind, key }) => {
      ran.push(`${kind} ${key}`)
      return undefined
    }
    jobs.start({ lane: note, route: note }, { concurrency: 2 })
    jobs.wake({ kind: 'lane', key: 'a' }, now())
    jobs.wake({ kind: 'route', key: 'a' }, now())
    await until('both', () => ran.length === 2)
    expect(ran.sort()).toEqual(['lane a', 'route a'])
  })

  test('no more runs at once than the concurrency', async () => {
    let running = 0
    let most = 0
    let runs = 0
    const jobs = started(async () => {
      most = Math.max(most, ++running)
      await bench.clock.sleep(20)
      running--
      runs++
      return undefined
    }, 3)
    for (let i = 0; i < 12; i++) jobs.wake(lane(`job-${i}`), now())
    await until('all runs', () => runs === 12)
    expect(most).toBe(3)
  })

  test('depth counts what waits, what is for later and what runs', async () => {
    const { handler, open: letGo, runs } = gate()
    const jobs = open()
    jobs.wake(lane('a'), now())
    jobs.wake(lane('b'), now())
    jobs.wake(lane('c'), now() + 60_000)
    await until('the wishes', async () => (await jobs.depth()).delayed === 1)
    expect(await jobs.depth()).toEqual({ waiting: 2, delayed: 1, active: 0 })
    jobs.start({ lane: handler, route: nothing }, { concurrency: 1 })
    await until('a run', () => runs() === 1)
    expect(await jobs.depth()).toEqual({ waiting: 1, delayed: 1, active: 1 })
    letGo()
    await until('the other run', () => runs() === 2)
    await until('both ended', async () => (await jobs.depth()).active === 0)
    expect(await jobs.depth()).toEqual({ waiting: 0, delayed: 1, active: 0 })
  })

  test('an engine that works has no problem', async () => {
    const jobs = open()
    await until('no problem', () => jobs.problem() === undefined)
  })
}
