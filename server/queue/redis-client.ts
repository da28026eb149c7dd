/**
 * A connection to the broker for what is no job: counters that processes share. It fails fast and never queues, since
 * whoever asks has a way to go on without it.
 */
import { Redis } from 'ioredis'
import type { Log } from '../core/ports.ts'

export interface RedisClient {
  /** For a library that speaks Redis itself. */
  readonly connection: Redis
  /** Idempotent. */
  close(): void
}

const COMMAND_TIMEOUT_MS = 1_000

/** Connects in the background, and again whenever the connection is lost. */
export function openRedisClient({
  url,
  log,
}: {
  readonly url: string
  readonly log: Log
}): RedisClient {
  const connection = new Redis(url, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
    retryStrategy: (times) => Math.min(times * 100, 2_000),
  })
  // An outage is one line, not one for each try to come back; what the socket said comes before its end.
  let isDown = false
  let isClosed = false
  let reason: Error | undefined
  connection.on('error', (error: Error) => (reason = error))
  connection.on('close', () => {
    if (!isDown && !isClosed) log.warn({ err: reason }, 'the connection to Redis is lost')
    isDown = true
  })
  connection.on('ready', () => {
    if (isDown) log.info({}, 'the connection to Redis is back')
    isDown = false
    reason = undefined
  })
  return {
    connection,
    close() {
      isClosed = true
      connection.disconnect()
    },
  }
}
