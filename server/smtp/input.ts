/**
 * Cuts what a client sends into command lines and message data, in place of the parser of smtp-server. Lines end with
 * CRLF and nothing else; whatever is longer than allowed is thrown away as it comes. It takes the next line only when
 * the one before is answered, and lets the replies to pipelined lines go out together.
 */
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { makeDataReader } from './data-reader.ts'
import type { DataReader } from './data-reader.ts'
import type { Body } from './receive.ts'

/** `newline`: a CR or LF outside of CRLF. `control`: another control character. `endless`: too long to go on. */
export type LineFault = 'newline' | 'control' | 'long' | 'endless'

export interface InputHandler {
  /** Epoch ms. */
  now(): number
  /** A line as latin1, without CRLF. False: not answered yet; `resume` will be called. */
  onLine(line: string): boolean
  /** A line that is none. True as above; the handler may close the connection. */
  onFault(fault: LineFault): void
  /** All of the message is in its body. False: as above. */
  onMessage(): boolean
  /** The client goes on sending although the message is far too large. */
  onOverrun(): void
  /** A bug. */
  onCrash(error: unknown): void
  /** Writes the replies that wait. */
  flush(): void
  /** Calls back at once, or when the client has read what was written to it. */
  whenWritable(next: () => void): void
}

/** RFC 5321 §4.5.3.1.4 asks for 512 octets at least; AUTH and long addresses need more. */
export const MAX_LINE = 4096
/** How much of an endless line is thrown away before the connection is. */
const MAX_SKIPPED = 64 * 1024
/** Lines answered in one go before other connections have their turn. */
const MAX_BATCH = 100
/** As large as a read of Node's sockets, so that not every read pauses the socket. */
const BUFFER = 64 * 1024
const LF = 10
const EMPTY = Buffer.alloc(0)

export class Input extends SMTPStream {
  readonly #handler: InputHandler
  #chunk: Buffer = EMPTY
  #at = 0
  #done: (() => void) | undefined
  #partial: Buffer = EMPTY
  #partialSince: number | undefined
  #skipped = 0
  #body: Body | undefined
  #bodyLimit = 0
  #reader: DataReader | undefined
  #running = false
  readonly #push = (bytes: Buffer): void => this.#body?.push(bytes)

  /** Only keeps the handler: it may still be under construction. */
  constructor(handler: InputHandler) {
    super({ highWaterMark: BUFFER })
    this.#handler = handler
  }

  /** Lines are being answered at the moment; `flush` will be called when it is over. */
  get isRunning(): boolean {
    return this.#running
  }
  /** When the line began that is not complete yet, epoch ms. */
  get partialSince(): number | undefined {
    return this.#partialSince
  }

  /** What comes next is a message. After `limit` bytes the handler hears of an overrun. */
  receive(body: Body, limit: number): void {
    this.#body = body
    this.#bodyLimit = limit
    this.#reader = makeDataReader()
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#chunk = chunk
    this.#at = 0
    this.#done = done
    this.#run()
  }

  /** Goes on after an answer that took its time. */
  readonly resume = (): void => this.#run()

  #run(): void {
    if (this.#running || this.#done === undefined) return
    this.#running = true
    let isOver: boolean
    try {
      isOver = this.#consume()
    } catch (error) {
      this.isClosed = true
      isOver = true
      this.#handler.onCrash(error)
    } finally {
      this.#running = false
    }
    this.#handler.flush()
    if (isOver) this.#handler.whenWritable(this.#finish)
  }

  readonly #finish = (): void => {
    const done = this.#done
    this.#done = undefined
    this.#chunk = EMPTY
    done?.()
  }

  /** True: the chunk is used up. False: an answer is outstanding. */
  #consume(): boolean {
    for (let lines = 0; !this.isClosed; lines++) {
      if (this.#body !== undefined) {
        const { busy } = this.#body
        if (busy !== undefined) {
          void busy.then(this.resume)
          return false
        }
        if (this.#reader === undefined) {
          this.#body = undefined
          if (!this.#handler.onMessage()) return false
        } else if (this.#at >= this.#chunk.length) return true
        else this.#readData(this.#body, this.#reader)
      } else if (lines >= MAX_BATCH) {
        setImmediate(this.resume)
        return false
      } else {
        const line = this.#readLine()
        if (line === undefined) return true
        if (typeof line === 'string') {
          if (!this.#handler.onLine(line)) return false
        } else this.#handler.onFault(line.fault)
      }
    }
    return true
  }

  #readData(body: Body, reader: DataReader): void {
    const chunk = this.#at === 0 ? this.#chunk : this.#chunk.subarray(this.#at)
    const rest = reader.read(chunk, this.#push)
    this.#chunk = rest ?? EMPTY
    this.#at = 0
    if (rest !== undefined) this.#reader = undefined
    else if (body.size > this.#bodyLimit) this.#handler.onOverrun()
  }

  /** Undefined: the line is not complete. */
  #readLine(): string | { readonly fault: LineFault } | undefined {
    const start = this.#at
    const end = this.#chunk.indexOf(LF, start)
    if (end < 0) return this.#keepPartial()
    this.#at = end + 1
    let line = this.#chunk.toString('latin1', start, end)
    if (this.#partialSince !== undefined) {
      line = this.#partial.toString('latin1') + line
      this.#partial = EMPTY
      this.#partialSince = undefined
    }
    if (this.#skipped > 0 || line.length > MAX_LINE) {
      this.#skipped = 0
      return { fault: line.endsWith('\r') ? 'long' : 'newline' }
    }
    return this.#judge(line)
  }

  #judge(line: string): string | { readonly fault: LineFault } {
    const last = line.length - 1
    if (line.indexOf('\r') !== last || last < 0) return { fault: 'newline' }
    const text = line.slice(0, last)
    return /[\x00-\x1f\x7f]/.test(text) ? { fault: 'control' } : text
  }

  #keepPartial(): { readonly fault: LineFault } | undefined {
    const rest = this.#chunk.subarray(this.#at)
    this.#at = this.#chunk.length
    if (rest.length === 0) return undefined
    this.#partialSince ??= this.#handler.now()
    if (this.#skipped > 0 || this.#partial.length + rest.length > MAX_LINE) {
      this.#skipped += this.#partial.length + rest.length
      // The last byte tells whether the line will end with CRLF.
      this.#partial = Buffer.from(rest.subarray(-1))
      return this.#skipped > MAX_SKIPPED ? { fault: 'endless' } : undefined
    }
    this.#partial = Buffer.concat([this.#partial, rest])
    return undefined
  }
}
