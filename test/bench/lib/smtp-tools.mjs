/**
 * Postfix's own load tools, so that we and our peer get the same load from outside of Node: smtp-source (several
 * processes) and smtp-sink, which counts what it took.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { cpuSeconds } from './machine.mjs'
import { freePort, until } from './util.mjs'

const SOURCE = '/usr/sbin/smtp-source'
const SINK = '/usr/sbin/smtp-sink'

export const haveSmtpTools = () => existsSync(SOURCE) && existsSync(SINK)

const answers = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('data', () => {
      socket.end('QUIT\r\n')
      resolve(true)
    })
  })

export const listening = (port, what, withinMs = 20_000) =>
  until(() => answers(port), `${what} on port ${port}`, { everyMs: 20, withinMs })

/** `count()` is how many messages it has taken. */
export async function startSmtpSink() {
  const port = await freePort()
  const user = process.getuid() === 0 ? ['-u', 'postfix'] : []
  const child = spawn(SINK, [...user, '-c', `127.0.0.1:${port}`, '1000'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let count = 0
  let rest = ''
  // It prints `sess=1 quit=0 mesg=7` after every event, with carriage returns between.
  child.stdout.setEncoding('latin1').on('data', (text) => {
    rest += text
    const at = rest.lastIndexOf('mesg=')
    const found = /^mesg=(\d+)\D/.exec(rest.slice(at))
    if (found !== null) count = Number(found[1])
    rest = rest.slice(Math.max(0, at - 40))
  })
  await listening(port, 'smtp-sink')
  return {
    port,
    count: () => count,
    cpu: () => cpuSeconds(child.pid),
    stop: () => child.kill(),
  }
}

/** Sends `messages` of `size` bytes from `processes` processes over `sessions` connections in all. */
export async function runSmtpSource({
  port,
  messages,
  keepOpen,
  processes = 2,
  sessions = 50,
  size = 4096,
}) {
  const share = (number) =>
    Math.floor(messages / processes) + (number < messages % processes ? 1 : 0)
  await Promise.all(
    Array.from({ length: processes }, (_, number) => {
      const args = ['-s', sessions / processes, '-m', share(number), '-l', size]
      const envelope = ['-f', 'app@sender.test', '-t', `user${number}@recipient.test`]
      const child = spawn(
        SOURCE,
        [...(keepOpen ? ['-d'] : []), ...args.map(String), ...envelope, `127.0.0.1:${port}`],
        { stdio: ['ignore', 'ignore', 'inherit'] },
      )
      return new Promise((resolve, reject) => {
        child.once('error', reject)
        child.once('exit', (code) =>
          code === 0 ? resolve() : reject(new Error(`smtp-source ended with ${code}.`)),
        )
      })
    }),
  )
}
