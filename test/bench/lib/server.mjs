/**
 * The program under test: the built server in a process of its own, as anybody starts it, with a fresh data directory
 * on the project's disk, set up with its own command line.
 */
import { execFile, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { cpuSeconds, mainThreadSeconds, memoryOf } from './machine.mjs'
import { summarise } from './profile.mjs'
import { freePort, until } from './util.mjs'

export const ROOT = join(import.meta.dirname, '../../..')
/** A build other than dist/, to compare two of them. */
const DIST = process.env.BENCH_DIST ?? join(ROOT, 'dist')
/** Where data directories are made: the disk that is measured. */
export const WORK_FOLDER = process.env.BENCH_DIR ?? join(ROOT, 'node_modules/.cache/bench')
const MAIN = join(DIST, 'server/main.js')
/** Flags for the server's node, to try what they do. */
const NODE_ARGS = (process.env.BENCH_NODE_ARGS ?? '').split(' ').filter((word) => word !== '')
const Database = createRequire(import.meta.url)('better-sqlite3')

/** A module of the build. */
export const load = (file) => import(pathToFileURL(join(DIST, file)).href)

/** Sessions, requests and connections are not what is measured, so they are not limited. */
const settings = ({ dataDir, http, smtp, more }) => ({
  dataDir,
  hostname: 'mx.posthorn.test',
  http: { listen: `127.0.0.1:${http}` },
  submission: {
    maxConnectionsPerIp: 500,
    listeners: [{ listen: `127.0.0.1:${smtp}`, tls: 'starttls', trustedNetworks: ['127.0.0.0/8'] }],
  },
  limits: { requestsPerSecond: 1_000_000, requestBurst: 1_000_000 },
  log: { level: 'warn' },
  ...more,
})

/**
 * `hops` are ways out: `{ port, tls, domain, rate }`; one without `domain` takes what no other takes. `dkim`: the
 * sender domain signs as it does after `domain add`, with RSA-2048 and Ed25519; else not at all.
 */
export async function startServer({ hops, dkim = false, config = {}, profile = false }) {
  mkdirSync(WORK_FOLDER, { recursive: true })
  const dataDir = mkdtempSync(join(WORK_FOLDER, 'posthorn-'))
  const file = join(dataDir, 'config.json')
  const database = join(dataDir, 'posthorn.sqlite')
  const ports = { http: await freePort(), smtp: await freePort() }
  writeFileSync(file, JSON.stringify(settings({ dataDir, ...ports, more: config })))
  const cli = (...words) => command(file, words)
  const access = await setUp(cli, hops)
  if (!dkim) new Database(database).exec('delete from dkim_keys').close()

  const profileDir = join(dataDir, 'profile')
  let child = await start(file, profile ? ['--cpu-prof', `--cpu-prof-dir=${profileDir}`] : [])
  const db = new Database(database, { readonly: true })
  const open = db.prepare(OPEN_DELIVERIES).pluck()
  return {
    ...access,
    ...ports,
    db,
    /** Runs a command beside the running server; resolves with what it printed as JSON. */
    cli,
    cpu: () => cpuSeconds(child.pid),
    /** The event loop's share of it. */
    mainThread: { cpu: () => mainThreadSeconds(child.pid) },
    memory: () => memoryOf(child.pid),
    /** Deliveries that are not at their end yet. */
    open: () => open.get(),
    stop: () => stop(child),
    /** After `stop`; resolves when it says that it runs. */
    async start() {
      child = await start(file, [])
    },
    /** Resolves with where the time went when that was asked for. */
    async close() {
      db.close()
      await stop(child)
      const spent = profile ? summarise(profileDir) : undefined
      rmSync(dataDir, { recursive: true, force: true })
      return spent
    },
  }
}

/** Answered by the two small indexes over what waits. */
const OPEN_DELIVERIES = `select
  (select count(*) from deliveries indexed by deliveries_leased where state = 'leased') +
  (select count(*) from deliveries indexed by deliveries_queue where state in ('queued', 'deferred'))`

async function command(file, words) {
  const args = [MAIN, ...words.map(String), '--config', file, '--json']
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return JSON.parse(stdout)
}

async function setUp(cli, hops) {
  await cli('domain', 'add', 'sender.test', '--verified')
  const key = await cli('key', 'create', 'bench', '--scopes', 'messages:send,messages:read')
  const login = await cli('credential', 'create', 'bench')
  for (const [number, hop] of hops.entries()) {
    const at = ['--next-hop', `127.0.0.1:${hop.port}`]
    const match = hop.domain === undefined ? [] : ['--match-recipient-domain', hop.domain]
    const position = ['--position', hop.domain === undefined ? 500 : 1 + number]
    await cli(
      'route',
      'add',
      `hop${number}`,
      ...at,
      '--tls',
      hop.tls ?? 'off',
      ...match,
      ...position,
    )
    const rate = hop.rate === undefined ? [] : ['--rate', hop.rate]
    const reuse = ['--messages-per-connection', 1_000_000]
    await cli('limit', 'set', ...at, '--connections', 20, ...reuse, ...rate)
  }
  return { key: key.secret, user: login.username, password: login.password }
}

async function start(file, nodeArgs) {
  const child = spawn(
    process.execPath,
    [...NODE_ARGS, ...nodeArgs, MAIN, 'serve', '--config', file],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let text = ''
  let ended
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    if (text.length < 10_000) text += chunk
  })
  child.once('exit', (code, signal) => {
    ended = code ?? signal
  })
  await until(
    () => {
      if (ended !== undefined) throw new Error(`The server ended (${ended}):\n${text}`)
      return text.includes('Posthorn is running.')
    },
    'the server to start',
    { everyMs: 5 },
  )
  return child
}

const stop = (child) =>
  new Promise((resolve) => {
    child.once('exit', resolve)
    child.kill('SIGTERM')
  })
