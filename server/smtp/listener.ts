/**
 * One listening socket of the submission server. It admits connections within the limits before anything is spent on
 * them, gives each a Session, and forgets none: every admitted place is given back exactly once.
 */
import type { AddressInfo, Socket } from 'node:net'
import type { SMTPServerAuthentication, SMTPServerSession } from 'smtp-server'
import { SMTPServer } from 'smtp-server'
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { AppError } from '../core/errors.ts'
import { plainAddress } from '../core/network.ts'
import type { Certificate } from '../services/certificate.ts'
import { replyFor, replyLine } from './replies.ts'
import { Session } from './session.ts'
import type { SessionContext } from './session-context.ts'

export interface ListenerOptions {
  readonly host: string
  /** 0: the system chooses. */
  readonly port: number
  readonly hostname: string
  readonly certificate: Certificate
}

const BUSY = replyLine(replyFor(new AppError('CONNECTIONS_LIMITED')))

interface Admitted {
  readonly at: number
  /** Gives the place back; more than once does nothing. */
  readonly release: () => void
}

type AuthCallback = Parameters<SMTPServer['onAuth']>[2]

export class Listener extends SMTPServer {
  readonly sessions = new Set<Session>()
  readonly #context: SessionContext
  readonly #listen: { readonly host: string; readonly port: number }
  readonly #admitted = new WeakMap<Socket, Admitted>()
  readonly #bySession = new WeakMap<SMTPServerSession, Session>()

  #count = 0

  constructor(options: ListenerOptions, context: SessionContext) {
    const { limits, tls } = context
    super({
      name: options.hostname,
      banner: 'Posthorn',
      heloResponse: '%s at your service',
      key: options.certificate.key,
      cert: options.certificate.cert,
      minVersion: 'TLSv1.2',
      secure: tls === 'implicit',
      size: limits.maxMessageSize,
      socketTimeout: limits.idleTimeoutMs,
      // Handshakes under way; sessions are counted in connection-limits.ts.
      maxClients: limits.maxConnections,
      authMethods: ['PLAIN', 'LOGIN'],
      // Session decides: in the clear from loopback only.
      allowInsecureAuth: true,
      disableReverseLookup: true,
      hideENHANCEDSTATUSCODES: false,
      hideDSN: false,
      logger: false,
    })
    this.#context = context
    this.#listen = options
    // Sockets that break and handshakes that fail are the client's affair.
    this.on('error', (error) => {
      context.log.debug({ evt: 'smtp-socket', err: error }, 'a submission connection failed')
    })
  }

  /** Resolves when it listens; rejects with the system's error (EADDRINUSE, EACCES …). */
  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen(this.#listen.port, this.#listen.host, () => {
        this.server.removeListener('error', reject)
        resolve()
      })
    })
  }

  address(): { readonly host: string; readonly port: number } {
    const address: AddressInfo | string | null = this.server.address()
    if (address === null || typeof address === 'string') return this.#listen
    return { host: address.address, port: address.port }
  }

  /** No new connections; sessions between messages end. Resolves when the last one has ended. */
  async retire(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()))
    for (const top of this._pendingSockets.values()) top.destroy()
    for (const session of this.sessions) session.retire()
    await closed
  }

  /** Cuts clients that keep us waiting, those in a TLS handshake included. */
  checkTime(now: number): void {
    const { idleTimeoutMs } = this.#context.limits
    for (const session of this.sessions) session.checkTime(now)
    for (const [socket, top] of this._pendingSockets)
      if (now - (this.#admitted.get(socket)?.at ?? now) > idleTimeoutMs) top.destroy()
  }

  /** There is no PROXY header to wait for, and an id for logs need not be random. */
  override _handleProxy(
    _socket: Socket,
    callback: Parameters<SMTPServer['_handleProxy']>[1],
  ): void {
    callback(null, { id: `s${++this.#count}` })
  }

  override connect(socket: Socket, options: SMTPConnectionOptions): void {
    const admitted = this.#admitted.get(socket)
    const session = new Session(this, socket, options, this.#context, () => {
      admitted?.release()
      this.sessions.delete(session)
    })
    this.#context.counters.connections++
    this.connections.add(session)
    this.sessions.add(session)
    this.#bySession.set(session.session, session)
    session.on('error', (error: Error) => this._onError(error))
    session.init()
  }

  override onAuth(
    request: SMTPServerAuthentication,
    session: SMTPServerSession,
    callback: AuthCallback,
  ): void {
    this.#bySession.get(session)?.authenticate(request, callback)
  }

  override onConnect(_session: SMTPServerSession, callback: () => void): void {
    callback()
  }

  override onSecure(_socket: Socket, _session: SMTPServerSession, callback: () => void): void {
    callback()
  }

  override _acceptSocket(socket: Socket, handshake: boolean): (() => void) | false {
    const { connections, counters, clock } = this.#context
    const address = plainAddress(socket.remoteAddress ?? '')
    if (connections.admit(address) !== 'admitted') {
      counters.connectionsRefused++
      socket.on('error', () => undefined)
      // Before a TLS handshake there is no way to say why.
      if (handshake) socket.destroy()
      else socket.end(BUSY, () => socket.destroy())
      return false
    }
    let isHeld = true
    const release = (): void => {
      if (isHeld) connections.release(address)
      isHeld = false
    }
    this.#admitted.set(socket, { at: clock.now(), release })
    socket.once('close', release)
    const done = super._acceptSocket(socket, handshake)
    if (done === false) release()
    return done
  }

  override _upgrade(socket: Socket, callback: Parameters<SMTPServer['_upgrade']>[1]): void {
    const admitted = this.#admitted.get(socket)
    super._upgrade(socket, (error, tls) => {
      if (tls === undefined) admitted?.release()
      else if (admitted !== undefined) this.#admitted.set(tls, admitted)
      callback(error, tls)
    })
  }
}
