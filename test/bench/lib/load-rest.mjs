/**
 * A load generator for the API: keep-alive connections, one request at a time on each, over bare sockets because an
 * HTTP library would cost more than what it measures. `runRestLoad(options)` starts the process and resolves with the
 * time each request took; run directly (by that function), this file is that process.
 */
import { fork } from 'node:child_process'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'

/**
 * `kind`: `single` one message to one recipient · `batch` as many different ones in a request as `count` says · `many`
 * one message to `count` recipients.
 */
export function runRestLoad(options) {
  const child = fork(fileURLToPath(import.meta.url), ['child', JSON.stringify(options)])
  return new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('exit', (code) => reject(new Error(`The load generator ended with ${code}.`)))
  })
}

const TEXT = 'Thank you for your order. It is on its way and will be with you soon.\n'
const message = (id, to, more) => ({
  from: 'Shop <app@sender.test>',
  to,
  subject: `Your order ${id}`,
  text: TEXT.repeat(10),
  html: `<html><body>${`<p>${TEXT.trim()}</p>`.repeat(20)}</body></html>`,
  tags: ['order'],
  metadata: { order: String(id) },
  ...more,
})

const REQUESTS = {
  single: (id, { domain }) => ['/v1/messages', message(id, [`user${id}@${domain}`])],
  batch: (id, { domain, count }) => [
    '/v1/messages/batch',
    Array.from({ length: count }, (_, k) => message(`${id}-${k}`, [`user${id}.${k}@${domain}`])),
  ],
  many: (id, { domain, count }) => [
    '/v1/messages',
    message(id, [], {
      to: undefined,
      bcc: Array.from({ length: count }, (_, k) => `user${id}.${k}@${domain}`),
      stream: 'bulk',
    }),
  ],
}

/** Resolves with the status of the next answer. */
function answers(socket) {
  let waiting
  let rest = Buffer.alloc(0)
  socket.on('error', (error) => waiting?.reject(error))
  socket.on('close', () => waiting?.reject(new Error('The server hung up.')))
  socket.on('data', (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const end = rest.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = rest.latin1Slice(0, end)
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
    if (rest.length < end + 4 + length) return
    const text = rest.latin1Slice(end + 4, end + 4 + Math.min(length, 500))
    rest = rest.subarray(end + 4 + length)
    waiting?.resolve({ status: Number(head.slice(9, 12)), text })
  })
  return () =>
    new Promise((resolve, reject) => {
      waiting = { resolve, reject }
    })
}

async function child({ port, key, kind, connections, requests, perSecond, ...options }) {
  const times = []
  let next = 0
  const startedAt = performance.now()
  async function connection() {
    const socket = connect(port, '127.0.0.1').setNoDelay()
    const answer = answers(socket)
    while (next < requests) {
      const id = next++
      if (perSecond !== undefined) await reached(startedAt + (id / perSecond) * 1_000)
      const [path, value] = REQUESTS[kind](id, options)
      const body = Buffer.from(JSON.stringify(value))
      const at = performance.now()
      socket.cork()
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${key}\r\n` +
          `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
      )
      socket.write(body)
      socket.uncork()
      const { status, text } = await answer()
      if (status !== 202) throw new Error(`${status}: ${text}`)
      times.push(performance.now() - at)
    }
    socket.removeAllListeners('close').end()
  }
  await Promise.all(Array.from({ length: connections }, connection))
  return times
}

const reached = (time) =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, time - performance.now())))

if (process.argv[2] === 'child') {
  const times = await child(JSON.parse(process.argv[3]))
  process.send(times, () => process.exit(0))
}
