/**
 * Files that are made from the source: `node .tools/generate.mjs` writes them, `--check` only tells which differ from
 * what is committed (exit code 1). Needs a current build. To add one: a row that maps paths to texts.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from './ensure.mjs'
import { licenceFiles } from './licences.mjs'
import { rfcFiles } from './rfc.mjs'
import { roleTableFiles } from './role-table.mjs'

const built = (path) => import(join(root, 'dist', path))

async function cliPage() {
  const page = await built('server/cli/page.js')
  const { serveCommand } = await built('server/serve.js')
  const { COMMANDS } = await built('server/cli/registry.js')
  return page.cliPage([serveCommand, ...COMMANDS])
}

async function openApi() {
  const { openApiDocument } = await built('server/http/openapi-document.js')
  const { VERSION } = await built('server/version.js')
  return `${JSON.stringify(await openApiDocument(VERSION), null, 2)}\n`
}

/** name → a function that resolves with { path from the root: text } */
const GENERATORS = {
  configuration: async () => (await built('server/config/describe.js')).generatedConfigFiles(),
  'command line': async () => ({ 'docs/cli.md': await cliPage() }),
  'API description': async () => ({ 'docs/openapi.json': await openApi() }),
  'RFC index': async () => rfcFiles(),
  'role tables': async () => roleTableFiles(await built('server/core/permission.js')),
  licences: async () => licenceFiles(),
}

const isCheck = process.argv.includes('--check')
let different = 0
for (const [name, make] of Object.entries(GENERATORS)) {
  for (const [path, text] of Object.entries(await make())) {
    const file = join(root, path)
    if (existsSync(file) && readFileSync(file, 'utf8') === text) continue
    different++
    console.log(`${isCheck ? 'out of date' : 'wrote'}: ${path} (${name})`)
    if (isCheck) continue
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
}
if (isCheck && different > 0) {
  console.log('Run "npm run generate" and commit the result.')
  process.exitCode = 1
}
