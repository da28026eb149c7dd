/**
 * The program under load, killed with SIGKILL again and again at random moments and started again, with FLUSHALL in
 * between where there is a Redis; then everything that was promised has to be there.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { audit, isDone } from './audit.mjs'
import { makeLedger } from './ledger.mjs'
import { startLoad } from './load.mjs'
import { makeMessages } from './message.mjs'
import { startNameServer } from './name-server.mjs'
import { install, killAll, startServer } from './program.mjs'
import { sleep, until } from './random.mjs'
import { startRedis } from './redis.mjs'
import { startSink } from './sink.mjs'

const ALL_ROLES = { name: 'server', flags: [] }
/** One entry per process. */
const PROCESSES = {
  embedded: [ALL_ROLES],
  bullmq: [ALL_ROLES],
  split: [
    { name: 'front', flags: ['--roles', 'http,submission'] },
    { name: 'worker-1', flags: ['--roles', 'worker'] },
    { name: 'worker-2', flags: ['--roles', 'worker'] },
  ],
}
export const MODES = Object.keys(PROCESSES)

/** Recipient domains, each a lane of its own; every round adds one that the program has never seen. */
const DOMAINS = 12
const NEW_DOMAIN_SHARE = 0.1
/** A kill comes that long after the program was ready, or after mail flows again. */
const KILL_AFTER_MS = [300, 2_000]
/** How long a round waits for mail to flow again before it kills all the same. */
const FLOW_MS = 60_000
const DRAIN_MS = 180_000

/** Undefined when the mode needs what this machine does not have. */
export async function runKills({ mode, kills, random, directory, load, print }) {
  mkdirSync(directory, { recursive: true })
  const redis = mode === 'embedded' ? undefined : await startRedis(directory)
  if (mode !== 'embedded' && redis === undefined) return undefined
  const nameServer = await startNameServer()
  const sink = await startSink(random, { answerMs: 20, deferShare: 0.01 })
  let round = 0
  let installation
  try {
    installation = await install({
      directory,
      dataDir: join(directory, 'data'),
      sinkPort: sink.port,
      nameServer: nameServer.address,
      settings: redis === undefined ? {} : { redis: { url: redis.url } },
    })
    const domain = () =>
      random.chance(NEW_DOMAIN_SHARE)
        ? `new-${round}.test`
        : `remote-${random.whole(1, DOMAINS)}.test`
    const messages = makeMessages(random, { domain, largeShare: 0.01 })
    const ledger = makeLedger()
    const run = { ledger, sink, installation }
    const servers = new Map()
    for (const process of PROCESSES[mode])
      servers.set(process.name, await startServer(installation, process))
    const clients = startLoad(installation, ledger, messages, random, load)
    const recoveries = []

    for (round = 1; round <= kills; round++) {
      // Half of the kills hit a program that works, the others one that is still getting up.
      const flows = random.chance(0.5) ? await waitForFlow(sink, servers) : undefined
      if (flows !== undefined) recoveries.push(flows)
      await sleep(random.between(...KILL_AFTER_MS))
      const isFlush = redis !== undefined && round % 3 === 0
      // Under way, or while nobody listens.
      const isFlushFirst = isFlush && random.chance(0.5)
      if (isFlushFirst) await redis.flush()
      const victim = random.pick(PROCESSES[mode])
      await servers.get(victim.name).kill()
      if (isFlush && !isFlushFirst) await redis.flush()
      const server = await startServer(installation, victim)
      servers.set(victim.name, server)
      const notes = [
        `ready in ${server.readyMs} ms`,
        ...(flows === undefined ? [] : [`before it mail flowed after ${flows} ms`]),
        ...(isFlush ? ['FLUSHALL'] : []),
      ]
      print(`${mode} ${round}/${kills}: killed ${victim.name}; ${soFar(run)}; ${notes.join(', ')}`)
    }

    await clients.stop()
    const drainedFrom = Date.now()
    const isDrained = await until(() => isDone(run), DRAIN_MS, 200)
    const drainMs = Date.now() - drainedFrom
    const endings = []
    for (const [name, server] of servers) {
      const { code, signal } = await server.stop()
      if (code !== 0) endings.push(`${name} ended with ${signal ?? code} on SIGTERM`)
    }
    const result = await audit(run)
    print(`${mode}: load stopped, drained after ${drainMs} ms; ${soFar(run)}`)
    return {
      ...result,
      name: mode,
      rounds: kills,
      resumeMs: recoveries.sort((a, b) => a - b),
      drainMs,
      refusals: ledger.refusals,
      complaints: [
        ...(isDrained ? [] : [`the queue was not empty ${DRAIN_MS} ms after the load ended`]),
        ...endings,
        // A kill is nothing that the next start may stumble over.
        ...installation.errors.slice(0, 3).map((line) => `in the log: ${line}`),
        ...result.complaints,
      ],
    }
  } finally {
    if (installation !== undefined) await killAll(installation)
    await sink.close()
    nameServer.close()
    await redis?.close()
  }
}

/** Ms from the start of the youngest process to the first mail after it; undefined when none came in time. */
async function waitForFlow(sink, servers) {
  const startedAt = Math.max(...[...servers.values()].map((server) => server.startedAt))
  const isFlowing = await until(() => sink.lastAt > startedAt, FLOW_MS, 10)
  return isFlowing ? sink.lastAt - startedAt : undefined
}

export function soFar({ ledger, sink, installation }) {
  const repeats = sink.received - sink.copies.size
  return (
    `acknowledged ${ledger.acknowledged.size}, delivered ${sink.copies.size}, ` +
    `in doubt ${installation.doubts.size}, repeats ${repeats}`
  )
}
