/**
 * Clients that never give up: they hand in one message after the other over SMTP and over REST, come back after every
 * lost connection, and write into the ledger what they were promised. An SMTP client that got no answer goes on with
 * another message; a REST client asks again with the same Idempotency-Key until it knows.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { partsOf, rawOf } from './message.mjs'
import { sleep } from './random.mjs'

/** After a refusal or a lost connection. */
const REST_MS = 100
const ANSWER_MS = 30_000
/** Only so much in one batch request. */
const BATCH = [2, 12]

/** One connection that answers line by line; rejects whoever waits when it is lost. */
async function openSmtp(port) {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  let text = ''
  let waiting
  let failure
  const settle = () => {
    if (waiting === undefined) return
    // The last line of a reply has a space behind its code.
    const reply = /^(?:\d{3}-.*\r\n)*(\d{3} .*)\r\n/.exec(text)
    if (reply === null && failure === undefined) return
    const { resolve, reject } = waiting
    waiting = undefined
    if (reply === null) return reject(failure)
    text = text.slice(reply[0].length)
    resolve(reply[1])
  }
  const fail = (error) => {
    failure ??= error ?? new Error('connection lost')
    settle()
  }
  socket.on('data', (chunk) => {
    text += chunk.latin1Slice()
    settle()
  })
  socket.on('error', fail)
  socket.on('close', () => fail())
  socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('no answer')))
  const reply = () =>
    new Promise((resolve, reject) => {
      waiting = { resolve, reject }
      settle()
    })
  const say = (bytes) => {
    socket.write(bytes)
    return reply()
  }
  try {
    await once(socket, 'connect')
    await reply()
    await say('EHLO client.crash.test\r\n')
  } catch (error) {
    socket.destroy()
    throw error
  }
  return { say, close: () => socket.destroy() }
}

/** Hands in one message; resolves with the reply that decided, `250 …` or a refusal. */
async function submit(smtp, message) {
  const commands = [
    `MAIL FROM:<${message.from}>`,
    ...message.recipients.map((recipient) => `RCPT TO:<${recipient}>`),
    'DATA',
  ]
  for (const command of commands) {
    const reply = await smtp.say(`${command}\r\n`)
    if (!/^[23]/.test(reply)) {
      await smtp.say('RSET\r\n')
      return reply
    }
  }
  const raw = rawOf(message)
    .latin1Slice()
    .replace(/\r\n\./g, '\r\n..')
  return smtp.say(Buffer.from(`${raw}.\r\n`, 'latin1'))
}

/** Starts the clients; `stop` resolves when each knows what became of its last message. */
export function startLoad(installation, ledger, messages, random, { smtp, rest, pauseMs }) {
  const { smtpPort, httpPort, key } = installation
  let stopped = false
  let patience = Infinity
  const pause = () => sleep(random.between(0, pauseMs))

  async function smtpClient() {
    let connection
    while (!stopped) {
      try {
        connection ??= await openSmtp(smtpPort)
        const message = messages.next()
        ledger.offer(message)
        const reply = await submit(connection, message)
        if (reply.startsWith('250 ')) ledger.acknowledge(message)
        else {
          ledger.refuse(reply.slice(0, 9), message)
          await sleep(REST_MS)
        }
      } catch {
        connection?.close()
        connection = undefined
        ledger.refuse('connection lost')
        await sleep(REST_MS)
      }
      await pause()
    }
    connection?.close()
  }

  async function post(path, body, idempotencyKey) {
    const response = await fetch(`http://127.0.0.1:${httpPort}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'idempotency-key': idempotencyKey,
      },
      body,
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    const { code } = await response.json()
    return { status: response.status, answer: `${response.status} ${code ?? ''}` }
  }

  /** One request of one or several messages. */
  function request() {
    const dice = random.next()
    if (dice < 0.3) {
      const count = random.whole(...BATCH)
      const batch = Array.from({ length: count }, () => messages.next())
      return { path: '/v1/messages/batch', batch, body: batch.map(partsOf) }
    }
    const message = messages.next()
    if (dice < 0.6) return { path: '/v1/messages', batch: [message], body: partsOf(message) }
    const { from, recipients: to } = message
    const raw = rawOf(message).toString('base64')
    return { path: '/v1/messages/raw', batch: [message], body: { from, to, raw } }
  }

  async function restClient() {
    while (!stopped) {
      const { path, batch, body } = request()
      for (const message of batch) ledger.offer(message)
      const text = JSON.stringify(body)
      const idempotencyKey = randomUUID()
      while (Date.now() < patience) {
        try {
          const { status, answer } = await post(path, text, idempotencyKey)
          if (status === 202) {
            for (const message of batch) ledger.acknowledge(message)
            break
          }
          ledger.refuse(answer)
        } catch {
          ledger.refuse('connection lost')
        }
        await sleep(REST_MS)
      }
      await pause()
    }
  }

  const clients = [
    ...Array.from({ length: smtp }, smtpClient),
    ...Array.from({ length: rest }, restClient),
  ]
  return {
    async stop() {
      stopped = true
      patience = Date.now() + ANSWER_MS
      await Promise.all(clients)
    },
  }
}
