/** Several processes over one broker: it may come and go and forget everything; limits hold and no mail is lost. */
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startTestApp } from '../support/app.ts'
import type { World, WorldOptions } from '../support/app.ts'
import { openSessions } from '../support/open-sessions.ts'
import { until } from '../support/program.ts'
import type { Program } from '../support/program.ts'
import { redisAvailable, startRedis } from '../support/redis.ts'
import type { TestRedis } from '../support/redis.ts'

let worlds = 0

async function withRedis(options: WorldOptions = {}): Promise<{ redis: TestRedis; world: World }> {
  const redis = await startRedis()
  onTestFinished(() => redis.close())
  const prefix = `posthorn-system-${process.pid}-${++worlds}`
  const world = await startTestApp({
    ...options,
    config: { ...options.config, redis: { url: redis.url, prefix } },
  })
  return { redis, world }
}

const addresses = (count: number, domain = 'ok.test'): string[] =>
  Array.from({ length: count }, (_, i) => `ok${i}@${domain}`)

/** Each recipient got the mail once. */
function expectOnce(world: World, count: number): void {
  expect(world.sink.counts.get('accepted')).toBe(count)
  expect(new Set(world.sink.messages.map(({ rcptTo }) => rcptTo[0])).size).toBe(count)
}

describe.skipIf(!redisAvailable())('over Redis', () => {
  test('eight workers together hold one cap on a provider, whatever the domains are called', async () => {
    const domains = Array.from({ length: 200 }, (_, i) => `vanity${i}.test`)
    const mx = [
      [10, 'aspmx.l.google.com'],
      [20, 'alt1.aspmx.l.google.com'],
    ] as const
    const sessions = openSessions()
    const { world } = await withRedis({
      config: { roles: ['http'] },
      sink: { replies: sessions.replies },
      zones: {
        ...Object.fromEntries(domains.map((domain) => [domain, { MX: mx }])),
        'aspmx.l.google.com': { A: ['127.0.0.1'] },
        'alt1.aspmx.l.google.com': { A: ['127.0.0.1'] },
      },
    })
    await world.egress.setLimits(SYSTEM_ACTOR, {
      scope: 'destination',
      key: 'provider:google',
      limits: { connections: 6, messagesPerConnection: 20, tls: 'opportunistic' },
      note: 'test',
    })
    const workers: Program[] = []
    const hire = async (): Promise<void> => {
      workers.push(await world.join({ config: { roles: ['worker'] } }))
    }
    for (let i = 0; i < 8; i++) await hire()
    const posted = domains.map((domain, i) =>
      world.post([0, 1, 2, 3].map((n) => `slow-${10 + n}+${i}@${domain}`)),
    )
    const accepted = await Promise.all(posted)
    // Two of them go home in the middle of it, and two others come.
    await until(() => (world.sink.counts.get('accepted') ?? 0) > 200, 'a quarter to be sent')
    await Promise.all([workers[0]!.close(), workers[3]!.close(), hire(), hire()])
    await until(() => (world.sink.counts.get('accepted') ?? 0) >= 800, 'all', undefined, 30_000)
    for (const { id } of accepted.slice(0, 3)) await world.reach(id, 'delivered')
    expectOnce(world, 800)
    expect(sessions.most).toBe(6)
    const lanes = world.app.store.reader.prepare('select destination from lanes').all()
    expect(lanes).toEqual([{ destination: 'provider:google' }])
  }, 60_000)

  test('mail accepted by any process leaves soon, whichever process has the lane and whatever it is doing', async () => {
    const { world } = await withRedis({ config: { delivery: { laneLinger: '5 s' } } })
    const others = [await world.join(), await world.join()]
    const waits: number[] = []
    // Cold; then while the owner lingers on its open connections.
    for (let i = 0; i < 12; i++) {
      const accepting = [world, ...others][i % 3]!
      const start = Date.now()
      const { id } = await accepting.post(`ok${i}@ok.test`)
      await world.reach(id, 'delivered')
      waits.push(Date.now() - start)
      await new Promise((resolve) => setTimeout(resolve, 30))
    }
    expect(Math.max(...waits), waits.join(' ')).toBeLessThan(1_000)
  })

  test('mail is accepted while Redis is away, and delivered when it is back', async (context) => {
    const { redis, world } = await withRedis()
    context.skip(!redis.owned, 'the given Redis is not ours to stop')
    await redis.stop()
    const { id } = await world.post(['ok1@ok.test', 'ok2@ok.test'])
    await world.submit({ to: ['ok3@ok.test'] })
    expect((await world.call('GET', '/readyz')).body).toMatchObject({ ready: false })
    expect(world.sink.messages).toHaveLength(0)
    await redis.start()
    await world.reach(id, 'delivered')
    await until(() => world.sink.messages.length === 3, 'all to arrive')
    await world.quiet()
    expect(world.sink.messages).toHaveLength(3)
  })

  test('a process that died while Redis was away leaves nothing behind: the next one reads the database', async (context) => {
    const { redis, world } = await withRedis({ config: { roles: ['http', 'worker'] } })
    context.skip(!redis.owned, 'the given Redis is not ours to stop')
    await redis.stop()
    const { id } = await world.post(addresses(20))
    await world.close()
    await redis.start()
    const next = await world.join({ config: { roles: ['http', 'worker'] } })
    await next.reach(id, 'delivered')
    expectOnce(world, 20)
  })

  test('FLUSHALL in the middle of the work costs time, never mail', async (context) => {
    const { redis, world } = await withRedis()
    context.skip(!redis.owned, 'the given Redis is not ours to flush')
    await world.join({ config: { roles: ['worker'] } })
    const client = new Redis(redis.url)
    onTestFinished(() => client.disconnect())
    for (let i = 0; i < 6; i++) {
      const to = Array.from({ length: 50 }, (_, k) => `ok${i}x${k}@v${k % 5}.ok.test`)
      await world.post(to)
      if (i % 2 === 1) await client.flushall()
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
    await client.flushall()
    // What comes round once a minute.
    await world.app.reconciler.runOnce()
    await until(
      () => world.sink.messages.length >= 300,
      'all to arrive',
      () => String(world.sink.messages.length),
    )
    await world.quiet()
    expectOnce(world, 300)
  })
})
