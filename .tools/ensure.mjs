/**
 * What must be in place before the program or its tests can run: a Node that is new enough, installed packages, a
 * current build. Node builtins only, as this runs before anything is installed. Every step says in one line what it
 * does and how long it took; a step with nothing to do says nothing.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const at = (...parts) => join(root, ...parts)

export const say = (text) => process.stderr.write(`posthorn: ${text}\n`)
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** Ends the program with a message for people; the tools have nobody to hand an exception to. */
export function giveUp(text) {
  say(text)
  process.exit(1)
}

/** Runs a program in the root folder and resolves with its exit code. */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options })
    child.on('error', (error) => {
      say(`${command} could not be started: ${error.message}`)
      resolve(127)
    })
    child.on('exit', (code, signal) => resolve(code ?? exitCodeOf(signal)))
  })
}

/** The shell's convention for a program that a signal ended. */
export const exitCodeOf = (signal) => 128 + (constants.signals[signal] ?? 0)

export function checkNode() {
  const wanted = JSON.parse(readFileSync(at('package.json'), 'utf8')).engines.node
  const [major, minor] = wanted.replace('>=', '').split('.').map(Number)
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number)
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return
  giveUp(
    `Node ${major}.${minor} or newer is needed; this is ${process.versions.node} (${process.execPath}). ` +
      'See https://nodejs.org/en/download',
  )
}

const STAMP = at('node_modules', '.posthorn-installed')

/** Packages fit this lock file and this Node's binary interface (better-sqlite3 is compiled for one). */
const installation = () => {
  const lock = createHash('sha256')
    .update(readFileSync(at('package-lock.json')))
    .digest('hex')
  return `${lock} abi ${process.versions.modules}\n`
}

function isInstalled() {
  // npm writes this file last, so an interrupted installation has none.
  const done = at('node_modules', '.package-lock.json')
  if (!existsSync(done)) return false
  if (existsSync(STAMP)) return readFileSync(STAMP, 'utf8') === installation()
  // Installed by hand: believed when it happened after the lock file was written.
  return statSync(done).mtimeMs >= statSync(at('package-lock.json')).mtimeMs
}

export async function ensureDependencies() {
  if (isInstalled()) return
  const since = performance.now()
  say('installing packages (npm ci) …')
  // Without a binary for this machine better-sqlite3 is compiled; node-gyp leaves a Makefile while it does so.
  const makefile = at('node_modules', 'better-sqlite3', 'build', 'Makefile')
  const watch = setInterval(() => {
    if (!existsSync(makefile)) return
    clearInterval(watch)
    say('no ready-made better-sqlite3 for this machine: it is being compiled, about 50 s …')
  }, 1000)
  const npm = process.env.npm_execpath
  const [command, args] =
    npm !== undefined && npm.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []]
  // Development packages are needed for the build, whatever NODE_ENV says.
  const code = await run(command, [...args, 'ci', '--include=dev', '--no-audit', '--no-fund'], {
    shell: process.platform === 'win32',
  })
  clearInterval(watch)
  if (code !== 0) {
    giveUp(
      `packages could not be installed (npm ci ended with ${code}). A compiler and Python are needed ` +
        'where better-sqlite3 has no ready-made binary: apt-get install python3 make g++',
    )
  }
  writeFileSync(STAMP, installation())
  say(`packages installed in ${seconds(since)}`)
}

const SOURCES = ['server', 'dns', 'warmup', 'tsconfig.json', 'package-lock.json']
const BUILT = at('dist', '.built')

/** The newest change under a file or folder, ms; a folder's own time tells of removed files. */
function newest(path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return readdirSync(path).reduce(
    (latest, name) => Math.max(latest, newest(join(path, name))),
    stat.mtimeMs,
  )
}

const isBuilt = () => {
  if (!existsSync(BUILT) || !existsSync(at('dist', 'server', 'main.js'))) return false
  const builtAt = statSync(BUILT).mtimeMs
  return SOURCES.every((source) => !existsSync(at(source)) || newest(at(source)) < builtAt)
}

export async function ensureBuilt() {
  if (isBuilt()) return
  const since = performance.now()
  const startedAt = new Date()
  say('building …')
  const code = await run(process.execPath, [
    at('node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    'tsconfig.json',
  ])
  if (code !== 0) giveUp('the build failed; the messages above tell why')
  mkdirSync(at('dist'), { recursive: true })
  // The time of the start: a file that changed during the build is built again.
  writeFileSync(BUILT, `${startedAt.toISOString()}\n`)
  utimesSync(BUILT, startedAt, startedAt)
  say(`built in ${seconds(since)}`)
}
