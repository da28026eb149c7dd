/**
 * How fast our SMTP client sends: 4 KB messages over 20 connections that stay open, into a counting sink in another
 * process. Needs a build. `node test/bench/smtp-client.mjs [messages]`; add `--cpu-prof` to node to profile.
 */
import { connect } from 'node:net'
import { openConnection } from '../../dist/server/delivery/smtp/connection.js'
import { send } from '../../dist/server/delivery/smtp/transaction.js'
import { startSinkProcess } from './sink-process.mjs'

const CONNECTIONS = 20
const total = Number(process.argv[2] ?? 200_000)

const clock = {
  now: Date.now,
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms).unref()
    return { cancel: () => clearTimeout(timer) }
  },
}
const dial = ({ host, port }) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    socket.once('connect', () => resolve(socket)).once('error', reject)
  })
const line = 'Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiu\r\n'
const header = Buffer.from('From: a@posthorn.test\r\nTo: b@sink.test\r\nSubject: bench\r\n\r\n')
const body = Buffer.from(line.repeat(58))
const size = header.length + body.length

const sink = await startSinkProcess()
let left = total
async function worker(number) {
  const opened = await openConnection({
    dial,
    clock,
    host: 'sink.test',
    ip: '127.0.0.1',
    port: sink.port,
    sourceIp: undefined,
    ehlo: 'bench.posthorn.test',
    auth: undefined,
    tls: { mode: 'off', verify: false, implicit: false, servername: undefined },
  })
  if (!opened.ok) throw new Error(opened.outcome.transcript)
  while (left-- > 0) {
    const outcome = await send(opened.connection, {
      mailFrom: `bounce+${left}@posthorn.test`,
      recipient: `ok${number}@sink.test`,
      size,
      smtpUtf8: false,
      eightBit: false,
      content: [header, body],
    })
    if (outcome.kind !== 'accepted') throw new Error(outcome.transcript)
  }
  await opened.connection.close()
}

const cpuBefore = process.cpuUsage()
const startedAt = performance.now()
await Promise.all(Array.from({ length: CONNECTIONS }, (_, number) => worker(number)))
const seconds = (performance.now() - startedAt) / 1000
const { user, system } = process.cpuUsage(cpuBefore)
const { accepted } = await sink.counts()
sink.stop()
console.log(
  `${Math.round(total / seconds)} msg/s, ${((user + system) / total).toFixed(1)} µs CPU each, ` +
    `${accepted} of ${total} arrived`,
)
