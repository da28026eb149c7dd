/**
 * `npm run test:crash`: does the program keep what it promises when it is killed, and when the disk is full? Needs a
 * build. Ends with one table; exit code 0 means that every promise was kept, 2 that this machine could run nothing.
 *
 *   --only LIST   of embedded, bullmq, split (one front, two workers), disk; default all
 *   --kills N     kills per engine, default 20
 *   --short       the form for CI: few kills, little load
 *   --seed N      repeats the dice of a run (not its moments: those are the machine's)
 *   --keep        leaves folder, logs and database behind; a failed run always does
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DISK_SITUATIONS, listOf, runDiskFull } from './disk-full.mjs'
import { MODES, runKills } from './kill-rounds.mjs'
import { makeRandom } from './random.mjs'

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: [...MODES, 'disk'].join(',') },
    kills: { type: 'string' },
    short: { type: 'boolean', default: false },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    keep: { type: 'boolean', default: false },
  },
})
const FORMS = {
  long: { kills: 20, diskRounds: 3, load: { smtp: 6, rest: 3, pauseMs: 20 } },
  short: { kills: 3, diskRounds: 1, load: { smtp: 3, rest: 2, pauseMs: 40 } },
}
const form = FORMS[values.short ? 'short' : 'long']
const kills = values.kills === undefined ? form.kills : Number(values.kills)

// By itself a signal would skip what ends servers and mounts at the exit.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
const startedAt = Date.now()
const print = (text) =>
  console.log(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${text}`)
const directory = mkdtempSync(join(tmpdir(), 'posthorn-crash-'))
print(`seed ${values.seed}, folder ${directory}`)

/** What a name stands for: runs that resolve with their figures, or with undefined where they are not possible. */
function runsOf(name) {
  const common = () => ({ random: makeRandom(Number(values.seed)), load: form.load, print })
  if (name === 'disk')
    return DISK_SITUATIONS.map((situation) => () => {
      const at = join(directory, `disk-${situation}`)
      return runDiskFull({ ...common(), situation, rounds: form.diskRounds, directory: at })
    })
  return [() => runKills({ ...common(), mode: name, kills, directory: join(directory, name) })]
}

const names = values.only.split(',')
const results = []
const skipped = new Set()
for (const name of names)
  for (const run of runsOf(name)) {
    const result = await run()
    if (result === undefined) skipped.add(name)
    else results.push(result)
  }

const medianAndMost = (sorted) =>
  sorted.length === 0 ? '-' : `${sorted[Math.floor(sorted.length / 2)]} / ${sorted.at(-1)}`
console.table(
  Object.fromEntries(
    results.map((result) => [
      result.name,
      {
        rounds: result.rounds,
        acknowledged: result.acknowledged,
        delivered: result.delivered,
        lost: result.lost,
        'in doubt': result.inDoubt,
        repeats: result.repeats,
        'spool swept': result.swept,
        'back after ms': medianAndMost(result.resumeMs),
        'delivered after ms': medianAndMost(result.waitMs),
      },
    ]),
  ),
)
for (const { name, refusals } of results) console.log(`${name}: ${listOf(refusals)}`)
for (const name of skipped)
  console.log(
    `!! SKIPPED ${name}: it needs ${name === 'disk' ? 'the right to mount' : 'redis-server'}`,
  )
const broken = results.flatMap(({ name, complaints }) =>
  complaints.map((text) => `${name}: ${text}`),
)
for (const text of broken) console.log(`!! ${text}`)
const isEmpty = results.length === 0
const good = isEmpty ? 'Nothing could be run.' : 'Every promise was kept.'
console.log(broken.length === 0 ? good : `FAILED with seed ${values.seed}`)
if (values.keep || broken.length > 0) console.log(`Logs and data: ${directory}`)
else rmSync(directory, { recursive: true, force: true })
process.exitCode = broken.length > 0 ? 1 : isEmpty ? 2 : 0
