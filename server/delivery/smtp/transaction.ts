/**
 * One message to one recipient over an open connection: MAIL, RCPT, DATA, content. The hot way out, so it is a
 * state machine on replies with one promise per message. It reports what was said and decides nothing about it.
 */
import { AppError } from '../../core/errors.ts'
import type { Outcome, Stage } from '../../core/outcome.ts'
import type { ParsedReply } from '../../protocol/reply.ts'
import type { Connection } from './connection.ts'
import { createStuffer, prepareContent } from './content.ts'
import type { Content } from './content.ts'
import { failed, refused, toOutcome } from './ending.ts'
import type { Ending } from './ending.ts'
import { append, grouped, replyLines, startTranscript } from './transcript.ts'
import type { Transcript } from './transcript.ts'
import type { Wire, WireFault, WireListener } from './wire.ts'

/** Up to here content is copied once and goes out in one write; beyond, piece by piece as the peer takes it. */
const ONE_WRITE_BYTES = 65_536

export interface Mail {
  /** Without angle brackets; empty for the null sender. */
  readonly mailFrom: string
  readonly recipient: string
  /** Octets of the content as RFC 1870 counts them: before dot-stuffing. */
  readonly size: number
  readonly smtpUtf8: boolean
  /** The content has octets above 127. */
  readonly eightBit: boolean
  readonly content: Content
}

/** `discard`: DATA was accepted after a refusal, and an empty message is being thrown at it. */
type Step = 'reset' | 'mail' | 'rcpt' | 'data' | 'body' | 'discard'

/**
 * Sends one mail. Resolves with an outcome of stage `mail` to `body` for whatever the remote does; rejects when the
 * content or the envelope is not fit to be sent, or its source fails. Afterwards `connection.usable` tells whether
 * another can follow. A `connection-lost` at stage `mail` on a connection with `messages > 1` is most often the
 * server's idle limit.
 */
export function send(connection: Connection, mail: Mail): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    new Transaction(connection, mail, resolve, reject).start()
  })
}

class Transaction implements WireListener {
  readonly #connection: Connection
  readonly #wire: Wire
  readonly #mail: Mail
  readonly #resolve: (outcome: Outcome) => void
  readonly #reject: (error: unknown) => void
  readonly #transcript: Transcript
  readonly #startedAt: number
  #step: Step = 'mail'
  #refusal: Ending | undefined
  /** Content ready for one write. */
  #prepared: Buffer | undefined
  #contentSent = false
  #over = false

  constructor(
    connection: Connection,
    mail: Mail,
    resolve: (outcome: Outcome) => void,
    reject: (error: unknown) => void,
  ) {
    this.#connection = connection
    this.#wire = connection.wire
    this.#mail = mail
    this.#resolve = resolve
    this.#reject = reject
    this.#startedAt = connection.clock.now()
    this.#transcript = startTranscript(connection.transcriptChars, connection.greeting)
  }

