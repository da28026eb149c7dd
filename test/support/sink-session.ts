/**
 * One connection to the sink: commands in, replies out, on raw bytes. It answers pipelined commands in one write,
 * ends data only at CRLF.CRLF, and notes what a client must not do.
 */
import type { Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import { SinkAuth } from './sink-auth.ts'
import { behaviourOf, replyFor } from './sink-behaviour.ts'
import type { Behaviour } from './sink-behaviour.ts'
import { hasBareNewline, SinkData } from './sink-data.ts'
import type { SinkMessage, SinkOptions } from './sink.ts'

/** What sessions share. */
export interface SinkState {
  readonly options: SinkOptions
  readonly now: () => number
  readonly violations: string[]
  /** First try of each greylisted address, epoch ms. */
  readonly greylisted: Map<string, number>
  count(key: string): void
  /** True while one more message fits the rate. */
  takeFromRate(): boolean
  keep(message: SinkMessage): void
}

const DEFAULT_CAPABILITIES = ['PIPELINING', 'SIZE 52428800', '8BITMIME', 'SMTPUTF8']

export class SinkSession {
  readonly id: number
  socket: Socket
  tls = false
  ehlo = ''
  messages = 0
  readonly #state: SinkState
  readonly #capabilities: readonly string[]
  readonly #behaviours = new Map<string, Behaviour>()
  #mode: 'greeting' | 'command' | 'data' | 'closed' = 'greeting'
  #pending: Buffer | undefined
  #out = ''
  #paused = false
  #mailFrom: string | undefined
  #parameters = ''
  #recipients: string[] = []
  #data: SinkData
  #auth: SinkAuth | undefined
  #dribbled: Promise<void> = Promise.resolve()

  constructor(id: number, socket: Socket, state: SinkState) {
    this.id = id
    this.socket = socket
    this.#state = state
    this.#capabilities = state.options.capabilities ?? DEFAULT_CAPABILITIES
    this.#data = this.#newData()
    this.tls = socket instanceof TLSSocket
    this.#attach(socket)
  }

  /** Sends the banner, and from then on listens to commands. */
  greet(banner: string): void {
    this.#mode = banner.startsWith('2') ? 'command' : 'closed'
    this.#reply(banner)
    this.#flush()
  }

  #attach(socket: Socket): void {
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('error', () => undefined)
  }

  #onData(chunk: Buffer): void {
    if (this.#mode === 'greeting') this.#state.violations.push('talked before the banner')
    if (this.#paused) {
      this.#pending = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk])
      return
    }
    this.#consume(chunk)
    this.#flush()
  }

  #consume(chunk: Buffer): void {
    let data = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk])
    this.#pending = undefined
    let commands = 0
    while (data.length > 0 && this.#mode !== 'closed') {
      if (this.#paused) {
        this.#pending = data
        return
      }
      if (this.#mode === 'data') {
        const used = this.#takeData(data)
        if (used === data.length) return
        data = data.subarray(used)
        continue
      }
      const lf = data.indexOf(10)
      if (lf < 0) {
        this.#pending = data
        return
      }
      const strict = lf > 0 && data[lf - 1] === 13
      if (!strict) this.#state.violations.push('a command ended in a bare LF')
      const line = data.toString('utf8', 0, strict ? lf - 1 : lf)
      data = data.subarray(lf + 1)
      commands++
      if (commands === 2 && !this.#capabilities.includes('PIPELINING')) {
        this.#state.violations.push('pipelined without PIPELINING')
      }
      this.#reply(this.#command(line))
      if (this.#inData() && data.length > 0) {
        this.#state.violations.push('sent content before the reply to DATA')
      }
    }
  }

  #command(line: string): string {
    if (this.#auth !== undefined) return this.#authNext(line)
    const scripted = this.#state.options.replies?.(line, this)
    if (scripted !== undefined) return this.#scripted(line, scripted)
    const verb = line.slice(0, 4).toUpperCase()
    switch (verb) {
      case 'EHLO':
        return this.#hello(line)
      case 'HELO':
        this.ehlo = line.slice(5)
        return `250 ${this.#name}`
      case 'MAIL':
        return this.#mail(line)
      case 'RCPT':
        return this.#rcpt(line)
      case 'DATA':
        if (this.#recipients.length === 0) return '554 5.5.1 no valid recipients'
        return this.#startData('354 end data with <CR><LF>.<CR><LF>')
      case 'RSET':
        this.#forget()
        return '250 2.0.0 reset'
      case 'NOOP':
        return '250 2.0.0 ok'
      case 'QUIT':
        this.#mode = 'closed'
        return '221 2.0.0 bye'
      case 'STAR':
        return this.#startTls()
      case 'AUTH':
        this.#auth = new SinkAuth(line, this.#state.options.auth)
        return this.#authNext()
      default:
        return '502 5.5.2 command not recognised'
    }
  }

  /** A reply of the test's own; it takes effect as far as its code says. */
  #scripted(line: string, reply: string): string {
    if (/^DATA/i.test(line) && reply.startsWith('354')) return this.#startData(reply)
    if (/^RSET/i.test(line)) this.#forget()
    if (reply.startsWith('421')) this.#mode = 'closed'
    return reply
  }

  #hello(line: string): string {
    this.ehlo = line.slice(5)
    this.#forget()
    const { options } = this.#state
    if (options.ehloRefused === true) return '502 5.5.1 EHLO is not known here'
    const lines = [this.#name, ...this.#capabilities]
    if (options.tls !== undefined && !this.tls) lines.push('STARTTLS')
    if (options.auth !== undefined) lines.push(`AUTH ${options.auth.mechanisms ?? 'PLAIN LOGIN'}`)
    lines.push('ENHANCEDSTATUSCODES')
    const last = lines.length - 1
    return lines.map((text, i) => `250${i < last ? '-' : ' '}${text}`).join('\r\n')
  }

  #mail(line: string): string {
    const { options } = this.#state
    if (this.#mailFrom !== undefined) return '503 5.5.1 nested MAIL'
    if (this.messages >= (options.maxMessagesPerConnection ?? Infinity)) {
      this.#state.count('too-many-messages')
      this.#mode = 'closed'
      return '421 4.7.0 too many messages in this connection'
    }
    if (!this.#state.takeFromRate()) {
      this.#state.count('rate-limited')
      this.#mode = 'closed'
      return '421 4.7.0 too many messages, slow down'
    }
    const path = pathOf(line)
    if (path === undefined) return '501 5.5.4 syntax'
    this.#mailFrom = path.address
    this.#parameters = path.parameters
    return '250 2.1.0 ok'
  }

  #rcpt(line: string): string {
    const path = pathOf(line)
    if (path === undefined) return '501 5.5.4 syntax'
    if (this.#mailFrom === undefined) return '503 5.5.1 MAIL first'
    const behaviour = behaviourOf(path.address)
    const refusal = this.#refusalAtRcpt(behaviour, path.address)
    if (refusal !== undefined) {
      this.#state.count(`rcpt-${refusal}`)
      if (refusal === 421) this.#mode = 'closed'
      return replyFor(refusal)
    }
    this.#recipients.push(path.address)
    this.#behaviours.set(path.address, behaviour)
    return '250 2.1.5 ok'
  }

  #refusalAtRcpt(behaviour: Behaviour, address: string): number | undefined {
    switch (behaviour.kind) {
      case 'refuse':
        return behaviour.at === 'rcpt' ? behaviour.code : undefined
      case 'after-rcpt':
        return this.#recipients.length >= behaviour.count ? behaviour.code : undefined
      case 'greylist': {
        const { greylisted, options, now } = this.#state
        const first = greylisted.get(address)
        if (first === undefined) greylisted.set(address, now())
        return first === undefined || now() - first < (options.greylistMs ?? 0) ? 451 : undefined
      }
      case 'ok':
      case 'slow':
      case 'echo':
      case 'drop-in-data':
      case 'drop-after-data':
        return undefined
    }
  }

  #startData(reply: string): string {
    this.#mode = 'data'
    this.#data = this.#newData()
    return reply
  }

  /** Returns how many bytes belonged to the message. */
  #takeData(data: Buffer): number {
    if (this.#any('drop-in-data')) {
      this.#state.count('drop-in-data')
      this.#mode = 'closed'
      this.socket.destroy()
      return data.length
    }
    const used = this.#data.take(data)
    if (used === undefined) return data.length
    this.#mode = 'command'
    this.#reply(this.#dot())
    return used
  }

  #newData(): SinkData {
    return new SinkData(this.#state.options.capture !== 'count')
  }

  #dot(): string {
    const scripted = this.#state.options.replies?.('.', this)
    if (scripted !== undefined) {
      if (scripted.startsWith('2')) this.#accept()
      this.#forget()
      return this.#scripted('.', scripted)
    }
    if (this.#any('drop-after-data')) {
      this.#state.count('drop-after-data')
      this.#mode = 'closed'
      this.socket.destroy()
      return ''
    }
    for (const behaviour of this.#behaviours.values()) {
      if (behaviour.kind === 'refuse') {
        this.#state.count(`dot-${behaviour.code}`)
        this.#forget()
        if (behaviour.code === 421) this.#mode = 'closed'
        return replyFor(behaviour.code)
      }
      if (behaviour.kind === 'slow') return this.#answerLater(behaviour.ms)
    }
    return this.#answer()
  }

  #answer(): string {
    if (this.#recipients.length === 0) {
      this.#forget()
      return '554 5.5.1 no valid recipients'
    }
    const echo = this.#any('echo') ? ` ${this.#recipients.join(' ')} ${this.#data.size}` : ''
    this.messages++
    this.#accept()
    this.#forget()
    return `250 2.0.0 taken as ${this.id}.${this.messages}${echo}`
  }

  #answerLater(ms: number): string {
    this.#paused = true
    setTimeout(() => {
      this.#paused = false
      this.#reply(this.#answer())
      this.#consume(Buffer.alloc(0))
      this.#flush()
    }, ms).unref()
    return ''
  }

  #accept(): void {
    const data = this.#data.content()
    this.#state.keep({
      mailFrom: this.#mailFrom ?? '',
      parameters: this.#parameters,
      rcptTo: this.#recipients,
      data,
      size: this.#data.size,
      at: this.#state.now(),
      tls: this.tls,
      remoteAddress: this.socket.remoteAddress ?? '',
      session: this.id,
      sawBareNewline: hasBareNewline(data),
    })
  }

  #any(kind: Behaviour['kind']): boolean {
    for (const behaviour of this.#behaviours.values()) if (behaviour.kind === kind) return true
    return false
  }

  #forget(): void {
    this.#mailFrom = undefined
    this.#parameters = ''
    this.#recipients = []
    this.#data = this.#newData()
    this.#behaviours.clear()
  }

  #startTls(): string {
    const { tls } = this.#state.options
    if (tls === undefined || this.tls) return '502 5.5.1 no STARTTLS here'
    this.#reply('220 2.0.0 go ahead')
    this.#flush()
    const plain = this.socket
    plain.removeAllListeners('data')
    this.#pending = undefined
    this.#forget()
    if (tls === 'broken') {
      plain.once('data', () => plain.end('this is no TLS\r\n'))
      return ''
    }
    const socket = new TLSSocket(plain, { isServer: true, secureContext: createSecureContext(tls) })
    plain.on('error', () => undefined)
    this.socket = socket
    this.tls = true
    this.#attach(socket)
    return ''
  }

  #authNext(line?: string): string {
    const { reply, over } = this.#auth!.next(line)
    if (over) this.#auth = undefined
    return reply
  }

  /** As a method: the compiler does not see that a command changes the mode. */
  #inData(): boolean {
    return this.#mode === 'data'
  }

  get #name(): string {
    return this.#state.options.name ?? 'sink.test'
  }

  #reply(text: string): void {
    if (text !== '') this.#out += text.endsWith('\n') ? text : `${text}\r\n`
  }

  #flush(): void {
    const text = this.#out
    this.#out = ''
    if (this.#state.options.dribble === true) this.#dribble(text)
    else if (text !== '') this.socket.write(text, 'utf8')
    // A client that reads to the end gets all of it, also when the bytes dribble.
    if (this.#mode === 'closed') void this.#dribbled.then(() => this.socket.end())
  }

  /** One byte per write, each in a turn of its own, so that the client gets them in pieces. */
  #dribble(text: string): void {
    this.#dribbled = this.#dribbled.then(async () => {
      for (const byte of Buffer.from(text, 'utf8')) {
        this.socket.write(Buffer.of(byte))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
  }
}

function pathOf(line: string): { address: string; parameters: string } | undefined {
  const open = line.indexOf(':<')
  const close = line.lastIndexOf('>')
  if (open < 0 || close < open) return undefined
  return { address: line.slice(open + 2, close), parameters: line.slice(close + 1).trim() }
}
