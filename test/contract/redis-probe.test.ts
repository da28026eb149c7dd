import { describe, expect, onTestFinished, test } from 'vitest'
import { probeRedis } from '../../server/queue/probe.ts'
import { redisAvailable, startRedis } from '../support/redis.ts'

describe.skipIf(!redisAvailable())('a broker that answers', () => {
  test('tells its version and how it is set', async () => {
    const redis = await startRedis(['--maxmemory-policy', 'allkeys-lru', '--appendonly', 'no'])
    onTestFinished(() => redis.close())
    const facts = await probeRedis(redis.url, 2_000)
    expect(facts.version).toMatch(/^\d+\.\d+\.\d+$/)
    // A server that was given is set as its owner likes.
    if (redis.owned)
      expect(facts).toMatchObject({ maxmemoryPolicy: 'allkeys-lru', appendOnly: false })
  })
})

test('nobody there is told by the reason of the system', async () => {
  await expect(probeRedis('redis://127.0.0.1:1', 1_000)).rejects.toThrow(/ECONNREFUSED/)
})
