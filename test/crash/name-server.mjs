/**
 * The Internet's names, as far as this suite needs them: every domain has one MX below itself, and every host is this
 * machine. Other types do not exist.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { decode, encode } from 'dns-packet'

const TTL_S = 300

function answersTo({ name, type }) {
  const common = { name, type, ttl: TTL_S }
  if (type === 'A') return [{ ...common, data: '127.0.0.1' }]
  if (type === 'MX') return [{ ...common, data: { preference: 10, exchange: `mx.${name}` } }]
  return []
}

/** Resolves with its address, `127.0.0.1:port`, and how to close it. */
export async function startNameServer() {
  const socket = createSocket('udp4')
  socket.on('message', (packet, { port, address }) => {
    const { id, questions } = decode(packet)
    const answers = questions.flatMap(answersTo)
    socket.send(encode({ type: 'response', id, flags: 0x0180, questions, answers }), port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { address: `127.0.0.1:${socket.address().port}`, close: () => socket.close() }
}
