/** How often somebody may guess: what each budget lets through, who is shut out and who must not be. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { AppError } from '../../../../server/core/errors.ts'
import { openRedisClient } from '../../../../server/queue/redis-client.ts'
import { makeThrottle } from '../../../../server/services/auth/throttle.ts'
import type { RedisClient } from '../../../../server/queue/redis-client.ts'
import type { Attempt, Throttle } from '../../../../server/services/auth/throttle.ts'
import { recordingLog } from '../../../support/log.ts'
import { redisAvailable, startRedis } from '../../../support/redis.ts'

const guess = (change: Partial<Attempt> = {}): Attempt => ({
  step: 'password',
  account: 'ada@example.com',
  ip: '192.0.2.1',
  device: undefined,
  ...change,
})

/** How many of the attempts are let through, all at the same moment. */
async function letThrough(throttle: Throttle, attempts: readonly Attempt[]): Promise<number> {
  const results = await Promise.allSettled(attempts.map((attempt) => throttle.check(attempt)))
  for (const result of results)
    if (result.status === 'rejected')
      expect(result.reason).toMatchObject({ code: 'RATE_LIMITED', kind: 'limited' })
  return results.filter(({ status }) => status === 'fulfilled').length
}

const times = (count: number, make: (i: number) => Attempt): Attempt[] =>
  Array.from({ length: count }, (_, i) => make(i))

/** Addresses that have no /16 in common. */
const farAway = (i: number): string => `${(i % 200) + 1}.${Math.floor(i / 200) + 1}.7.7`

