/**
 * A scriptable SMTP server that swallows mail. The recipient's local part chooses how a message fares
 * (sink-behaviour.ts), options choose how the host behaves. On raw sockets, so that it can also say wrong things;
 * it never sends anything on.
 */
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Certificate } from './certificate.ts'
import type { SinkLogin } from './sink-auth.ts'
import { SinkSession } from './sink-session.ts'
import type { SinkState } from './sink-session.ts'

export interface SinkMessage {
  readonly mailFrom: string
  /** What followed the path of MAIL: `SIZE=12 BODY=8BITMIME`. */
  readonly parameters: string
  readonly rcptTo: readonly string[]
  /** Without dot-stuffing; empty when the sink only counts. */
  readonly data: Buffer
  /** Octets on the wire. */
  readonly size: number
  readonly at: number
  readonly tls: boolean
  readonly remoteAddress: string
  /** Number of the connection, from 1. */
  readonly session: number
  readonly sawBareNewline: boolean
}

export interface SinkOptions {
  /** Default 127.0.0.1. */
  readonly address?: string
  /** Default 0: the system's choice. */
  readonly port?: number
  readonly name?: string
  /** Offers STARTTLS; `broken` offers it and then talks rubbish. */
  readonly tls?: Certificate | 'broken'
  /** TLS from the first byte; needs `tls`. */
  readonly implicitTls?: boolean
  /** `count`: messages are counted and handed to onMessage without their content, and not kept. */
  readonly capture?: 'all' | 'count'
  onMessage?(message: SinkMessage): void
  /** A complete reply (other than 2yz closes), `silent` or `slow` (after `slowMs`). */
  readonly banner?: string
  readonly slowMs?: number
  /** EHLO is not known, HELO is. */
  readonly ehloRefused?: boolean
  /** Instead of PIPELINING, SIZE 52428800, 8BITMIME, SMTPUTF8; STARTTLS and AUTH are added where they are on. */
  readonly capabilities?: readonly string[]
  readonly auth?: SinkLogin
  /** Above it, 421 in place of the banner. */
  readonly maxConnections?: number
  /** Above it, 421 to MAIL. */
  readonly maxMessagesPerConnection?: number
  /** MAILs in any one second; above it, 421 4.7.0. */
  readonly ratePerSecond?: number
  /** Until then after its first try a greylisted address is refused. */
  readonly greylistMs?: number
  /** Each reply leaves byte by byte. */
  readonly dribble?: boolean
  readonly now?: () => number
  /** A reply of the test's own, `''` for none, undefined for the usual one. The final dot comes as `.`. */
  replies?(command: string, session: SinkSession): string | undefined
}

export interface Sink {
  readonly address: string
  readonly port: number
  readonly messages: readonly SinkMessage[]
  /** `accepted`, `rcpt-450`, `dot-550`, `drop-in-data`, `rate-limited`, `too-many-messages`, `busy` … */
  readonly counts: ReadonlyMap<string, number>
  /** What the client did that it must not do. */
  readonly violations: readonly string[]
  /** Connections so far, and the most at one time. */
  readonly connections: number
  readonly maxConcurrent: number
  readonly sawBareNewline: boolean
  close(): Promise<void>
}

export async function startSink(options: SinkOptions = {}): Promise<Sink> {
  const now = options.now ?? Date.now
  const messages: SinkMessage[] = []
  const counts = new Map<string, number>()
  const violations: string[] = []
  const sockets = new Set<Socket>()
  const recent: number[] = []
  let connections = 0
  let maxConcurrent = 0
  let sawBareNewline = false

  const count = (key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1)
  const state: SinkState = {
    options,
    now,
    violations,
    greylisted: new Map(),
    count,
    takeFromRate() {
      if (options.ratePerSecond === undefined) return true
      const at = now()
      while (recent.length > 0 && recent[0]! <= at - 1000) recent.shift()
      if (recent.length >= options.ratePerSecond) return false
      recent.push(at)
      return true
    },
    keep(message) {
      count('accepted')
      sawBareNewline ||= message.sawBareNewline
      if (options.capture !== 'count') messages.push(message)
      options.onMessage?.(message)
    },
  }

  const onConnection = (socket: Socket): void => {
    connections++
    sockets.add(socket)
    maxConcurrent = Math.max(maxConcurrent, sockets.size)
    socket.on('close', () => sockets.delete(socket))
    const session = new SinkSession(connections, socket, state)
    if (sockets.size > (options.maxConnections ?? Infinity)) {
      count('busy')
      session.greet('421 4.7.0 too many connections')
      return
    }
    const { banner = `220 ${options.name ?? 'sink.test'} ESMTP`, slowMs = 200 } = options
    if (banner === 'slow') {
      setTimeout(() => session.greet('220 sink.test ESMTP at last'), slowMs).unref()
    } else if (banner !== 'silent') {
      session.greet(banner)
    }
  }
  const server: Server =
    options.implicitTls === true && typeof options.tls === 'object'
      ? createTlsServer(options.tls, onConnection)
      : createServer(onConnection)
  const { address, port } = await listen(server, options)

  return {
    address,
    port,
    messages,
    counts,
    violations,
    get connections() {
      return connections
    },
    get maxConcurrent() {
      return maxConcurrent
    },
    get sawBareNewline() {
      return sawBareNewline
    },
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

function listen(server: Server, options: SinkOptions): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, options.address ?? '127.0.0.1', () => {
      const bound = server.address()
      if (bound === null || typeof bound === 'string') reject(new Error('no address'))
      else resolve(bound)
    })
  })
}
