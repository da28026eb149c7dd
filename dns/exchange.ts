/**
 * One question to one name server over UDP or TCP, and its reply as bytes. A server that is silent or unreachable is
 * a value. Each exchange has a socket of its own, so that the source port is one more thing a forger must guess
 * (RFC 5452 §9.2), and never leaves it open.
 */
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import type { Clock } from '../server/core/ports.ts'
import { isReplyTo } from './message.ts'
import type { DnsServer } from './servers.ts'

export type Exchanged =
  | { readonly kind: 'reply'; readonly message: Buffer }
  | { readonly kind: 'silent' | 'broken'; readonly detail: string }

export interface Question {
  readonly server: DnsServer
  readonly id: number
  readonly message: Buffer
  readonly timeoutMs: number
}

export interface Exchange {
  /** Resolves with the first datagram that carries the question's id; others are ignored. Never rejects. */
  udp(question: Question): Promise<Exchanged>
  /** RFC 7766: the same message behind two octets of length. Never rejects. */
  tcp(question: Question): Promise<Exchanged>
  /** Ends what is in flight as `broken`. */
  close(): void
}

/** Opens nothing until it is asked. */
export function makeExchange(clock: Clock): Exchange {
  const inFlight = new Set<(result: Exchanged) => void>()

  /** Runs `open`, which returns how to close its socket; the first result counts, and the socket is closed with it. */
  function once(
    timeoutMs: number,
    open: (finish: (result: Exchanged) => void) => () => void,
  ): Promise<Exchanged> {
    return new Promise((resolve) => {
      const finish = (result: Exchanged): void => {
        if (!inFlight.delete(finish)) return
        timer.cancel()
        closeSocket()
        resolve(result)
      }
      inFlight.add(finish)
      const timer = clock.after(timeoutMs, () =>
        finish({ kind: 'silent', detail: `no reply in ${timeoutMs} ms` }),
      )
      const closeSocket = open(finish)
    })
  }

  return {
    udp: ({ server, id, message, timeoutMs }) =>
      once(timeoutMs, (finish) => {
        const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4')
        socket.on('error', (error) => finish({ kind: 'broken', detail: error.message }))
        socket.on('message', (reply) => {
          if (isReplyTo(reply, id)) finish({ kind: 'reply', message: reply })
        })
        // Connected: the kernel drops what other senders send, and reports a closed port at once.
        socket.on('connect', () => socket.send(message))
        socket.connect(server.port, server.host)
        return () => socket.close()
      }),

    tcp: ({ server, id, message, timeoutMs }) =>
      once(timeoutMs, (finish) => {
        const socket = connect({ host: server.host, port: server.port })
        let received = Buffer.alloc(0)
        socket.on('error', (error) => finish({ kind: 'broken', detail: error.message }))
        socket.on('close', () => finish({ kind: 'broken', detail: 'connection closed' }))
        socket.on('data', (chunk) => {
          received = Buffer.concat([received, chunk])
          if (received.length < 2) return
          const end = 2 + received.readUInt16BE(0)
          if (received.length < end) return
          const reply = received.subarray(2, end)
          finish(
            isReplyTo(reply, id)
              ? { kind: 'reply', message: reply }
              : { kind: 'broken', detail: 'reply with another id' },
          )
        })
        const length = Buffer.alloc(2)
        length.writeUInt16BE(message.length)
        socket.write(Buffer.concat([length, message]))
        return () => socket.destroy()
      }),

    close: () => {
      for (const finish of [...inFlight]) finish({ kind: 'broken', detail: 'resolver closed' })
    },
  }
}
