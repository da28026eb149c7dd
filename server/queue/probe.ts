/** One look at the broker, for `posthorn check`: whether it answers, and how it is set. Changes nothing there. */
import { Redis } from 'ioredis'

export interface RedisFacts {
  /** Of the protocol: Valkey tells the Redis version it is compatible with. */
  readonly version: string
  readonly maxmemoryPolicy: string
  readonly appendOnly: boolean
}

/** Rejects with the reason when nobody answers within `timeoutMs`, or the password is refused. */
export async function probeRedis(url: string, timeoutMs: number): Promise<RedisFacts> {
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    connectTimeout: timeoutMs,
    commandTimeout: timeoutMs,
    retryStrategy: () => null,
  })
  // The socket's own error says more than the "Connection is closed." of the command that waited for it.
  let reason: Error | undefined
  redis.on('error', (error: Error) => (reason ??= error))
  try {
    await redis.connect()
    return factsOf(await redis.info())
  } catch (error) {
    throw reason ?? error
  } finally {
    redis.disconnect()
  }
}

/** Reads what INFO answers: `name:value` lines. */
function factsOf(info: string): RedisFacts {
  const value = (name: string): string =>
    new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? 'unknown'
  return {
    version: value('redis_version'),
    maxmemoryPolicy: value('maxmemory_policy'),
    appendOnly: value('aof_enabled') === '1',
  }
}
