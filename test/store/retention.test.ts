/** Retention: what is old and over goes, in small steps; what is young or still waits stays. */
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { asId } from '../../server/core/ids.ts'
import type { DeliveryId, MessageId } from '../../server/core/ids.ts'
import type { Clock } from '../../server/core/ports.ts'
import { makeRetention } from '../../server/services/retention.ts'
import type { Retention } from '../../server/services/retention.ts'
import { openBodies } from '../../server/store/body.ts'
import type { Bodies } from '../../server/store/body.ts'
import type { Store } from '../../server/store/open.ts'
import { aDeferral, aMessage, aSettlement } from '../support/builders.ts'
import type { MessageWish } from '../support/builders.ts'
import { manualClock } from '../support/clock.ts'
import type { ManualClock } from '../support/clock.ts'
import { recordingLog } from '../support/log.ts'
import { openTestStore } from '../support/store.ts'
import type { TestStore } from '../support/store.ts'

const DAY_MS = 86_400_000
const AGES = {
  bodiesMs: 3 * DAY_MS,
  deliveriesMs: 10 * DAY_MS,
  eventsMs: 20 * DAY_MS,
  idempotencyMs: DAY_MS,
}

interface Bench extends TestStore {
  readonly manual: ManualClock
  readonly bodies: Bodies
  readonly retention: Retention
  /** Rows that each of retention's writes removed or changed. */
  readonly steps: number[]
  readonly counts: (...tables: string[]) => number[]
}

async function openBench(options: { pauses?: boolean } = {}): Promise<Bench> {
  const manual = manualClock()
  const opened = await openTestStore({ clock: manual })
  const { dataDir, all } = opened
  const steps: number[] = []
  const writer: Store['writer'] = {
    ...opened.store.writer,
    async write(changes) {
      const results = await opened.store.writer.write(changes, { unaudited: 'test' })
      steps.push(results.reduce((sum, result) => sum + result.changes, 0))
      return results
    },
  }
  const store = { ...opened.store, writer }
  const clock: Clock = options.pauses ? manual : { ...manual, sleep: async () => undefined }
  const bodies = openBodies(opened.store, { dataDir, cacheBytes: 0 })
  const log = recordingLog()
  const retention = makeRetention({ store, bodies, clock, log, settings: AGES })
  const count = (table: string): number =>
    all<{ n: number }>(`select count(*) as n from ${table}`)[0]!.n
  return { ...opened, manual, bodies, retention, steps, counts: (...names) => names.map(count) }
}

/** One message with a tag, an attempt and a body, brought into a state. */
async function aged(
  bench: Bench,
  state: 'delivered' | 'deferred' | 'queued' | 'leased',
  wish: MessageWish = {},
): Promise<{ id: MessageId; delivery: DeliveryId }> {
  const lane = await bench.lane(`${state}.test`)
  const { id, deliveries } = await bench.accept(aMessage({ lane, tags: ['x', 'y'], ...wish }))
  if (state !== 'queued') {
    const held = (await bench.lease(lane)).find((one) => one.message === id)!
    const settlement =
      state === 'delivered' ? aSettlement(held) : aDeferral(held, bench.clock.now() + 90 * DAY_MS)
    if (state !== 'leased') await bench.store.writer.settle('worker', [settlement])
  }
  return { id, delivery: deliveries[0]! }
}

const HISTORY = ['messages', 'deliveries', 'attempts', 'message_tags'] as const

describe('a finished message', () => {
  test.each([
    ['young', 0, { bodies: 1, history: [1, 1, 1, 2], events: 2 }],
    ['over its body', AGES.bodiesMs, { bodies: 0, history: [1, 1, 1, 2], events: 2 }],
    ['over its history', AGES.deliveriesMs, { bodies: 0, history: [0, 0, 0, 0], events: 2 }],
    ['over its events', AGES.eventsMs, { bodies: 0, history: [0, 0, 0, 0], events: 0 }],
  ])('%s', async (_age, ageMs, left) => {
    const bench = await openBench()
    await aged(bench, 'delivered')
    // A millisecond short of it nothing more may have gone than at the age before.
    await bench.manual.advance(Math.max(0, ageMs - 1))
    const early = bench.counts('bodies', ...HISTORY, 'events')
    await bench.retention.runOnce()
    expect(bench.counts('bodies', ...HISTORY, 'events').slice(0, 1)).toEqual(
      ageMs === AGES.bodiesMs ? early.slice(0, 1) : [left.bodies],
    )
    await bench.manual.advance(2)
    await bench.retention.runOnce()
    expect(bench.counts('bodies')).toEqual([left.bodies])
    expect(bench.counts(...HISTORY)).toEqual(left.history)
    expect(bench.counts('events')).toEqual([left.events])
  })
})

