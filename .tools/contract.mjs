/**
 * The long form of the contract run: `npm run test:contract -- --runs 2000 --seed 7`. So many made-up requests for
 * each operation of the API; the same seed makes the same ones.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkNode, ensureDependencies, giveUp, root, run } from './ensure.mjs'

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '500' }, seed: { type: 'string' } },
})
const { runs, seed = String(Date.now() % 2 ** 31) } = values
for (const [name, text] of Object.entries({ runs, seed }))
  if (!/^\d{1,10}$/.test(text)) giveUp(`--${name} must be a whole number`)

checkNode()
await ensureDependencies()
console.log(`${runs} requests for each operation, seed ${seed}`)
process.exitCode = await run(
  process.execPath,
  [
    join(root, 'node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--config=.config/vitest.config.ts',
    'test/fuzz/contract.test.ts',
  ],
  { env: { ...process.env, POSTHORN_CONTRACT_RUNS: runs, POSTHORN_CONTRACT_SEED: seed } },
)
