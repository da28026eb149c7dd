/**
 * A rate is kept to the message over ten minutes while the lane wanders between four workers. The workers share a data
 * directory and the simulated time; each has an engine of its own, so nothing but the lane's lease in the database
 * keeps them apart.
 */
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { expect, test } from 'vitest'
import { encodeId } from '../../server/core/ids.ts'
import { startTestApp } from '../support/app.ts'
import { manualClock } from '../support/clock.ts'
import type { ManualClock } from '../support/clock.ts'
import { dial } from '../support/dial.ts'
import type { Program } from '../support/program.ts'

const MINUTE = 60_000
const HAND_OVER_MS = 3_300

/** A manual clock that knows when its next timer is due, so that time can go from event to event. */
function steppedClock(): ManualClock & { next(): number } {
  const clock = manualClock()
  const moments = new Set<{ readonly at: number }>()
  return {
    ...clock,
    next: () => Math.min(...[...moments].map(({ at }) => at)),
    after(ms, callback) {
      const moment = { at: clock.now() + Math.max(0, ms) }
      moments.add(moment)
      const timer = clock.after(ms, () => {
        moments.delete(moment)
        callback()
      })
      return {
        cancel() {
          moments.delete(moment)
          timer.cancel()
        },
      }
    },
  }
}

/** Most messages in any window of `ms`. */
function densest(times: readonly number[], ms: number): number {
  let most = 0
  for (let start = 0, end = 0; end < times.length; end++) {
    while (times[end]! - times[start]! >= ms) start++
    most = Math.max(most, end - start + 1)
  }
  return most
}

/** Whether it does within a moment of real time, while the clock stands still. */
async function comesTrue(condition: () => boolean): Promise<boolean> {
  for (let i = 0; i < 10 && !condition(); i++)
    await new Promise((resolve) => setTimeout(resolve, 1))
  return condition()
}

test('600 a minute stay 600 a minute over 10 minutes and 4 workers, without bursts', async () => {
  const clock = steppedClock()
  const times: number[] = []
  const dials = [0, 0, 0, 0]
  const counted =
    (worker: number): typeof dial =>
    (request) => {
      dials[worker]!++
      return dial(request)
    }
  const world = await startTestApp({
    clock,
    inMemory: true,
    dial: counted(0),
    config: { delivery: { laneConcurrency: 1 } },
    sink: { capture: 'count', now: () => clock.now(), onMessage: ({ at }) => times.push(at) },
  })
  const workers: Program[] = [world]
  for (const worker of [1, 2, 3])
    workers.push(await world.join({ config: { roles: ['worker'] }, dial: counted(worker) }))
  await world.egress.setLimits(SYSTEM_ACTOR, {
    scope: 'destination',
    key: 'site:mx.ok.test',
    limits: { connections: 4, rate: { messages: 600, perMs: MINUTE } },
    note: undefined,
  })
  const { reader } = world.app.store
  const leased = reader.prepare(`select count(*) as n from deliveries where state = 'leased'`)
  const lane = reader.prepare('select id, owner from lanes')

  let turn = 0

  const operations = (): number =>
    workers.reduce((sum, { app }) => sum + app.store.writer.counts.ops, 0)

  /** Until threads and sockets have done what was asked of them at this moment, and ask for nothing more. */
  async function settle(): Promise<void> {
    for (;;) {
      const before = operations()
      await clock.settle()
      let barriers = 0
      for (const { app } of workers) {
        if ((await app.jobs.depth()).active === 0) continue
        await app.store.writer.write([], { unaudited: 'test' })
        barriers++
      }
      await clock.settle()
      if (operations() === before + barriers && (leased.get() as { n: number }).n === 0) return
    }
  }
  async function step(): Promise<void> {
    await clock.advance(clock.next() - clock.now())
    await settle()
  }
  const owner = (): string | null => (lane.get() as { owner: string | null }).owner
  const key = (): string => encodeId('lane', (lane.get() as { id: number }).id)

  for (let i = 0; i < 7; i++)
    await world.post(Array.from({ length: 950 }, (_, k) => `ok${i * 950 + k}@ok.test`))
  await Promise.all(workers.map(({ app }) => app.catalog.refresh()))
  while (lane.get() === undefined) await settle()
  await settle()

  const start = clock.now()
  let handedOver = start
  const owners = new Set<string | null>()
  while (clock.now() < start + 10 * MINUTE) {
    await step()
    if (clock.now() - handedOver < HAND_OVER_MS) continue
    handedOver = clock.now()
    owners.add(owner())
    // Other work waits for the owner's only slot, so it lets go of the lane at the next pause; then the next takes it.
    do {
      for (const { app } of workers) app.jobs.wake({ kind: 'lane', key: 'none' }, clock.now())
      await step()
    } while (!(await comesTrue(() => owner() === null)))
    workers[++turn % 4]!.app.jobs.wake({ kind: 'lane', key: key() }, clock.now())
    await comesTrue(() => owner() !== null)
    await settle()
  }

  const inTime = times.filter((at) => at >= start && at < start + 10 * MINUTE)
  expect(inTime.length).toBeGreaterThanOrEqual(5_940)
  expect(inTime.length).toBeLessThanOrEqual(6_060)
  expect(densest(times, MINUTE)).toBeLessThanOrEqual(630)
  expect(densest(times, 1_000)).toBeLessThanOrEqual(12)
  expect(Math.min(...dials)).toBeGreaterThan(20)
  expect(owners.size).toBeGreaterThan(150)
}, 120_000)
