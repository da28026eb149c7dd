/**
 * A client's connection under strict rules: how its bytes become lines, how replies leave, when it is cut. TLS, EHLO and
 * SASL stay smtp-server's, whose hooks are overridden here (its version is pinned). What the commands mean is the
 * subclass's affair. Nothing a client sends may throw, hang or grow without bound.
 */
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import type { Clock, Log } from '../core/ports.ts'
import { Input } from './input.ts'
import type { InputHandler, LineFault } from './input.ts'
import { reply, replyLine, replyText } from './replies.ts'
import type { Reply } from './replies.ts'

const TOO_SLOW = reply(421, '4.4.2', 'Timeout: too slow.')
const FAULTS: Readonly<Record<LineFault, Reply>> = {
  newline: reply(500, '5.5.2', 'Lines must end with CR LF, and have neither elsewhere.'),
  control: reply(500, '5.5.2', 'The line has a control character.'),
  long: reply(500, '5.5.2', 'The line is too long.'),
  endless: reply(421, '4.7.0', 'The line is far too long.'),
}

export interface StrictOptions {
  readonly clock: Clock
  readonly log: Log
  readonly maxBadCommands: number
  /** Silence, one line, or a handshake may last this long. */
  readonly idleTimeoutMs: number
  /** Octets per second of a message, once idleTimeoutMs is used up. */
  readonly minBytesPerSecond: number
  /** Called when we end the session because of what the client did. */
  readonly onCut: () => void
}

/** The message that arrives: octets so far, and since when (epoch ms). */
export interface Receiving {
  readonly size: number
  readonly since: number
}

type Handler = (command: Buffer, done: () => void) => void

export abstract class StrictConnection extends SMTPConnection implements InputHandler {
  /** Milliseconds the client waits for the greeting; who talks before it is cut. */
  protected abstract greetingDelayMs(): number
  protected abstract strict(): StrictOptions
  /** Undefined outside of DATA. */
  protected abstract receiving(): Receiving | undefined
  /** One command line. False: the answer comes later, and `resume` after it. */
  protected abstract onCommand(line: string): boolean
  abstract onMessage(): boolean
  abstract onOverrun(): void

  /** Replies that wait for the end of the batch. */
  #unsent = ''
  #bad = 0

  now(): number {
    return this.strict().clock.now()
  }

  // The connection's life.

  override init(): void {
    this._setListeners(() => {
      const delay = this.greetingDelayMs()
      if (delay === 0) this.connectionReady()
      else this.strict().clock.after(delay, () => this.connectionReady())
    })
  }

  /** Runs before this class is constructed, and again for the TLS session. */
  override _createParser(): Input {
    const input = new Input(this)
    // It never fails by itself; without a listener a bug in it would end the process.
    input.on('error', (error) => this.onCrash(error))
    return input
  }

  override upgrade(callback: () => void, secureCallback?: () => void): void {
    this.flush()
    super.upgrade(callback, secureCallback)
  }

  override close(): void {
    this.flush()
    super.close()
  }

  /** What the idle timeout does not see: a client that sends a byte now and then. True: it was cut. */
  checkTime(now: number): boolean {
    const { idleTimeoutMs, minBytesPerSecond } = this.strict()
    if (this._closing || this._closed) return false
    const data = this.receiving()
    const since = data?.since ?? this.input?.partialSince
    if (since === undefined) return false
    const allowed = idleTimeoutMs + ((data?.size ?? 0) * 1000) / minBytesPerSecond
    if (now - since <= allowed) return false
    this.cut(TOO_SLOW)
    return true
  }

  // Replies.

  /** For the replies of smtp-server itself. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    const enhanced = this._getEnhancedStatusCode(code, context)
    const prefix = enhanced === '' ? '' : `${enhanced} `
    const lines = Array.isArray(data) ? data : [data ?? '']
    lines.forEach((line, i) => {
      const joint = i < lines.length - 1 ? '-' : ' '
      this.#write(`${code}${joint}${prefix}${replyText(line)}\r\n`)
    })
    if (code === 421) this.close()
  }

  protected reply(answer: Reply): void {
    this.#write(replyLine(answer))
    if (answer.code === 421) this.close()
  }

  /** The last word: the connection is closed after it. */
  protected end(answer: Reply): void {
    if (this._closing || this._closed) return
    this.#write(replyLine(answer))
    this.close()
  }

  /** Ends the session because of what the client did. */
  protected cut(answer: Reply): void {
    this.strict().onCut()
    this.end(answer)
  }

  /** Answers a command in error; too many of them end the session. */
  protected object(answer: Reply): true {
    this.#write(replyLine(answer))
    if (++this.#bad >= this.strict().maxBadCommands)
      this.cut(reply(421, '4.7.0', 'Too many errors.'))
    return true
  }

  protected forgiveErrors(): void {
    this.#bad = 0
  }

  flush(): void {
    if (this.#unsent === '') return
    const text = this.#unsent
    this.#unsent = ''
    // During a handshake the socket is still the one in the clear.
    if (this._upgrading || this._socket.destroyed || this._socket.readyState !== 'open') return
    this._socket.write(text, 'latin1')
  }

  whenWritable(next: () => void): void {
    this._whenWritable(next)
  }

  #write(text: string): void {
    this.#unsent += text
    if (this.input?.isRunning !== true) this.flush()
  }

  // Input.

  protected get input(): Input | undefined {
    return this._parser instanceof Input ? this._parser : undefined
  }

  onLine(line: string): boolean {
    if (!this._ready) {
      this.cut(reply(421, '4.7.0', 'You talk before the greeting.'))
      return true
    }
    if (this._nextHandler === false) return this.onCommand(line)
    const handler = this._nextHandler
    this._nextHandler = false
    return this.delegate((command, done) => handler.call(this, command, done), line)
  }

  onFault(fault: LineFault): void {
    // After a line that does not end as lines do, nobody knows where the next one begins.
    if (fault === 'newline' || fault === 'endless') this.cut(FAULTS[fault])
    else this.object(FAULTS[fault])
  }

  onCrash(error: unknown): void {
    this.strict().log.error({ evt: 'smtp-bug', err: error }, 'an SMTP session failed')
    this.end(reply(421, '4.3.0', 'Something went wrong on our side; please try again later.'))
  }

  /** Lets smtp-server answer a line. */
  protected delegate(handle: Handler, line: string): boolean {
    const { input } = this
    let isDone = false
    let isWaiting = false
    this._handlerPending = true
    handle(Buffer.from(line, 'latin1'), () => {
      isDone = true
      this._handlerPending = false
      if (isWaiting) input?.resume()
    })
    isWaiting = true
    return isDone
  }
}
