/**
 * `npm test`: everything that must hold, in one command. Runs all steps even when one fails, lists what was skipped,
 * and ends with the line `N passed, N failed, N skipped` (tests; a failed step counts as one failed). What follows
 * `--` goes to vitest: `npm test -- test/unit`.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { checkNode, ensureDependencies, root, run } from './ensure.mjs'

const bin = (...parts) => join(root, 'node_modules', ...parts)
const scratch = mkdtempSync(join(tmpdir(), 'posthorn-test-'))
const report = join(scratch, 'vitest.json')

const STEPS = [
  ['format', [bin('prettier', 'bin', 'prettier.cjs'), '--check', '--log-level=warn', '.']],
  [
    'lint',
    [
      bin('eslint', 'bin', 'eslint.js'),
      '-c',
      '.config/eslint.config.js',
      // warmup/ may have no sources yet.
      '--no-error-on-unmatched-pattern',
      ...['server', 'dns', 'warmup', 'test'].filter((folder) => existsSync(join(root, folder))),
    ],
  ],
  ['types', [bin('typescript', 'bin', 'tsc'), '-p', '.config/tsconfig.check.json']],
  [
    'tests',
    [
      bin('vitest', 'vitest.mjs'),
      'run',
      '--config=.config/vitest.config.ts',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...process.argv.slice(2),
    ],
  ],
  // vitest has built dist/ in its global setup.
  ['generated files', [join(root, '.tools', 'generate.mjs'), '--check']],
]

/** Counts of the tests, and the names of those that did not run. */
function readReport() {
  if (!existsSync(report)) return { passed: 0, failed: 0, skipped: [] }
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'))
  const tests = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ fullName, status }) => ({
      status,
      name: `${relative(root, name)}: ${fullName}`,
    })),
  )
  const count = (status) => tests.filter((test) => test.status === status).length
  // A file that cannot even be loaded has no tests in the report.
  const broken = testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  )
  return {
    passed: count('passed'),
    failed: count('failed') + broken.length,
    skipped: tests.filter(({ status }) => status !== 'passed' && status !== 'failed'),
  }
}

checkNode()
await ensureDependencies()

const failedSteps = []
for (const [name, args] of STEPS) {
  const since = performance.now()
  console.log(`\n== ${name}`)
  const code = await run(process.execPath, args)
  const took = ((performance.now() - since) / 1000).toFixed(1)
  console.log(`== ${name}: ${code === 0 ? 'ok' : 'FAILED'}, ${took} s`)
  if (code !== 0) failedSteps.push(name)
}

const { passed, failed, skipped } = readReport()
rmSync(scratch, { recursive: true, force: true })
if (skipped.length > 0) {
  console.log(`\n!! ${skipped.length} tests did NOT run:`)
  for (const { name } of skipped) console.log(`!!   ${name}`)
}
// The tests count one by one; their step counts only when it failed for another reason (a crash, an unhandled error).
const steps = failedSteps.filter((name) => name !== 'tests' || failed === 0)
if (failedSteps.length > 0) console.log(`\nfailed: ${failedSteps.join(', ')}`)
const total = failed + steps.length
console.log(`\n${passed} passed, ${total} failed, ${skipped.length} skipped`)
process.exitCode = total === 0 ? 0 : 1
