/**
 * The program under test as an operator runs it: an installation in a folder, set up with the command line, and server
 * processes that can be killed. Reads from their logs which deliveries they call in doubt.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { within } from './random.mjs'

const MAIN = join(import.meta.dirname, '../../dist/server/main.js')
const START_MS = 60_000
const STOP_MS = 45_000
/** pino's number for it. */
const ERROR_LEVEL = 50

export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}

/**
 * Writes the configuration, vouches for the sender domain, makes an API key. `directory` takes configuration and
 * logs, `dataDir` the data.
 */
export async function install({ directory, dataDir, sinkPort, nameServer, settings = {} }) {
  const [smtpPort, httpPort] = [await freePort(), await freePort()]
  const config = {
    dataDir,
    hostname: 'posthorn.crash.test',
    http: { listen: `127.0.0.1:${httpPort}` },
    submission: {
      listeners: [
        { listen: `127.0.0.1:${smtpPort}`, tls: 'none', trustedNetworks: ['127.0.0.0/8'] },
      ],
    },
    dns: { servers: [nameServer] },
    delivery: {
      port: sinkPort,
      allowPrivateNetworks: true,
      retry: { transactional: { schedule: '1s, 1s, 2s, 2s, 5s', maxAge: '1h' } },
    },
    limits: { requestsPerSecond: 100_000, requestBurst: 100_000 },
    ...settings,
  }
  mkdirSync(directory, { recursive: true })
  const configFile = join(directory, 'config.json')
  writeFileSync(configFile, JSON.stringify(config, undefined, 2))
  const run = async (...words) => {
    const argv = [MAIN, ...words, '--config', configFile, '--json']
    const { stdout } = await promisify(execFile)(process.execPath, argv)
    return JSON.parse(stdout)
  }
  await run('domain', 'add', 'crash.test', '--verified')
  const { secret } = await run('key', 'create', 'crash')
  return {
    directory,
    dataDir,
    configFile,
    smtpPort,
    httpPort,
    key: secret,
    /** Delivery id → how often a log line called it in doubt. */
    doubts: new Map(),
    /** Log lines at level error. */
    errors: [],
    running: new Set(),
  }
}

/** Starts one server process, reads its log into the installation, and resolves when it is ready. */
export async function startServer(installation, { name = 'server', flags = [] } = {}) {
  const argv = [MAIN, 'serve', '--config', installation.configFile, ...flags]
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  const log = createWriteStream(join(installation.directory, `${name}.log`), { flags: 'a' })
  const startedAt = Date.now()
  let ended = false
  const exited = once(child, 'exit').then(([code, signal]) => {
    ended = true
    return { code, signal }
  })
  // The log has been read to its end when the streams close, which may be after the process is gone.
  const closed = once(child, 'close')
  // Whatever ends the suite must not leave a server behind.
  const killChild = () => child.kill('SIGKILL')
  process.once('exit', killChild)
  child.stderr.pipe(log, { end: false })

  const ready = new Promise((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      log.write(`${line}\n`)
      if (line.startsWith('Posthorn is running')) resolve(true)
      // The banner is no JSON, and the last line of a killed process may have no end.
      if (!line.startsWith('{') || !line.endsWith('}')) return
      const { level, msg, delivery } = JSON.parse(line)
      const { doubts, errors } = installation
      if (level >= ERROR_LEVEL) errors.push(line)
      if (msg?.startsWith('delivery in doubt'))
        doubts.set(delivery, (doubts.get(delivery) ?? 0) + 1)
    })
  })

  async function end(signal) {
    child.kill(signal)
    const how = await within(STOP_MS, exited)
    if (how === undefined) child.kill('SIGKILL')
    await closed
    installation.running.delete(end)
    process.off('exit', killChild)
    log.end()
    return how ?? { code: undefined, signal: 'too slow' }
  }

  installation.running.add(end)
  const isUp = await within(START_MS, Promise.race([ready, exited]))
  if (isUp !== true) {
    await end('SIGKILL')
    throw new Error(`the server did not start; see ${installation.directory}/${name}.log`)
  }
  return {
    name,
    startedAt,
    readyMs: Date.now() - startedAt,
    get hasEnded() {
      return ended
    },
    kill: () => end('SIGKILL'),
    /** Resolves with how it ended: `{ code: 0 }` when all is well. */
    stop: () => end('SIGTERM'),
  }
}

/** For the end of a run that broke off. */
export const killAll = ({ running }) => Promise.all([...running].map((end) => end('SIGKILL')))