  start(): void {
    const connection = this.#connection
    const mail = this.#mail
    if (connection.busy) throw internal('a second transaction on a busy connection')
    checkAddress(mail.mailFrom, mail.smtpUtf8)
    checkAddress(mail.recipient, mail.smtpUtf8)
    if (mail.size <= ONE_WRITE_BYTES && !isStream(mail.content)) {
      this.#prepared = prepareContent(mail.content)
    }
    const { wire, capabilities } = connection
    if (wire.broken !== undefined) {
      this.#conclude(failed('mail', wire.broken.fault, wire.broken.detail))
      return
    }
    const impossible = unsuitable(mail, connection)
    if (impossible !== undefined) {
      this.#conclude(impossible)
      return
    }

    connection.busy = true
    connection.messages++
    connection.greeting = ''
    if (connection.messages > 1) {
      append(this.#transcript, `! reused connection, message ${connection.messages}\n`)
    }
    if (mail.eightBit && !capabilities.eightBit) {
      append(this.#transcript, '! 8-bit content although 8BITMIME is not offered\n')
    }
    wire.listen(this)
    const reset = connection.needsReset
    connection.needsReset = true // until a final dot was answered
    this.#step = reset ? 'reset' : 'mail'
    wire.deadlineIn(connection.timeouts.mailMs)
    if (capabilities.pipelining) {
      // RFC 2920 §3.1: RSET, MAIL and RCPT anywhere in a group, DATA last.
      const lines = reset ? ['RSET', mailLine(mail, connection)] : [mailLine(mail, connection)]
      this.#command([...lines, `RCPT TO:<${mail.recipient}>`, 'DATA'])
    } else {
      this.#command([reset ? 'RSET' : mailLine(mail, connection)])
    }
  }

  onReply(reply: ParsedReply): void {
    append(this.#transcript, replyLines(reply))
    if (reply.code === 421) {
      // RFC 5321 §3.8: the server closes; answers to what was pipelined behind will not come.
      this.#hangUp(this.#refusal ?? refused(this.#stage(), reply), 'the server closed with 421')
      return
    }
    switch (this.#step) {
      case 'reset':
        if (reply.code >= 300) this.#breach(reply)
        else this.#next('mail', this.#connection.timeouts.mailMs)
        return
      case 'mail':
        if (this.#passes(reply)) this.#next('rcpt', this.#connection.timeouts.rcptMs)
        return
      case 'rcpt':
        if (this.#passes(reply)) this.#next('data', this.#connection.timeouts.dataMs)
        return
      case 'data':
        this.#onDataReply(reply)
        return
      case 'body':
        this.#onBodyReply(reply)
        return
      case 'discard':
        this.#connection.needsReset = false
        this.#conclude(this.#refusal!)
    }
  }

  onFault({ fault, detail }: WireFault): void {
    if (this.#refusal !== undefined) append(this.#transcript, `! ${detail}\n`)
    this.#conclude(this.#refusal ?? failed(this.#stage(), fault, detail))
  }

  /** Whether the conversation goes on to the next step: after 2yz, or because DATA is on its way already. */
  #passes(reply: ParsedReply): boolean {
    if (reply.code < 300) return true
    if (reply.code < 400) {
      this.#breach(reply)
      return false
    }
    this.#refusal ??= refused(this.#stage(), reply)
    if (this.#connection.capabilities.pipelining) return true
    this.#conclude(this.#refusal)
    return false
  }

  #next(step: 'mail' | 'rcpt' | 'data', limitMs: number): void {
    this.#step = step
    this.#wire.deadlineIn(limitMs)
    if (this.#connection.capabilities.pipelining) return
    switch (step) {
      case 'mail': {
        this.#command([mailLine(this.#mail, this.#connection)])
        return
      }
      case 'rcpt': {
        this.#command([`RCPT TO:<${this.#mail.recipient}>`])
        return
      }
      case 'data': {
        this.#command(['DATA'])
        return
      }
    }
  }

  #onDataReply(reply: ParsedReply): void {
    if (reply.code < 300) {
      this.#breach(reply)
      return
    }
    if (reply.code >= 400) {
      this.#conclude(this.#refusal ?? refused('data', reply))
      return
    }
    this.#wire.deadlineIn(this.#connection.timeouts.bodyMs)
    if (this.#refusal !== undefined) {
      // RFC 2920 §3.1: DATA may be accepted although nobody was; then an empty message must follow.
      this.#step = 'discard'
      this.#command(['.'])
      return
    }
    this.#step = 'body'
    append(this.#transcript, `> [${grouped(this.#mail.size)} bytes]\n`)
    if (this.#prepared === undefined) {
      void this.#stream()
      return
    }
    this.#contentSent = true
    this.#wire.write(this.#prepared)
  }

  #onBodyReply(reply: ParsedReply): void {
    if (reply.code >= 300 && reply.code < 400) {
      this.#breach(reply)
      return
    }
    if (!this.#contentSent) {
      // An answer before the final dot: what we still owe would be read as commands.
      if (reply.code < 300) {
        this.#breach(reply)
        return
      }
      this.#hangUp(refused('body', reply), 'refused before the end of the content')
      return
    }
    this.#connection.needsReset = false
    this.#conclude(
      reply.code < 300 ? { kind: 'accepted', stage: 'body', reply } : refused('body', reply),
    )
  }

  /** Sends content as fast as the peer takes it, the body's time limit running anew with each piece. */
  async #stream(): Promise<void> {
    const stuffer = createStuffer()
    try {
      for await (const piece of pieces(this.#mail.content)) {
        if (!this.#wire.write(stuffer.push(piece))) await this.#wire.drained()
        if (this.#isOver()) return
        this.#wire.deadlineIn(this.#connection.timeouts.bodyMs)
      }
      const end = stuffer.end()
      this.#contentSent = true
      this.#wire.write(end)
    } catch (error) {
      // Without a final dot the server has no message; the connection is in the middle of one and useless.
      this.#over = true
      this.#connection.destroy()
      this.#reject(error)
    }
  }

  /** A method, because it changes while #stream waits, which the compiler cannot see. */
  #isOver(): boolean {
    return this.#over
  }

  #stage(): Stage {
    const step = this.#step
    return step === 'reset' ? 'mail' : step === 'discard' ? 'data' : step
  }

  #command(lines: readonly string[]): void {
    let bytes = ''
    let shown = ''
    for (const line of lines) {
      bytes += `${line}\r\n`
      shown += `> ${line}\n`
    }
    append(this.#transcript, shown)
    this.#wire.write(bytes, this.#mail.smtpUtf8 ? 'utf8' : 'latin1')
  }

  /** A reply that has no place here: nothing after it can be trusted. */
  #breach(reply: ParsedReply): void {
    const detail = `unexpected reply ${reply.code}`
    this.#hangUp(this.#refusal ?? failed(this.#stage(), 'protocol', detail), detail)
  }

  #hangUp(ending: Ending, why: string): void {
    this.#wire.listen(undefined)
    this.#wire.break('connection-lost', why)
    this.#conclude(ending)
  }

  #conclude(ending: Ending): void {
    if (this.#over) return
    this.#over = true
    if (ending.kind === 'failed') append(this.#transcript, `! ${ending.detail}\n`)
    const { peer, clock } = this.#connection
    this.#wire.listen(undefined)
    this.#wire.clearDeadline()
    this.#connection.busy = false
    const times = { startedAt: this.#startedAt, endedAt: clock.now() }
    this.#resolve(toOutcome(ending, peer, times, this.#transcript.text))
  }
}

const internal = (detail: string): AppError => new AppError('INTERNAL', { detail })

/** `MAIL FROM:<a@b> SIZE=n BODY=8BITMIME SMTPUTF8`, each parameter only where it is understood. */
function mailLine(mail: Mail, { capabilities }: Connection): string {
  let line = `MAIL FROM:<${mail.mailFrom}>`
  if (capabilities.size) line += ` SIZE=${mail.size}`
  if (mail.eightBit && capabilities.eightBit) line += ' BODY=8BITMIME'
  if (mail.smtpUtf8) line += ' SMTPUTF8'
  return line
}

/** Why this mail cannot go over this connection, known before a byte is sent. */
function unsuitable(mail: Mail, { capabilities }: Connection): Ending | undefined {
  if (mail.smtpUtf8 && !capabilities.smtpUtf8) {
    return failed('mail', 'needs-smtputf8', 'the host does not offer SMTPUTF8')
  }
  const { maxSize } = capabilities
  if (maxSize !== undefined && mail.size > maxSize) {
    const detail = `the message has ${grouped(mail.size)} octets, the host takes ${grouped(maxSize)}`
    return failed('mail', 'too-big', detail)
  }
  return undefined
}

const NOT_ASCII = /[^\x20-\x7e]/
const CONTROL = /[\x00-\x1f\x7f]/

/** Addresses were parsed long ago; a line end that got this far would be a command of somebody else's. */
function checkAddress(address: string, smtpUtf8: boolean): void {
  if ((smtpUtf8 ? CONTROL : NOT_ASCII).test(address)) {
    throw internal('an envelope address has characters that cannot be sent')
  }
}

const isStream = (content: Content): content is AsyncIterable<Buffer> =>
  Symbol.asyncIterator in content

async function* pieces(content: Content): AsyncGenerator<Buffer> {
  if (isStream(content)) {
    yield* content
    return
  }
  for (const buffer of Buffer.isBuffer(content) ? [content] : content) {
    for (let at = 0; at < buffer.length; at += ONE_WRITE_BYTES) {
      yield buffer.subarray(at, at + ONE_WRITE_BYTES)
    }
  }
}
