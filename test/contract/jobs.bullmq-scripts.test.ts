/** The wish scripts in states that processes reach only by racing: each is set up key by key. */
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type ToKey,
  wishScripts,
  type WishAnswer,
  type WishScripts,
} from '../../server/queue/bullmq-scripts.ts'
import { redisAvailable, startRedis, type TestRedis } from '../support/redis.ts'

describe.skipIf(!redisAvailable())('wish scripts', () => {
  let server: TestRedis
  let redis: Redis
  let round = 0
  let toKey: ToKey
  let scripts: WishScripts

  beforeAll(async () => {
    server = await startRedis()
    redis = new Redis(server.url)
  })
  beforeEach(() => {
    const prefix = `test-${process.pid}-scripts-${round++}`
    toKey = (name) => `${prefix}:jobs:${name}`
    scripts = wishScripts(redis, toKey)
  })
  afterAll(async () => {
    redis.disconnect()
    await server.close()
  })

  const ask = async (at: number, mode: 'wish' | 'align' = 'wish'): Promise<WishAnswer> => {
    const [answer] = await scripts.wish(mode, [{ id: 'lane-1', at }])
    return answer!
  }
  /** What BullMQ writes: the job, and for a delayed one its score. */
  async function carrier(delayedUntil?: number): Promise<void> {
    await redis.hset(toKey('lane-1'), 'name', 'lane')
    if (delayedUntil !== undefined) {
      await redis.zadd(toKey('delayed'), delayedUntil * 4096 + 17, 'lane-1')
    }
  }
  const T = 1_767_225_600_000

  test('without a carrier one is asked for, at the earliest wish so far', async () => {
    expect(await ask(T)).toEqual({ act: 'add', at: T })
    // The one who was told first died before it could add.
    expect(await ask(T + 500)).toEqual({ act: 'add', at: T })
    expect(await ask(T - 500)).toEqual({ act: 'add', at: T - 500 })
  })

  test('a delayed carrier is brought forward, never back', async () => {
    await ask(T)
    await carrier(T)
    expect(await ask(T + 1)).toEqual({ act: 'none' })
    expect(await ask(T - 1_000)).toEqual({ act: 'hasten', at: T - 1_000 })
    // Not carried out yet: whoever asks next is told again.
    expect(await ask(T)).toEqual({ act: 'hasten', at: T - 1_000 })
  })

  test('an add that was ignored, because another came first with a later time, is mended', async () => {
    expect(await ask(T + 60_000)).toEqual({ act: 'add', at: T + 60_000 })
    expect(await ask(T)).toEqual({ act: 'add', at: T })
    await carrier(T + 60_000)
    expect(await ask(T, 'align')).toEqual({ act: 'hasten', at: T })
    await carrier(T + 3)
    expect(await ask(T, 'align')).toEqual({ act: 'none' })
  })

  test('align asks for no carrier: the job may have run meanwhile', async () => {
    expect(await ask(T, 'align')).toEqual({ act: 'none' })
    expect(await redis.exists(toKey('wish:lane-1'))).toBe(0)
  })

  test('a wish during a run is kept for its end', async () => {
    await ask(T)
    await carrier()
    expect(await scripts.begin('lane-1')).toBe(0)
    expect(await ask(T + 5)).toEqual({ act: 'none' })
    expect(await ask(T + 9)).toEqual({ act: 'none' })
    expect(await scripts.finish('lane-1', T + 100, undefined)).toBe(T + 5)
    expect(await ask(T + 200)).toEqual({ act: 'none' })
  })

  test('a run grants the wishes before it', async () => {
    await ask(T)
    await carrier()
    await scripts.begin('lane-1')
    expect(await scripts.finish('lane-1', undefined, undefined)).toBeUndefined()
  })

  test('between the end of a run and the removal of its carrier a wish has to come again', async () => {
    await carrier()
    await scripts.begin('lane-1')
    await scripts.finish('lane-1', undefined, undefined)
    expect(await ask(T)).toEqual({ act: 'ask-again' })
    expect(await redis.pttl(toKey('wish:lane-1'))).toBeGreaterThan(0)
    await redis.del(toKey('lane-1'))
    expect(await ask(T)).toEqual({ act: 'add', at: T })
    // The mark is gone with its expiry, which must not take the new wish along.
    expect(await redis.pttl(toKey('wish:lane-1'))).toBe(-1)
  })

  test('a process that died in that moment does not block the job: its next run clears the mark', async () => {
    await carrier()
    await scripts.begin('lane-1')
    await scripts.finish('lane-1', undefined, undefined)
    await scripts.begin('lane-1')
    expect(await ask(T)).toEqual({ act: 'none' })
    expect(await redis.pttl(toKey('wish:lane-1'))).toBe(-1)
    expect(await scripts.finish('lane-1', undefined, undefined)).toBe(T)
  })

  test('a back-off counts the throws, holds off earlier wishes and ends with a success', async () => {
    await carrier()
    expect(await scripts.begin('lane-1')).toBe(0)
    expect(await scripts.finish('lane-1', T + 1_000, T + 1_000)).toBe(T + 1_000)
    await carrier(T + 1_000)
    expect(await ask(T)).toEqual({ act: 'none' })
    expect(await scripts.begin('lane-1')).toBe(1)
    expect(await scripts.finish('lane-1', T + 3_000, T + 3_000)).toBe(T + 3_000)
    expect(await scripts.begin('lane-1')).toBe(2)
    expect(await scripts.finish('lane-1', T + 5_000, undefined)).toBe(T + 5_000)
    expect(await scripts.begin('lane-1')).toBe(0)
  })

  test('answers come one per job, in order', async () => {
    await carrier()
    const answers = await scripts.wish('wish', [
      { id: 'lane-2', at: T },
      { id: 'lane-1', at: T + 1 },
      { id: 'route-a.test', at: T + 2 },
    ])
    expect(answers).toEqual([{ act: 'add', at: T }, { act: 'none' }, { act: 'add', at: T + 2 }])
  })
})
