/** A Redis of the suite's own, with nothing on disk, so that it can be flushed; it lives through the kills. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { freePort } from './program.mjs'
import { until } from './random.mjs'

const START_MS = 10_000

/** Sends one inline command; resolves with the first line of the answer, or undefined when nobody answers. */
function ask(port, command) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\n`))
    socket.once('data', (data) => {
      resolve(data.toString().trim())
      socket.destroy()
    })
    socket.once('error', () => resolve(undefined))
    socket.once('close', () => resolve(undefined))
  })
}

/** Undefined when there is no redis-server on this machine. */
export async function startRedis(directory) {
  const port = await freePort()
  const words = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory, '--save', '']
  words.push('--appendonly', 'no', '--maxmemory-policy', 'noeviction')
  const child = spawn('redis-server', words, { stdio: 'ignore' })
  // Whatever ends the suite must not leave a server behind.
  const killChild = () => child.kill('SIGKILL')
  process.once('exit', killChild)
  let isMissing = false
  child.once('error', () => (isMissing = true))
  const isUp = await until(async () => isMissing || (await ask(port, 'PING')) === '+PONG', START_MS)
  if (isMissing) return undefined
  if (!isUp) throw new Error('redis-server did not start')
  return {
    url: `redis://127.0.0.1:${port}`,
    async flush() {
      const answer = await ask(port, 'FLUSHALL')
      if (answer !== '+OK') throw new Error(`FLUSHALL was answered with ${answer}`)
    },
    async close() {
      const ended = once(child, 'exit')
      killChild()
      await ended
      process.off('exit', killChild)
    },
  }
}
