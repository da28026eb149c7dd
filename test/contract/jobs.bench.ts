/** The bench that the jobs contract stands on: engines, their time, and handlers that tell what happened. */
import { afterEach, beforeEach } from 'vitest'
import type { Clock } from '../../server/core/ports.ts'
import type { Job, JobHandler, Jobs } from '../../server/queue/jobs.ts'
import type { RecordingLog } from '../support/log.ts'

export interface JobsBench {
  readonly clock: Clock
  readonly log: RecordingLog
  /** Lets this much time pass. */
  pass(ms: number): Promise<void>
  /** A new engine; all engines of a bench share their jobs where the engine can (`shares`). */
  engine(): Jobs
  readonly shares: boolean
  /** How late a run may be. */
  readonly lateMs: number
}

export const lane = (key: string): Job => ({ kind: 'lane', key })
export const nothing: JobHandler = async () => undefined

/** A handler that counts its runs. */
export function counter(): { handler: JobHandler; runs: () => number } {
  let runs = 0
  const handler: JobHandler = async () => {
    runs++
    return undefined
  }
  return { handler, runs: () => runs }
}

/** A handler that notes the keys of its runs. */
export function notes(): { handler: JobHandler; ran: readonly string[] } {
  const ran: string[] = []
  const handler: JobHandler = async ({ key }) => {
    ran.push(key)
    return undefined
  }
  return { handler, ran }
}

/** A handler that waits until it is let go. */
export function gate(): { handler: JobHandler; open: () => void; runs: () => number } {
  let runs = 0
  let open = (): void => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const handler: JobHandler = async () => {
    runs++
    await opened
    return undefined
  }
  return { handler, open: () => open(), runs: () => runs }
}

export interface JobsFixture {
  readonly clock: Clock
  readonly log: RecordingLog
  readonly shares: boolean
  readonly lateMs: number
  readonly pass: (ms: number) => Promise<void>
  readonly now: () => number
  /** An engine that has not started; closed after the test. */
  readonly open: () => Jobs
  /** An engine whose lanes run `handler`, ten at once if not said. */
  readonly started: (handler: JobHandler, concurrency?: number) => Jobs
  /** Lets time pass until it holds; throws after 8 s. */
  readonly until: (what: string, holds: () => boolean | Promise<boolean>) => Promise<void>
  /** Long enough for a run that should not happen to happen. */
  readonly quiet: () => Promise<void>
}

/** A fresh bench for each test of the surrounding `describe`. */
export function jobsFixture(openBench: () => Promise<JobsBench>): JobsFixture {
  let bench: JobsBench
  let engines: Jobs[]

  beforeEach(async () => {
    bench = await openBench()
    engines = []
  })
  afterEach(async () => {
    let closed = false
    void Promise.all(engines.map((jobs) => jobs.close(100))).then(() => {
      closed = true
    })
    await until('the close of all engines', () => closed)
  })

  function open(): Jobs {
    const jobs = bench.engine()
    engines.push(jobs)
    return jobs
  }
  async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    for (let waited = 0; !(await holds()); waited += 10) {
      if (waited > 8_000) throw new Error(`did not happen: ${what}`)
      await bench.pass(10)
    }
  }

  return {
    get clock() {
      return bench.clock
    },
    get log() {
      return bench.log
    },
    get shares() {
      return bench.shares
    },
    get lateMs() {
      return bench.lateMs
    },
    pass: (ms) => bench.pass(ms),
    now: () => bench.clock.now(),
    open,
    started(handler, concurrency = 10) {
      const jobs = open()
      jobs.start({ lane: handler, route: nothing }, { concurrency })
      return jobs
    },
    until,
    quiet: () => bench.pass(150),
  }
}
