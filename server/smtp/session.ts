/**
 * One client of a submission listener: its commands, its login, its mail transactions. A message is acknowledged only
 * after the submit service has resolved, which means it is on disk.
 */
import type { Socket } from 'node:net'
import type { SMTPServer, SMTPServerAuthentication } from 'smtp-server'
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import type { CredentialId } from '../core/ids.ts'
import { isLoopback } from '../core/network.ts'
import type { Principal } from '../services/auth/principal.ts'
import type { SubmitResult } from '../services/submit-contract.ts'
import { StrictConnection } from './connection.ts'
import type { Receiving, StrictOptions } from './connection.ts'
import { tryLogin } from './login.ts'
import type { Body } from './receive.ts'
import { isOurFault, reply, replyFor } from './replies.ts'
import type { Reply } from './replies.ts'
import type { SessionContext } from './session-context.ts'
import { addRecipient, beginTransaction, isSyntaxFault } from './transaction.ts'
import type { Transaction } from './transaction.ts'

const START_DATA = reply(354, '', 'End data with <CR><LF>.<CR><LF>')
const SENDER_OK = reply(250, '2.1.0', 'Sender accepted')
const NO_OPTIONS = {}
const CLOSING = replyFor(new AppError('SHUTTING_DOWN'))
/** 421 and not 535: the client keeps the mail until its login is mended. */
const REVOKED = reply(421, '4.7.0', 'These credentials were revoked or have ended.')
/** In the protocol, but not here. */
const NOT_IMPLEMENTED = new Set(['EXPN', 'BDAT', 'ETRN', 'TURN', 'SEND', 'SOML', 'SAML'])
/** A web page that makes a browser post to us; what follows would be commands of its choice. */
const HTTP = new Set(['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'])

/** Commands other than MAIL, RCPT and DATA between two messages: enough for any client, too few to keep us busy. */
const MAX_IDLE_COMMANDS = 100
const MAX_IDLE_COMMANDS_UNKNOWN = 20
const MAX_FAILED_LOGINS = 3
/** A message over the limit is read on for so long, so that the client hears 552 and not a broken connection. */
const DRAIN_BYTES = 8 * 1024 * 1024

/** What SASL wants to hear; `user` only has to be truthy. */
type LoginCallback = (error: Error | null, response?: { readonly user: string }) => void

/** The enhanced code is added by `send`. */
const saslError = ({ code, text }: Reply): Error =>
  Object.assign(new Error(text), { responseCode: code })

export class Session extends StrictConnection {
  readonly #context: SessionContext
  readonly #strict: StrictOptions
  readonly #release: () => void
  readonly #startedAt: number
  readonly #isTrusted: boolean
  #principal: Principal | undefined
  /** The login this session is counted for. */
  #counted: CredentialId | undefined
  #mail: Transaction | undefined
  #body: Body | undefined
  /** Since when the message arrives, epoch ms. */
  #dataSince: number | undefined
  #isSubmitting = false
  #idleCommands = 0
  #failedLogins = 0

  /** `release` gives the connection's place back; it may be called more than once. */
  constructor(
    server: SMTPServer,
    socket: Socket,
    options: SMTPConnectionOptions,
    context: SessionContext,
    release: () => void,
  ) {
    super(server, socket, options)
    this.#context = context
    this.#strict = context.strict
    this.#release = release
    this.#startedAt = context.clock.now()
    this.#isTrusted = context.isTrusted(this.remoteAddress)
    this.#principal = this.#trusted()
  }

  protected override strict(): StrictOptions {
    return this.#strict
  }

