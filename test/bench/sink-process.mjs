/**
 * The sink in a process of its own, for load tests: it only counts. `startSinkProcess()` resolves with its port and
 * how to ask for its counts, for its processor seconds, and to stop it. Run directly (by that function), it is the child.
 */
import { fork } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'
import { cpuSeconds } from './lib/machine.mjs'

const root = join(import.meta.dirname, '../..')
const built = join(root, 'node_modules/.cache/sink')

/** Test support is not part of the product's build, so its few files are compiled here. */
function build() {
  mkdirSync(built, { recursive: true })
  const support = join(root, 'test/support')
  for (const name of readdirSync(support).filter((file) => /^sink.*\.ts$/.test(file))) {
    const { outputText } = ts.transpileModule(readFileSync(join(support, name), 'utf8'), {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2023,
        rewriteRelativeImportExtensions: true,
      },
    })
    writeFileSync(join(built, name.replace(/\.ts$/, '.js')), outputText)
  }
  writeFileSync(join(built, 'package.json'), '{"type":"module"}')
}

/** `options` are those of startSink that survive JSON. */
export async function startSinkProcess(options = {}) {
  const child = fork(fileURLToPath(import.meta.url), ['child', JSON.stringify(options)])
  let fail
  child.once('exit', (code) => fail?.(new Error(`The sink ended with ${code}.`)))
  const answer = (question) =>
    new Promise((resolve, reject) => {
      fail = reject
      child.once('message', resolve)
      if (question !== undefined) child.send(question)
    })
  const { port } = await answer()
  return {
    port,
    counts: () => answer('counts'),
    cpu: () => cpuSeconds(child.pid),
    stop: () => child.disconnect(),
  }
}

if (process.argv[2] === 'child') {
  build()
  const { startSink } = await import(pathToFileURL(join(built, 'sink.js')).href)
  const sink = await startSink({ capture: 'count', ...JSON.parse(process.argv[3] ?? '{}') })
  process.on('message', () => process.send(Object.fromEntries(sink.counts)))
  process.on('disconnect', () => process.exit())
  process.send({ port: sink.port })
}
