/**
 * One socket that speaks SMTP lines: bytes out, replies in, one deadline. It knows nothing of mail or policy. When
 * it breaks, it breaks once, for good, and says why; it never throws for what a remote did.
 */
import type { Socket } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import type { SecureContext, TLSSocket } from 'node:tls'
import type { Fault } from '../../core/outcome.ts'
import type { Clock, Timer } from '../../core/ports.ts'
import { createReplyReader } from '../../protocol/reply.ts'
import type { ParsedReply, ReplyReader } from '../../protocol/reply.ts'

export interface WireFault {
  readonly fault: Fault
  readonly detail: string
}

export interface WireListener {
  onReply(reply: ParsedReply): void
  /** At most once; no reply follows. */
  onFault(fault: WireFault): void
}

export class Wire {
  /** Why it can carry nothing any more. */
  broken: WireFault | undefined
  socket: Socket
  readonly #clock: Clock
  readonly #reader: ReplyReader
  #listener: WireListener | undefined
  #deadlineAt = 0
  #timer: Timer | undefined
  #timerAt = 0

  constructor(socket: Socket, clock: Clock) {
    this.socket = socket
    this.#clock = clock
    this.#reader = createReplyReader((reply) => this.#receive(reply))
    this.#attach(socket)
  }

  /** Replies go to `listener` until the next call. Without one, a reply is a breach of the protocol. */
  listen(listener: WireListener | undefined): void {
    this.#listener = listener
  }

  /** False when the socket's buffer is full. `latin1` is the cheap encoding for ASCII commands. */
  write(data: string | Buffer, encoding: 'latin1' | 'utf8' = 'latin1'): boolean {
    if (this.broken !== undefined) return true
    return typeof data === 'string' ? this.socket.write(data, encoding) : this.socket.write(data)
  }

  /** Resolves when the buffer has room again, or the wire is broken. */
  drained(): Promise<void> {
    const { socket } = this
    if (this.broken !== undefined || !socket.writableNeedDrain) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        socket.off('drain', done)
        socket.off('close', done)
        resolve()
      }
      socket.on('drain', done)
      socket.on('close', done)
    })
  }

  /** Sends `line` (without CRLF; empty: nothing) and waits for its reply; undefined when the wire broke. */
  ask(line: string, limitMs: number): Promise<ParsedReply | undefined> {
    if (this.broken !== undefined) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const settle = (reply: ParsedReply | undefined): void => {
        this.#listener = undefined
        this.clearDeadline()
        resolve(reply)
      }
      this.#listener = { onReply: settle, onFault: () => settle(undefined) }
      this.deadlineIn(limitMs)
      if (line !== '') this.write(`${line}\r\n`, 'utf8')
    })
  }

  /**
   * Breaks with `timeout` unless the deadline is moved or cleared within `ms`. One timer serves all stages: it is
   * moved only when the new deadline is earlier than the timer, which on a busy connection is almost never.
   */
  deadlineIn(ms: number): void {
    this.#deadlineAt = this.#clock.now() + ms
    if (this.#timer !== undefined && this.#timerAt <= this.#deadlineAt) return
    this.#timer?.cancel()
    this.#arm(ms)
  }

  clearDeadline(): void {
    this.#deadlineAt = 0
  }

  /** Nothing unread and nothing unfinished: what follows cannot have been injected before. */
  get quiet(): boolean {
    return this.#reader.idle() && this.socket.readableLength === 0
  }

  /** Turns the socket into TLS; undefined when the wire broke. The certificate is judged by the caller. */
  secure(
    {
      servername,
      ca,
      trust,
    }: {
      readonly servername: string | undefined
      readonly ca?: string
      readonly trust?: SecureContext | undefined
    },
    limitMs: number,
  ): Promise<TLSSocket | undefined> {
    const plain = this.socket
    if (this.broken !== undefined) return Promise.resolve(undefined)
    this.#detach(plain)
    // Errors of the plain socket reach the TLS socket too; unheard ones would end the process.
    plain.on('error', () => undefined)
    const socket = tlsConnect({
      socket: plain,
      // A certificate that proves nothing still beats clear text (RFC 7435); who wants proof looks at `authorized`.
      rejectUnauthorized: false,
      ...(servername === undefined ? {} : { servername }),
      ...(ca === undefined ? {} : { ca }),
      ...(ca !== undefined || trust === undefined ? {} : { secureContext: trust }),
    })
    this.socket = socket
    return new Promise((resolve) => {
      const finish = (): void => {
        this.#listener = undefined
        this.clearDeadline()
        socket.off('secureConnect', onSecure)
        socket.off('error', onError)
        socket.off('close', onClose)
      }
      const onSecure = (): void => {
        finish()
        this.#attach(socket)
        resolve(socket)
      }
      const onError = (error: NodeJS.ErrnoException): void =>
        this.break('tls-handshake', `TLS handshake failed: ${error.code ?? error.message}`)
      const onClose = (): void => this.break('tls-handshake', 'connection closed in TLS handshake')
      socket.once('secureConnect', onSecure)
      socket.once('error', onError)
      socket.once('close', onClose)
      this.#listener = {
        onReply: () => undefined,
        onFault: () => {
          finish()
          resolve(undefined)
        },
      }
      this.deadlineIn(limitMs)
    })
  }

  /** Gives the wire up for a reason; the listener hears it. Idempotent. */
  break(fault: Fault, detail: string): void {
    if (this.broken !== undefined) return
    this.broken = { fault, detail }
    this.#timer?.cancel()
    this.#timer = undefined
    // A late error after destroy() must find a listener, so the socket keeps its own.
    this.socket.on('error', () => undefined)
    this.socket.destroy()
    const listener = this.#listener
    this.#listener = undefined
    listener?.onFault(this.broken)
  }

  #attach(socket: Socket): void {
    socket.setNoDelay(true)
    socket.on('data', this.#onData)
    socket.on('error', this.#onError)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onEnd)
  }

  #detach(socket: Socket): void {
    socket.off('data', this.#onData)
    socket.off('error', this.#onError)
    socket.off('end', this.#onEnd)
    socket.off('close', this.#onEnd)
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.broken !== undefined) return
    const problem = this.#reader.push(chunk)
    if (problem !== undefined) this.break('protocol', problem)
  }

  readonly #onError = (error: NodeJS.ErrnoException): void =>
    this.break('connection-lost', `connection lost: ${error.code ?? error.message}`)

  readonly #onEnd = (): void => this.break('connection-lost', 'the remote closed the connection')

  #receive(reply: ParsedReply): void {
    if (this.broken !== undefined) return
    if (this.#listener !== undefined) {
      this.#listener.onReply(reply)
      return
    }
    // RFC 5321 §3.8: a server may say 421 at any time and close; anything else was not asked for.
    if (reply.code === 421) this.break('connection-lost', `the remote closed with 421 while idle`)
    else this.break('protocol', 'a reply came without a command')
  }

  #arm(ms: number): void {
    this.#timerAt = this.#clock.now() + ms
    this.#timer = this.#clock.after(ms, () => this.#onTimer())
  }

  #onTimer(): void {
    this.#timer = undefined
    if (this.#deadlineAt === 0) return
    const leftMs = this.#deadlineAt - this.#clock.now()
    if (leftMs > 0) this.#arm(leftMs)
    else this.break('timeout', 'no reply in time')
  }
}