const waitOf = async (throttle: Throttle, attempt: Attempt): Promise<number | undefined> => {
  try {
    await throttle.check(attempt)
  } catch (error) {
    if (error instanceof AppError) return error.retryAfterMs
    throw error
  }
  return undefined
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE

describe('in memory', () => {
  // The library keeps its windows by Date and setTimeout.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())
  const make = (mostKeys = 20_000): Throttle => makeThrottle({ log: recordingLog(), mostKeys })

  test('10,000 guesses at one account from 1,000 addresses get 5 looks at the password, and 20 a day', async () => {
    const throttle = make()
    const storm = times(10_000, (i) => guess({ ip: farAway(i % 1_000) }))
    expect(await letThrough(throttle, storm)).toBe(5)
    let looks = 5
    for (let minutes = 5; minutes < 24 * 60; minutes += 5) {
      await vi.advanceTimersByTimeAsync(5 * MINUTE)
      looks += await letThrough(throttle, storm.slice(0, 25))
    }
    expect(looks).toBe(20)
  })

  test('one after another is the same as all at once', async () => {
    const throttle = make()
    let looks = 0
    for (let i = 0; i < 50; i++) looks += await letThrough(throttle, [guess({ ip: farAway(i) })])
    expect(looks).toBe(5)
  })

  test('a block says how long, does not grow by knocking, and is longer each time', async () => {
    const throttle = make()
    const block = async (): Promise<number | undefined> => {
      await letThrough(
        throttle,
        times(5, (i) => guess({ ip: farAway(i) })),
      )
      return waitOf(throttle, guess({ ip: farAway(99) }))
    }
    expect(await block()).toBe(15 * MINUTE)
    await vi.advanceTimersByTimeAsync(10 * MINUTE)
    expect(
      await letThrough(
        throttle,
        times(1_000, (i) => guess({ ip: farAway(i) })),
      ),
    ).toBe(0)
    expect(await waitOf(throttle, guess())).toBe(5 * MINUTE)
    await vi.advanceTimersByTimeAsync(5 * MINUTE)
    expect(await block()).toBe(105 * MINUTE)
    await vi.advanceTimersByTimeAsync(105 * MINUTE)
    await block()
    await vi.advanceTimersByTimeAsync(15 * MINUTE)
    expect(await block()).toBe(24 * HOUR - 135 * MINUTE)
  })

  test('strangers do not shut out the owner, whose browser has a budget of its own', async () => {
    const throttle = make()
    await letThrough(
      throttle,
      times(300, (i) => guess({ ip: `198.51.100.${i % 250}` })),
    )
    const owner = guess({ device: 'laptop', ip: '198.51.100.7' })
    expect(await waitOf(throttle, guess())).toBeGreaterThan(0)
    expect(
      await letThrough(
        throttle,
        times(11, () => owner),
      ),
    ).toBe(10)
    expect(await letThrough(throttle, [guess({ device: 'phone' })])).toBe(1)
  })

  test('a right password starts the account afresh, and gives the address its place back', async () => {
    const throttle = make()
    for (let i = 0; i < 100; i++) {
      await throttle.check(guess())
      await throttle.succeed(guess())
    }
    expect(
      await letThrough(
        throttle,
        times(6, () => guess()),
      ),
    ).toBe(5)
  })

  test('one account that is right does not pay for failures at others', async () => {
    const throttle = make()
    for (let i = 0; i < 20; i++) {
      await throttle.check(guess({ account: 'mallory@example.com' }))
      await throttle.succeed(guess({ account: 'mallory@example.com' }))
      await throttle.check(guess({ account: `victim-${i}@example.com` }))
    }
    expect(await waitOf(throttle, guess({ account: 'victim-21@example.com' }))).toBe(HOUR)
  })

  test('what was neither right nor wrong is given back', async () => {
    const throttle = make()
    for (let i = 0; i < 100; i++) {
      await throttle.check(guess())
      await throttle.release(guess())
    }
    expect(
      await letThrough(
        throttle,
        times(6, () => guess()),
      ),
    ).toBe(5)
  })

  test('a right password gives no fresh guesses at the second factor', async () => {
    const throttle = make()
    const code = guess({ step: 'second-factor' })
    let looks = 0
    for (let i = 0; i < 50; i++) {
      const ip = farAway(i)
      await throttle.check(guess({ ip }))
      await throttle.succeed(guess({ ip }))
      looks += await letThrough(throttle, [{ ...code, ip }])
    }
    expect(looks).toBe(5)
  })

  test.each<[string, number, (i: number) => Partial<Attempt>]>([
    ['one address, many accounts', 20, () => ({})],
    ['one IPv6 /64', 20, (i) => ({ ip: `2001:db8:1:2::${i.toString(16)}` })],
    [
      'one IPv4 address written two ways',
      20,
      (i) => ({ ip: i % 2 ? '::ffff:192.0.2.1' : '192.0.2.1' }),
    ],
    ['one IPv4 /24', 200, (i) => ({ ip: `192.0.2.${i % 256}` })],
    ['one IPv6 /48', 200, (i) => ({ ip: `2001:db8:1:${i.toString(16)}::1` })],
    ['no account named, one address', 20, () => ({ account: undefined })],
  ])('%s: %i an hour', async (_where, most, change) => {
    const throttle = make()
    const attempts = times(600, (i) => guess({ account: `user-${i}@example.com`, ...change(i) }))
    expect(await letThrough(throttle, attempts)).toBe(most)
    await vi.advanceTimersByTimeAsync(HOUR)
    expect(await letThrough(throttle, attempts.slice(0, 1))).toBe(1)
  })

  test('the account is one in any case', async () => {
    const throttle = make()
    const names = ['ada@example.com', 'ADA@example.com', 'Ada@Example.com']
    const attempts = times(30, (i) => guess({ account: names[i % 3], ip: farAway(i) }))
    expect(await letThrough(throttle, attempts)).toBe(5)
  })

  test('memory is bounded: the account not seen for the longest is forgotten, one under attack is not', async () => {
    const throttle = make(100)
    const storm = (account: string): Attempt[] =>
      times(6, (i) => guess({ account, ip: farAway(i) }))
    expect(await letThrough(throttle, storm('quiet@example.com'))).toBe(5)
    expect(await letThrough(throttle, storm('attacked@example.com'))).toBe(5)
    for (let i = 0; i < 150; i++) {
      const ip = farAway(1_000 + i)
      await letThrough(throttle, [guess({ account: `user-${i}@example.com`, ip })])
      expect(await waitOf(throttle, guess({ account: 'attacked@example.com', ip }))).toBeDefined()
    }
    expect(await letThrough(throttle, storm('quiet@example.com'))).toBe(5)
  })
})

/** Connected, after as many tries as it takes. */
const ready = ({ connection }: RedisClient): Promise<void> =>
  new Promise((resolve) => void connection.once('ready', () => resolve()))

describe.runIf(redisAvailable())('in Redis', () => {
  test('processes share one count, and Redis holds no addresses of people', async () => {
    const redis = await startRedis()
    const prefix = `test-${process.pid}-${Date.now()}`
    const clients = [1, 2].map(() => openRedisClient({ url: redis.url, log: recordingLog() }))
    try {
      await Promise.all(clients.map(ready))
      const logs = clients.map(() => recordingLog())
      const throttles = clients.map((client, i) =>
        makeThrottle({ log: logs[i]!, redis: client, prefix }),
      )
      const storm = times(100, (i) => guess({ ip: farAway(i) }))
      const looks = await Promise.all(throttles.map((one) => letThrough(one, storm)))
      expect(looks[0]! + looks[1]!).toBe(5)
      expect(await waitOf(throttles[1]!, guess())).toBeGreaterThan(14 * MINUTE)
      const keys = await clients[0]!.connection.keys(`${prefix}:*`)
      expect(keys.length).toBeGreaterThan(3)
      expect(keys.join()).not.toMatch(/ada|example/)
      await throttles[0]!.succeed(guess())
      expect(await letThrough(throttles[1]!, [guess({ ip: farAway(500) })])).toBe(1)
      expect(logs.flatMap(({ lines }) => lines)).toEqual([])
    } finally {
      for (const client of clients) client.close()
      await redis.close()
    }
  })

  test('without Redis each process counts for itself, says so once, and comes back', async (context) => {
    const redis = await startRedis()
    if (!redis.owned) context.skip('a given server is not stopped')
    const log = recordingLog()
    const connectionLog = recordingLog()
    const client = openRedisClient({ url: redis.url, log: connectionLog })
    try {
      await ready(client)
      const throttle = makeThrottle({ log, redis: client })
      expect(await letThrough(throttle, [guess()])).toBe(1)
      await redis.stop()
      expect(
        await letThrough(
          throttle,
          times(100, (i) => guess({ ip: farAway(i) })),
        ),
      ).toBe(5)
      expect(log.lines.map(({ level }) => level)).toEqual(['warn'])
      const back = ready(client)
      await redis.start()
      await back
      expect(
        await letThrough(
          throttle,
          times(100, (i) => guess({ ip: farAway(i) })),
        ),
      ).toBe(5)
      expect(log.lines).toHaveLength(1)
      expect(connectionLog.lines.map(({ level }) => level)).toEqual(['warn', 'info'])
    } finally {
      client.close()
      await redis.close()
    }
  })
})