  protected override greetingDelayMs(): number {
    // Applications of our own connect too often to be kept waiting.
    if (this.#isTrusted || isLoopback(this.remoteAddress)) return 0
    return this.#context.limits.greetingDelayMs
  }

  // The session's life.

  /** RFC 3207 §4.2: nothing the client said in the clear counts any more. */
  override upgrade(callback: () => void, secureCallback?: () => void): void {
    this.#uncount()
    this.#principal = this.#trusted()
    this.#mail = undefined
    super.upgrade(callback, secureCallback)
  }

  override _onClose(): void {
    this.#uncount()
    this.#release()
    // A body in the submit service's hands is let go of when that is done with it.
    if (!this.#isSubmitting) this.#dropBody()
    super._onClose()
  }

  override _isSupported(command: string): boolean {
    if (command === 'AUTH') return this.secure || isLoopback(this.remoteAddress)
    return command === 'STARTTLS' && this.#context.tls === 'starttls'
  }

  override checkTime(now: number): boolean {
    if (super.checkTime(now)) return true
    const { idleTimeoutMs } = this.#context.limits
    if (this.#principal !== undefined || now - this.#startedAt <= idleTimeoutMs) return false
    this.cut(reply(421, '4.4.2', 'Timeout: log in sooner.'))
    return true
  }

  /** Ends the session when it is between messages; one in a transaction ends after it. */
  retire(): void {
    if (this.#mail === undefined && !this._handlerPending) this.end(CLOSING)
  }

  /** Ends the session whatever it is doing. */
  abort(): void {
    this.end(CLOSING)
    this._socket.destroy()
  }

  // Commands.

  protected override onCommand(line: string): boolean {
    const space = line.indexOf(' ')
    const verb = (space < 0 ? line : line.slice(0, space)).toUpperCase()
    if (verb === 'RCPT') return this.#onRcpt(line)
    if (verb === 'MAIL') return this.#onMail(line)
    if (verb === 'DATA') return this.#onData(line)
    const most = this.#principal === undefined ? MAX_IDLE_COMMANDS_UNKNOWN : MAX_IDLE_COMMANDS
    if (++this.#idleCommands > most) {
      this.cut(reply(421, '4.7.0', 'Too many commands without a message.'))
      return true
    }
    return this.#onOther(verb, line)
  }

  #onOther(verb: string, line: string): boolean {
    switch (verb) {
      case 'EHLO':
      case 'HELO':
        this.#mail = undefined
        this.openingCommand = verb
        return this.delegate(
          (command, done) =>
            verb === 'EHLO' ? this.handler_EHLO(command, done) : this.handler_HELO(command, done),
          line,
        )
      case 'RSET':
        this.#mail = undefined
        this.reply(reply(250, '2.0.0', 'Flushed'))
        if (this.#context.isClosing()) this.end(CLOSING)
        return true
      case 'NOOP':
        this.reply(reply(250, '2.0.0', 'OK'))
        return true
      case 'QUIT':
        this.end(reply(221, '2.0.0', 'Bye'))
        return true
      case 'AUTH':
        return this.#onAuth(line)
      case 'STARTTLS':
        if (!this._isSupported(verb)) return this.object(reply(502, '5.5.1', 'No STARTTLS here.'))
        return this.delegate((command, done) => this.handler_STARTTLS(command, done), line)
      case 'VRFY':
        this.reply(reply(252, '2.0.0', 'Send some mail and see.'))
        return true
      case 'HELP':
        this.reply(reply(214, '2.0.0', 'RFC 6409 tells how mail is submitted.'))
        return true
    }
    if (NOT_IMPLEMENTED.has(verb)) return this.object(reply(502, '5.5.1', 'Not implemented.'))
    if (!HTTP.has(verb)) return this.object(reply(500, '5.5.2', 'This command is not known.'))
    this.cut(reply(421, '4.7.0', 'This is not HTTP.'))
    return true
  }

  // AUTH.

  #onAuth(line: string): boolean {
    if (this.hostNameAppearsAs === false) return this.#outOfOrder('Send EHLO first.')
    // RFC 4954 §4: not during a transaction.
    if (this.#mail !== undefined) return this.#outOfOrder('A mail transaction is under way.')
    if (this._isSupported('AUTH'))
      return this.delegate((command, done) => this.handler_AUTH(command, done), line)
    return this.object(reply(538, '5.7.11', 'Encryption is required for AUTH.'))
  }

  /** Called by SASL with what the client sent. Wrong logins are answered slowly, the third with the end. */
  authenticate(request: SMTPServerAuthentication, callback: LoginCallback): void {
    const result = tryLogin(this.#context, this.remoteAddress, request)
    switch (result.kind) {
      case 'ok':
        this.#principal = result.principal
        if (result.isCounted) this.#counted = result.principal.credential
        callback(null, { user: result.principal.name })
        return
      case 'too-many':
        this.end(result.answer)
        return
      case 'unavailable':
        callback(saslError(result.answer))
        return
      case 'wrong':
        this.#context.clock.after(result.delayMs, () => {
          if (++this.#failedLogins < MAX_FAILED_LOGINS) {
            callback(saslError(result.answer))
            return
          }
          this.reply(result.answer)
          this.cut(reply(421, '4.7.0', 'Too many failed logins.'))
        })
    }
  }

  // The mail transaction.

  #onMail(line: string): boolean {
    const { auth, submit, limits, credentialLimits, counters } = this.#context
    const principal = this.#principal
    if (this.#context.isClosing()) {
      this.end(CLOSING)
      return true
    }
    if (this.hostNameAppearsAs === false) return this.#outOfOrder('Send EHLO first.')
    if (principal === undefined) return this.object(this.#authRequired())
    if (this.#mail !== undefined) return this.#outOfOrder('A mail transaction is under way.')
    if (auth.isRevoked(principal)) {
      counters.refused++
      this.end(REVOKED)
      return true
    }
    try {
      submit.checkBudget(principal)
    } catch (error) {
      this.#refuse(error)
      return true
    }
    const own = principal.limits.messageSize ?? credentialLimits.messageSize ?? Infinity
    const begun = beginTransaction(line, principal, Math.min(own, limits.maxMessageSize))
    if (begun.ok) {
      this.#mail = begun.transaction
      this.reply(SENDER_OK)
      return true
    }
    if (isSyntaxFault(begun.reply)) return this.object(begun.reply)
    counters.refused++
    this.reply(begun.reply)
    return true
  }

  #authRequired(): Reply {
    const { text } = replyFor(new AppError('AUTH_REQUIRED'))
    const how = this._isSupported('AUTH')
      ? ''
      : this._isSupported('STARTTLS')
        ? ' after STARTTLS'
        : ' over TLS'
    return reply(530, '5.7.0', how === '' ? text : `${text.slice(0, -1)}${how}.`)
  }

  #onRcpt(line: string): boolean {
    if (this.#mail === undefined) return this.#outOfOrder('Send MAIL first.')
    const answer = addRecipient(this.#mail, line, this.#context.limits.maxRecipients)
    if (isSyntaxFault(answer)) return this.object(answer)
    this.reply(answer)
    return true
  }

  #onData(line: string): boolean {
    const { bodies, clock } = this.#context
    const mail = this.#mail
    if (mail === undefined) return this.#outOfOrder('Send MAIL first.')
    if (line.trimEnd().length > 'DATA'.length)
      return this.object(reply(501, '5.5.4', 'DATA takes no arguments.'))
    if (mail.recipients.length === 0)
      return this.object(reply(554, '5.5.1', 'There is no valid recipient.'))
    const body = bodies.start(mail.sizeLimit)
    this.#body = body
    this.#dataSince = clock.now()
    this.input?.receive(body, mail.sizeLimit + DRAIN_BYTES)
    this.reply(START_DATA)
    return true
  }

  protected override receiving(): Receiving | undefined {
    const since = this.#dataSince
    return since === undefined ? undefined : { since, size: this.#body?.size ?? 0 }
  }

  override onOverrun(): void {
    this.#context.counters.refused++
    this.cut(replyFor(new AppError('MESSAGE_TOO_BIG')))
  }

  override onMessage(): boolean {
    const mail = this.#mail
    const body = this.#body
    this.#dataSince = undefined
    if (mail === undefined || body === undefined) return true
    this.#isSubmitting = true
    // The idle timeout does not count while the client waits for us.
    this._handlerPending = true
    this.#submit(mail, body).then(this.#onAccepted, this.#onRefused)
    return false
  }

  async #submit(mail: Transaction, body: Body): Promise<SubmitResult> {
    const bytes = body.finish()
    const raw = bytes instanceof Buffer ? bytes : await bytes
    // Gone while a large body waited for its turn: it was not told that we have the mail, and will send it again.
    if (this._closed) throw new AppError('SHUTTING_DOWN')
    return this.#context.submit.raw({
      principal: mail.principal,
      via: 'smtp',
      mailFrom: mail.mailFrom,
      recipients: mail.recipients,
      raw,
      smtpUtf8: mail.smtpUtf8,
      helo: this.hostNameAppearsAs === false ? undefined : this.hostNameAppearsAs,
      repairNewlines: false,
      options: NO_OPTIONS,
    })
  }

  readonly #onAccepted = ({ messages }: SubmitResult): void => {
    const id = messages[0]?.id
    this.#context.counters.messages++
    this.#idleCommands = 0
    this.forgiveErrors()
    this.#settle()
    this.reply(
      reply(250, '2.0.0', id === undefined ? 'queued' : `queued as ${encodeId('message', id)}`),
    )
    this.#next()
  }

  readonly #onRefused = (error: unknown): void => {
    this.#settle()
    this.#refuse(error)
    this.#next()
  }

  /** The message is out of our hands, one way or the other. */
  #settle(): void {
    this.#mail = undefined
    this.#isSubmitting = false
    this._handlerPending = false
    this.#dropBody()
  }

  #next(): void {
    if (this.#context.isClosing()) this.end(CLOSING)
    this.input?.resume()
  }

  #refuse(error: unknown): void {
    this.#context.counters.refused++
    if (isOurFault(error))
      this.#context.log.error({ evt: 'smtp-bug', err: error }, 'a message could not be accepted')
    this.reply(replyFor(error))
  }

  #dropBody(): void {
    this.#body?.release()
    this.#body = undefined
    this.#dataSince = undefined
  }

  #outOfOrder(text: string): true {
    return this.object(reply(503, '5.5.1', text))
  }

  #trusted(): Principal | undefined {
    return this.#isTrusted ? this.#context.trustedPrincipal() : undefined
  }

  #uncount(): void {
    if (this.#counted !== undefined) this.#context.connections.releaseLogin(this.#counted)
    this.#counted = undefined
  }
}
