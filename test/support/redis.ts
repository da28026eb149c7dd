/**
 * A Redis of the test's own: a private server on a free port with nothing on disk, or the one that
 * POSTHORN_TEST_REDIS_URL names. A given server is shared with others: it is never flushed, stopped or reconfigured.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

export interface TestRedis {
  readonly url: string
  /** It is ours alone: `stop`, `start`, FLUSHALL and CONFIG are allowed. */
  readonly owned: boolean
  /** Ends it with SIGKILL and waits; keeps port and folder. Does nothing to a given server. */
  stop(): Promise<void>
  /** Starts it again on the same port, empty. */
  start(): Promise<void>
  /** Ends it for good and removes its folder. */
  close(): Promise<void>
}

const given = process.env['POSTHORN_TEST_REDIS_URL']

function findServer(): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(folder, 'redis-server')
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {
      // Not in this folder.
    }
  }
  return undefined
}
const server = findServer()

/** Whether tests that need Redis can run; says on the console why not, so that a skip is seen. */
export function redisAvailable(): boolean {
  if (given !== undefined || server !== undefined) return true
  console.warn('SKIPPED, needs Redis: no redis-server in PATH and POSTHORN_TEST_REDIS_URL not set')
  return false
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

/** Resolves with whether a server answers on the port; one that wants a password is up, too. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    const end = (value: boolean): void => {
      socket.destroy()
      resolve(value)
    }
    socket.once('data', (data) => end(/^(\+PONG|-NOAUTH)/.test(data.toString())))
    socket.once('error', () => end(false))
    socket.once('close', () => end(false))
  })
}

/** A server that is up when this resolves. `settings` are further words of its command line. */
export async function startRedis(settings: readonly string[] = []): Promise<TestRedis> {
  if (given !== undefined) {
    const nothing = async (): Promise<void> => undefined
    return { url: given, owned: false, stop: nothing, start: nothing, close: nothing }
  }
  if (server === undefined) throw new Error('no redis-server in PATH')
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-redis-'))
  const words = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder]
  words.push('--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction', ...settings)
  let child: ChildProcess | undefined
  // A run that is cut short must not leave a server behind.
  const killChild = (): void => void child?.kill('SIGKILL')
  process.on('exit', killChild)

  async function start(): Promise<void> {
    const started = spawn(server!, words, { stdio: 'ignore' })
    child = started
    const until = Date.now() + 10_000
    while (!(await answers(port))) {
      if (started.exitCode !== null || Date.now() > until)
        throw new Error('redis-server did not start')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async function stop(): Promise<void> {
    const running = child
    child = undefined
    if (running === undefined || running.exitCode !== null) return
    const ended = once(running, 'exit')
    running.kill('SIGKILL')
    await ended
  }

  async function close(): Promise<void> {
    await stop()
    process.off('exit', killChild)
    rmSync(folder, { recursive: true, force: true })
  }

  try {
    await start()
  } catch (error) {
    await close()
    throw error
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    owned: true,
    stop,
    start,
    close,
  }
}
