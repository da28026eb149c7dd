/** `npm start`: from a fresh checkout to a running server in one command. What follows `--` goes to `serve`. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { checkNode, ensureBuilt, ensureDependencies, exitCodeOf, giveUp, root } from './ensure.mjs'

checkNode()
await ensureDependencies()
await ensureBuilt()

const main = join(root, 'dist', 'server', 'main.js')
const server = spawn(process.execPath, [main, 'serve', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
})

// A terminal sends Ctrl-C to every process of the group, so the server has it already; sent on, it would count as a
// second, impatient one. Signals for this process alone (a supervisor, `kill`) are handed on.
const isTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY
const handOn = (signal) => () => server.kill(signal)
process.on('SIGTERM', handOn('SIGTERM'))
process.on('SIGINT', isTerminal ? () => {} : handOn('SIGINT'))
process.on('SIGHUP', isTerminal ? () => {} : handOn('SIGHUP'))

server.on('error', (error) => giveUp(`the server could not be started: ${error.message}`))
server.on('exit', (code, signal) => process.exit(code ?? exitCodeOf(signal)))
