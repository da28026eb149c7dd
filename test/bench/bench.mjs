/**
 * `npm run bench [-- row …] [--profile] [--write]`: the figures of this program, measured with load and sinks in
 * processes of their own on the same machine, every acknowledgement behind an fsync. Prints a table, keeps the result
 * as JSON, and with --write puts it into docs/performance.md.
 *
 * BENCH_SCALE=0.01 makes everything that much smaller (to see whether it runs; the figures then mean nothing),
 * BENCH_ROUNDS=1 repeats less, BENCH_DIST=… measures another build, BENCH_DIR=… another disk, BENCH_NODE_ARGS=… gives
 * flags to the server's node.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadavg } from 'node:os'
import { machineFacts } from './lib/machine.mjs'
import { median } from './lib/util.mjs'
import { format, markdown, table } from './lib/report.mjs'
import { ROOT, WORK_FOLDER } from './lib/server.mjs'
import { fresh, kept } from './rows/relay.mjs'
import { full } from './rows/full.mjs'
import { micro } from './rows/micro.mjs'
import { million } from './rows/million.mjs'
import { rest } from './rows/rest.mjs'

const ROWS = [kept, fresh, full, rest, million, micro]

const words = process.argv.slice(2)
const named = words.filter((word) => !word.startsWith('--'))
const unknown = named.filter((name) => !ROWS.some((row) => row.name === name))
if (unknown.length > 0) {
  console.error(`No row ${unknown.join(', ')}. Rows: ${ROWS.map((row) => row.name).join(', ')}`)
  process.exit(2)
}

const scale = Number(process.env.BENCH_SCALE ?? 1)
const rounds = Number(process.env.BENCH_ROUNDS ?? 3)
const microseconds = (runs, count, part) => median(runs.map((run) => (run.cpu[part] / count) * 1e6))

const context = {
  rounds,
  profile: words.includes('--profile') || words.includes('--write'),
  say: (text) => console.log(text),
  scaled: (count) => Math.max(20, Math.round(count * scale)),
  line: (run, count) =>
    `${format(count / run.seconds)}/s, processor ${format((run.cpu.part / count) * 1e6)} µs each` +
    (run.others > 0.05 ? `  [others took ${Math.round(run.others * 100)} % of the machine]` : ''),
  cpuFigure: (what, runs, count) => ({
    what,
    value: microseconds(runs, count, 'part'),
    unit: 'µs each',
  }),
  costFigures: (runs, count) => [
    context.cpuFigure('Posthorn: processor time', runs, count),
    {
      what: 'Posthorn: of it the main thread',
      value: microseconds(runs, count, 'mainThread'),
      unit: 'µs each',
    },
    {
      what: 'load tool: processor time',
      value: microseconds(runs, count, 'load'),
      unit: 'µs each',
    },
    { what: 'sink: processor time', value: microseconds(runs, count, 'sink'), unit: 'µs each' },
  ],
}

mkdirSync(WORK_FOLDER, { recursive: true })
const report = {
  machine: { ...machineFacts(WORK_FOLDER), loadBefore: loadavg()[0] },
  scale,
  rounds,
  rows: [],
}
for (const [what, value] of Object.entries(report.machine))
  console.log(`${what.padEnd(12)} ${value}`)

const startedAt = performance.now()
for (const row of ROWS.filter(({ name }) => named.length === 0 || named.includes(name))) {
  console.log(`\n${row.title}`)
  const result = await row.run(context)
  report.rows.push({ name: row.name, title: row.title, ...result })
  console.log(result.skipped === undefined ? table(result) : `  SKIPPED: ${result.skipped}`)
}
console.log(`\n${Math.round((performance.now() - startedAt) / 1000)} s in all`)

const file = join(WORK_FOLDER, 'result.json')
writeFileSync(file, JSON.stringify(report, null, 2))
console.log(`Kept in ${file}`)
if (words.includes('--write')) writeFileSync(join(ROOT, 'docs/performance.md'), markdown(report))
