/**
 * The whole program against a world of its own: name server, receiving hosts and data directory are real and private
 * to the test, so are sockets, SQLite and threads; only the ports are the test's. One world can hold several programs
 * (workers on one data directory).
 */
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { loadConfig } from '../../server/config/load.ts'
import type { Config } from '../../server/config/schema.ts'
import { isRawObject } from '../../server/config/validate.ts'
import type { RawObject } from '../../server/config/validate.ts'
import type { Clock, Dialer } from '../../server/core/ports.ts'
import type { DomainInfo } from '../../server/services/domains.ts'
import { dial as realDial } from './dial.ts'
import { startDnsStub } from './dns-stub.ts'
import type { DnsStub, StubZones } from './dns-stub.ts'
import { leapClock } from './leap-clock.ts'
import type { LeapClock } from './leap-clock.ts'
import { recordingLog } from './log.ts'
import type { RecordingLog } from './log.ts'
import { SENDER, startProgram, until } from './program.ts'
import type { Program } from './program.ts'
import { startSink } from './sink.ts'
import type { Sink, SinkOptions } from './sink.ts'

export const HOSTNAME = 'mx.posthorn.test'

const MEMORY = '/dev/shm'

/** `mx.ok.test` is the first sink; every name below `ok.test` has it as MX, too. */
const ZONES: StubZones = {
  'ok.test': { MX: [[10, 'mx.ok.test']] },
  '*.ok.test': { MX: [[10, 'mx.ok.test']] },
  'mx.ok.test': { A: ['127.0.0.1'] },
}

export interface WorldOptions {
  /** On top of the world's own settings, section by section. */
  readonly config?: RawObject
  /** Default: a leap clock, which is `world.clock`. */
  readonly clock?: Clock
  readonly zones?: StubZones
  /** The first sink, at 127.0.0.1 on a port of the system's choice. */
  readonly sink?: SinkOptions
  readonly dial?: Dialer
  /** Keep the data in memory where the system can: for tests that would spend their time in fsync. */
  readonly inMemory?: boolean
}

export interface World extends Program {
  readonly dataDir: string
  readonly dns: DnsStub
  /** The first one; `sinks` are all. */
  readonly sink: Sink
  readonly sinks: readonly Sink[]
  readonly clock: LeapClock
  readonly log: RecordingLog
  /** What the first tenant's domain publishes for DKIM. */
  readonly domain: DomainInfo
  /** Another receiving host, at `address` on the port of the first. */
  addSink(address: string, options?: SinkOptions): Promise<Sink>
  /** Another program on the same data directory. */
  join(options?: JoinOptions): Promise<Program>
  /** Waits until no delivery is leased or due. */
  quiet(): Promise<void>
  /** Skips the wait to the next delivery that is due, and lets it be worked. Resolves with how far, in ms. */
  skip(): Promise<number>
}

export interface JoinOptions {
  readonly config?: RawObject
  readonly clock?: Clock
  readonly dial?: Dialer
  readonly dataDir?: string
}

/** Starts a world that ends with the test. */
export async function startTestApp(options: WorldOptions = {}): Promise<World> {
  const folder = options.inMemory === true && existsSync(MEMORY) ? MEMORY : tmpdir()
  const dataDir = mkdtempSync(join(folder, 'posthorn-system-'))
  const dns = await startDnsStub({ ...ZONES, ...options.zones })
  const sink = await startSink(options.sink)
  const sinks = [sink]
  const log = recordingLog({ echo: process.env['POSTHORN_TEST_LOG'] !== undefined })
  const clock = leapClock()
  const programs: Program[] = []
  let ended = false

  async function end(): Promise<void> {
    if (ended) return
    ended = true
    await Promise.all(programs.map((program) => program.close()))
    await Promise.all([...sinks.map((one) => one.close()), dns.close()])
    rmSync(dataDir, { recursive: true, force: true })
  }
  onTestFinished(end)

  const basis: RawObject = {
    dataDir,
    hostname: HOSTNAME,
    shutdownGrace: '5 s',
    http: { listen: '127.0.0.1:0' },
    submission: {
      listeners: [{ listen: '127.0.0.1:0', tls: 'starttls', trustedNetworks: [] }],
    },
    dns: { servers: [dns.address], timeouts: ['300 ms', '500 ms'] },
    delivery: { port: sink.port, allowPrivateNetworks: true, laneLinger: '100 ms' },
    limits: { requestsPerSecond: 100_000, requestBurst: 100_000 },
  }

  async function start(own: JoinOptions): Promise<Program> {
    const settings = layered(
      layered(layered(basis, options.config ?? {}), own.config ?? {}),
      own.dataDir === undefined ? {} : { dataDir: own.dataDir },
    )
    const program = await startProgram(configOf(settings), {
      clock: own.clock ?? options.clock ?? clock,
      log,
      dial: own.dial ?? options.dial ?? realDial,
    })
    programs.push(program)
    return program
  }

  const first = await start({})
  const domain = await first.domains.add(SYSTEM_ACTOR, first.tenant, SENDER, true)
  const count = (sql: string, ...values: number[]): number =>
    (first.app.store.reader.prepare(sql).get(...values) as { n: number | null }).n ?? 0

  async function quiet(): Promise<void> {
    await until(
      () =>
        count(
          `select count(*) as n from deliveries where state = 'leased'
             or (state in ('queued', 'deferred') and next_at <= ?)`,
          first.app.ports.clock.now(),
        ) === 0,
      'nothing to be due',
    )
  }
  return {
    ...first,
    dataDir,
    dns,
    sink,
    sinks,
    clock,
    log,
    domain,
    async addSink(address, sinkOptions = {}) {
      const more = await startSink({ ...sinkOptions, address, port: sink.port })
      sinks.push(more)
      return more
    },
    join: (own = {}) => start(own),
    quiet,
    async skip() {
      await quiet()
      const next = count(
        `select min(next_at) as n from deliveries where state in ('queued', 'deferred')`,
      )
      if (next === 0) throw new Error('nothing waits')
      const ms = Math.max(0, next - clock.now())
      clock.leap(ms)
      await quiet()
      return ms
    },
  }
}

/** `more` wins; sections are merged, lists and values replaced. */
function layered(base: RawObject, more: RawObject): RawObject {
  const merged: Record<string, unknown> = { ...base }
  for (const [name, value] of Object.entries(more)) {
    const old = merged[name]
    merged[name] = isRawObject(old) && isRawObject(value) ? layered(old, value) : value
  }
  return merged
}

const configOf = (settings: RawObject): Config =>
  loadConfig({
    file: { name: 'test.json', text: JSON.stringify(settings) },
    env: {},
    flags: {},
    hostname: HOSTNAME,
  })
