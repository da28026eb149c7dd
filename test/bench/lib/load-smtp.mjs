/**
 * A load generator for what smtp-source cannot do: STARTTLS and AUTH. Hand-pipelined, one write per step.
 * `runSmtpLoad(options)` starts the processes; run directly (by that function), this file is one of them.
 */
import { fork } from 'node:child_process'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'

const LINE = 'Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiu\r\n'

/** Sends `messages` of about `size` bytes over `sessions` connections in all, under TLS and logged in. */
export async function runSmtpLoad({ processes = 2, messages, sessions = 50, ...options }) {
  const share = (number) =>
    Math.floor(messages / processes) + (number < messages % processes ? 1 : 0)
  await Promise.all(
    Array.from({ length: processes }, (_, number) => {
      const own = { ...options, number, messages: share(number), sessions: sessions / processes }
      const child = fork(fileURLToPath(import.meta.url), ['child', JSON.stringify(own)])
      return new Promise((resolve, reject) => {
        child.once('exit', (code) =>
          code === 0 ? resolve() : reject(new Error(`The load generator ended with ${code}.`)),
        )
      })
    }),
  )
}

/** Resolves with the next `count` replies' last lines; rejects at one that is not 2yz or 3yz. */
function replies(socket) {
  let rest = ''
  let wanted = 0
  let settle
  const fail = (error) => {
    settle?.reject(error)
    settle = undefined
  }
  socket.on('error', fail).on('close', () => fail(new Error('The server hung up.')))
  socket.on('data', (chunk) => {
    rest += chunk.latin1Slice()
    for (let at = rest.indexOf('\n'); at >= 0; at = rest.indexOf('\n')) {
      const line = rest.slice(0, at)
      rest = rest.slice(at + 1)
      if (line[3] === '-') continue
      if (line[0] !== '2' && line[0] !== '3') fail(new Error(line))
      else if (--wanted === 0) settle?.resolve()
    }
  })
  return (count) => {
    wanted = count
    return new Promise((resolve, reject) => {
      settle = { resolve, reject }
    })
  }
}

async function logIn({ port, user, password }) {
  const plain = connect(port, '127.0.0.1').setNoDelay()
  let next = replies(plain)
  await next(1)
  plain.write('EHLO load.test\r\n')
  await next(1)
  plain.write('STARTTLS\r\n')
  await next(1)
  plain.removeAllListeners('data').removeAllListeners('close')
  const socket = connectTls({ socket: plain, rejectUnauthorized: false })
  next = replies(socket)
  socket.write('EHLO load.test\r\n')
  await next(1)
  socket.write(`AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString('base64')}\r\n`)
  await next(1)
  return { socket, next }
}

async function child({ number, messages, sessions, size = 4096, ...options }) {
  const body = LINE.repeat(Math.ceil((size - 300) / LINE.length))
  let left = messages
  async function session() {
    const { socket, next } = await logIn(options)
    while (left > 0) {
      const id = left--
      socket.write(`MAIL FROM:<app@sender.test>\r\nRCPT TO:<user${id}@recipient.test>\r\nDATA\r\n`)
      await next(3)
      socket.write(
        `From: Shop <app@sender.test>\r\nTo: user${id}@recipient.test\r\nSubject: Your order ${id}\r\n` +
          `Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <${number}.${id}.${process.pid}@sender.test>\r\n` +
          `MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n${body}.\r\n`,
        'latin1',
      )
      await next(1)
    }
    socket.removeAllListeners('close').end('QUIT\r\n')
  }
  await Promise.all(Array.from({ length: sessions }, session))
}

if (process.argv[2] === 'child') {
  await child(JSON.parse(process.argv[3]))
  process.exit(0)
}
