/**
 * The disk runs full under load: first down to the room that `store.minFreeDisk` guards, then to the last byte. Mail
 * must be refused with 452 and 507, nothing that was promised may get lost, and service must resume by itself as soon
 * as there is room.
 */
import { join } from 'node:path'
import { audit, isDone } from './audit.mjs'
import { makeLedger } from './ledger.mjs'
import { startLoad } from './load.mjs'
import { makeMessages } from './message.mjs'
import { startNameServer } from './name-server.mjs'
import { install, killAll, startServer } from './program.mjs'
import { sleep, until } from './random.mjs'
import { startSink } from './sink.mjs'
import { soFar } from './kill-rounds.mjs'
import { mountSmallDisk } from './small-disk.mjs'

const MIB = 1024 * 1024
const DISK_BYTES = 256 * MIB
const GUARD_BYTES = 64 * MIB
const DOMAINS = 4

/** The guard looks once a second. */
const NOTICE_MS = 5_000
const FULL_MS = 3_000
const RESUME_MS = 10_000
const DRAIN_MS = 120_000

/** What a client may hear while the disk is full. A connection may also be closed on a client that idles. */
const HONEST = new Set(['452 4.3.1', '507 STORE_FULL'])

const SITUATIONS = {
  /** The guard: there is still room to settle what was accepted. */
  guard: { minFreeDisk: '64 MiB', leave: GUARD_BYTES / 2 },
  /** No guard: writes fail in the middle. */
  enospc: { minFreeDisk: '0 B', leave: 0 },
}
export const DISK_SITUATIONS = Object.keys(SITUATIONS)

/** Undefined when this machine lets nobody mount a small disk. */
export async function runDiskFull({ situation, rounds, random, directory, load, print }) {
  const { minFreeDisk, leave } = SITUATIONS[situation]
  const point = join(directory, 'disk')
  const disk = mountSmallDisk(point, DISK_BYTES)
  if (disk === undefined) return undefined
  const nameServer = await startNameServer()
  const sink = await startSink(random, { answerMs: 20, deferShare: 0.01 })
  const name = `disk full, ${situation}`
  const complaints = []
  let installation
  try {
    installation = await install({
      directory,
      dataDir: join(point, 'data'),
      sinkPort: sink.port,
      nameServer: nameServer.address,
      settings: { store: { minFreeDisk } },
    })
    const ledger = makeLedger()
    const run = { ledger, sink, installation }
    const domain = () => `remote-${random.whole(1, DOMAINS)}.test`
    const messages = makeMessages(random, { domain, largeShare: 0.02 })
    const server = await startServer(installation)
    const clients = startLoad(installation, ledger, messages, random, load)
    const resumed = []

    for (let round = 1; round <= rounds; round++) {
      await sleep(random.between(500, 1_500))
      const before = new Map(ledger.refusals)
      const keepFull = setInterval(() => disk.fill(leave), 50)
      disk.fill(leave)
      const isRefusing = await until(() => answersSince(before, ledger, HONEST) === 2, NOTICE_MS)
      if (!isRefusing)
        complaints.push(`round ${round}: not both of 452 and 507 within ${NOTICE_MS} ms`)
      const promised = ledger.acknowledged.size
      await sleep(FULL_MS)
      const late = ledger.acknowledged.size - promised
      clearInterval(keepFull)
      disk.empty()
      const emptiedAt = Date.now()
      const isBack = await until(() => ledger.lastAt > emptiedAt, RESUME_MS, 10)
      if (isBack) resumed.push(ledger.lastAt - emptiedAt)
      else
        complaints.push(`round ${round}: no mail was accepted ${RESUME_MS} ms after there was room`)
      const answers = differenceOf(before, ledger)
      for (const answer of answers.keys())
        if (!HONEST.has(answer)) complaints.push(`round ${round}: answered ${answer}`)
      print(
        `${name} ${round}/${rounds}: ${listOf(answers)}; ${late} accepted while full; ${soFar(run)}`,
      )
    }

    await clients.stop()
    const drainedFrom = Date.now()
    const isDrained = await until(() => isDone(run), DRAIN_MS, 200)
    if (!isDrained) complaints.push(`the queue was not empty ${DRAIN_MS} ms after the load ended`)
    const drainMs = Date.now() - drainedFrom
    if (server.hasEnded) complaints.push('the server ended by itself')
    const { code, signal } = await server.stop()
    if (code !== 0) complaints.push(`the server ended with ${signal ?? code} on SIGTERM`)
    const result = await audit(run)
    print(`${name}: load stopped, drained after ${drainMs} ms; ${soFar(run)}`)
    return {
      ...result,
      name,
      rounds,
      resumeMs: resumed.sort((a, b) => a - b),
      drainMs,
      refusals: ledger.refusals,
      complaints: [...complaints, ...result.complaints],
    }
  } finally {
    if (installation !== undefined) await killAll(installation)
    await sink.close()
    nameServer.close()
    disk.unmount()
  }
}

/** Answers since `before`, with how often each came. */
function differenceOf(before, { refusals }) {
  const grown = [...refusals].map(([answer, count]) => [answer, count - (before.get(answer) ?? 0)])
  return new Map(grown.filter(([, count]) => count > 0))
}

/** How many different ones of `wanted` were heard. */
const answersSince = (before, ledger, wanted) =>
  [...differenceOf(before, ledger).keys()].filter((answer) => wanted.has(answer)).length

export const listOf = (answers) =>
  [...answers].map(([answer, count]) => `${count} × ${answer}`).join(', ') || 'no refusals'
