/**
 * The receiving side: an SMTP server that lives through every kill, remembers each copy of each recipient, answers the
 * final dot a little late (so that kills find mail in flight), and refuses some mail at first.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { readMessage } from './message.mjs'

const END = '\r\n.\r\n'

export async function startSink(random, { answerMs, deferShare }) {
  /** Recipient → every copy that came. */
  const copies = new Map()
  const sockets = new Set()
  let received = 0
  let lastAt = 0

  function keep({ recipients }, raw) {
    const message = readMessage(raw)
    lastAt = Date.now()
    for (const recipient of recipients) {
      received++
      const known = copies.get(recipient)
      if (known === undefined) copies.set(recipient, [{ ...message, at: lastAt }])
      else known.push({ ...message, at: lastAt })
    }
  }

  function onConnection(socket) {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    const say = (line) => socket.write(`${line}\r\n`)
    let pending = ''
    /** Pieces of the message under way; undefined between messages. */
    let data
    /** The last octets of the message so far. */
    let tail = ''
    let envelope = { recipients: [] }

    function command(line) {
      const verb = line.slice(0, 4).toUpperCase()
      if (verb === 'EHLO') say('250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME')
      else if (verb === 'RCPT') {
        const recipient = /<(.*)>/.exec(line)?.[1] ?? ''
        if (random.chance(deferShare)) say('451 4.3.0 Later, please')
        else {
          envelope.recipients.push(recipient)
          say('250 2.1.5 OK')
        }
      } else if (verb === 'DATA') {
        if (envelope.recipients.length === 0) return say('554 5.5.1 No recipients')
        data = []
        tail = ''
        say('354 Go ahead')
      } else if (verb === 'QUIT') {
        say('221 2.0.0 Bye')
        socket.end()
      } else {
        if (verb === 'MAIL' || verb === 'RSET') envelope = { recipients: [] }
        say('250 2.0.0 OK')
      }
    }

    /** The client waits for the answer to its dot, so the end of the message is the end of what has come. */
    function collect(chunk) {
      data.push(chunk)
      tail = (tail + chunk.subarray(-END.length).latin1Slice()).slice(-END.length)
      if (tail !== END) return
      const stuffed = Buffer.concat(data).subarray(0, -3).latin1Slice()
      const raw = Buffer.from(stuffed.replace(/(^|\r\n)\.\./g, '$1.'), 'latin1')
      const taken = envelope
      data = undefined
      setTimeout(
        () => {
          // Kept whether or not anybody is left to hear the answer: that is what a remote does.
          keep(taken, raw)
          say('250 2.0.0 Taken')
        },
        random.between(0, answerMs),
      )
    }

    function lines(chunk) {
      const complete = (pending + chunk.latin1Slice()).split('\r\n')
      pending = complete.pop()
      for (const line of complete) command(line)
    }

    socket.on('data', (chunk) => (data === undefined ? lines(chunk) : collect(chunk)))
    say('220 sink.test ESMTP')
  }

  const server = createServer(onConnection).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: server.address().port,
    copies,
    /** Copies so far, repeats included. */
    get received() {
      return received
    },
    /** Epoch ms of the last copy. */
    get lastAt() {
      return lastAt
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