describe('what still waits is kept with all of its history, however old', () => {
  test.each([
    ['queued', [1, 1, 0, 2], 1],
    ['leased', [1, 1, 0, 2], 1],
    ['deferred', [1, 1, 1, 2], 2],
  ] as const)('%s', async (state, history, events) => {
    const bench = await openBench()
    const spool = await bench.bodies.spool(Buffer.alloc(500_000, 1))
    await aged(bench, state)
    await aged(bench, state, { body: spool, tags: [] })
    await bench.manual.advance(365 * DAY_MS)
    await bench.retention.runOnce()
    expect(bench.counts('bodies')).toEqual([1])
    expect(bench.counts(...HISTORY)).toEqual([2, 2, history[2] * 2, 2])
    expect(bench.counts('events')).toEqual([events * 2])
    expect(existsSync(join(bench.dataDir, 'spool', spool.spool))).toBe(true)
  })

  test('one recipient that waits keeps the body for all, but not the history of the others', async () => {
    const bench = await openBench()
    const lane = await bench.lane()
    const { id } = await bench.accept(aMessage({ lane, to: ['a@ok.test', 'b@ok.test'] }))
    const [done, waits] = await bench.lease(lane)
    await bench.store.writer.settle('worker', [
      aSettlement(done!),
      aDeferral(waits!, bench.clock.now() + 90 * DAY_MS),
    ])
    await bench.manual.advance(365 * DAY_MS)
    await bench.retention.runOnce()
    expect(bench.counts('messages', 'bodies')).toEqual([1, 1])
    expect(bench.all('select delivery_id from attempts')).toEqual([{ delivery_id: waits!.id }])
    expect(bench.all('select id from deliveries where message_id = ?', id)).toEqual([
      { id: waits!.id },
    ])
  })
})

describe('spool files', () => {
  test('go with the body of a finished message, the row stays until its own time', async () => {
    const bench = await openBench()
    const body = await bench.bodies.spool(Buffer.alloc(500_000, 1))
    const { id } = await aged(bench, 'delivered', { body })
    expect(await bench.bodies.load(id, body.spool)).toHaveLength(500_000)
    await bench.manual.advance(AGES.bodiesMs + 1)
    await bench.retention.runOnce()
    expect(readdirSync(join(bench.dataDir, 'spool'))).toEqual([])
    expect(bench.all('select spool from messages')).toEqual([{ spool: null }])
    expect(await bench.bodies.load(id, body.spool)).toBeUndefined()
    await bench.manual.advance(AGES.deliveriesMs)
    await bench.retention.runOnce()
    expect(bench.counts('messages')).toEqual([0])
  })

  test('that no message names are swept when they are old', async () => {
    const bench = await openBench()
    const named = await bench.bodies.spool(Buffer.alloc(10))
    await bench.accept(aMessage({ body: named }))
    const folder = join(bench.dataDir, 'spool')
    const minute = 60_000
    const touched = (name: string, agoMs: number): string => {
      const at = (bench.clock.now() - agoMs) / 1_000
      writeFileSync(join(folder, name), 'x', { flag: 'a' })
      utimesSync(join(folder, name), at, at)
      return name
    }
    touched(named.spool, 90 * minute)
    touched('orphan.eml', 61 * minute)
    const young = touched('young.eml', 59 * minute)
    await bench.retention.runOnce()
    expect(readdirSync(folder).sort()).toEqual([named.spool, young].sort())
  })
})

test('idempotency keys go by their age, and the key is free again', async () => {
  const { manual, retention, store, counts } = await openBench()
  const request = { messages: [aMessage()], idempotency: { key: 'k', fingerprint: 'f' } }
  await store.writer.accept(request)
  await manual.advance(AGES.idempotencyMs)
  await retention.runOnce()
  expect(counts('idempotency')).toEqual([1])
  await manual.advance(1)
  await retention.runOnce()
  expect(counts('idempotency')).toEqual([0])
  expect((await store.writer.accept(request)).kind).toBe('accepted')
})

test('no step takes more than 500 rows, and all of them together take everything', async () => {
  const bench = await openBench()
  const tags = Array.from({ length: 10 }, (_, i) => `t${i}`)
  const messages = Array.from({ length: 700 }, (_, i) =>
    aMessage({ sandbox: true, to: ['a@ok.test', 'b@ok.test'], tags: i % 2 ? tags : [] }),
  )
  await bench.store.writer.accept({ messages, idempotency: undefined })
  for (let i = 0; i < 600; i++) messages[i] = aMessage({ sandbox: true, tenant: asId('tenant', 2) })
  await bench.store.writer.accept({ messages, idempotency: { key: 'k', fingerprint: 'f' } })
  await bench.manual.advance(365 * DAY_MS)
  const rows = bench
    .counts('bodies', ...HISTORY, 'events', 'idempotency')
    .reduce((sum, count) => sum + count, 0)
  expect(await bench.retention.runOnce()).toBe(rows)
  expect(bench.counts('bodies', ...HISTORY, 'events', 'idempotency')).toEqual(Array(7).fill(0))
  expect(Math.max(...bench.steps)).toBeLessThanOrEqual(500)
})

test('a round comes every ten minutes, and stopping waits for its step, not for its end', async () => {
  const bench = await openBench({ pauses: true })
  const { manual, retention, steps } = bench
  const messages = Array.from({ length: 3_000 }, () => aMessage({ sandbox: true }))
  await bench.store.writer.accept({ messages, idempotency: undefined })
  await manual.advance(365 * DAY_MS)
  retention.start()
  await manual.advance(9 * 60_000)
  expect(steps).toEqual([])
  await manual.advance(60_000)
  await expect.poll(() => steps).toEqual([500])
  const stopped = retention.stop()
  await manual.advance(1_000)
  await stopped
  expect(steps).toEqual([500])
  await manual.advance(60 * 60_000)
  expect(manual.pending()).toBe(0)
})
