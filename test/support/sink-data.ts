/**
 * The data phase of the sink: finds CRLF.CRLF across chunks and keeps what came before it. Lone CR or LF never end
 * anything here; they are only reported.
 */
const END = Buffer.from('\r\n.\r\n')
const DOT = 46

export class SinkData {
  /** Octets of the message on the wire. */
  size = 0
  readonly #keep: boolean
  #chunks: Buffer[] = []
  /** The last bytes so far; at first the line end of the DATA command, so that `.` alone ends an empty message. */
  #tail = Buffer.from('\r\n')

  /** `keep` false: octets are counted and let go. */
  constructor(keep: boolean) {
    this.#keep = keep
  }

  /** Takes a chunk. Returns how many of its bytes it used up to the end of data, or undefined when that is to come. */
  take(chunk: Buffer): number | undefined {
    const seam = Buffer.concat([this.#tail, chunk.subarray(0, END.length - 1)])
    const inSeam = seam.indexOf(END)
    const at = inSeam >= 0 ? inSeam - this.#tail.length : chunk.indexOf(END)
    if (inSeam < 0 && at < 0) {
      this.#store(chunk)
      const last = chunk.length >= END.length - 1 ? chunk : Buffer.concat([this.#tail, chunk])
      this.#tail = Buffer.from(last.subarray(1 - END.length))
      return undefined
    }
    // The CRLF before the dot belongs to the message; the rest of the end may have been stored with earlier chunks.
    if (at + 2 > 0) this.#store(chunk.subarray(0, at + 2))
    else this.size += at + 2
    return at + END.length
  }

  /** The message without dot-stuffing, RFC 5321 §4.5.2: the first dot of a line goes. */
  content(): Buffer {
    const data = Buffer.concat(this.#chunks).subarray(0, this.size)
    if (data[0] !== DOT && !data.includes('\r\n.')) return data
    return Buffer.from(data.toString('latin1').replace(/(^|\r\n)\./g, '$1'), 'latin1')
  }

  #store(data: Buffer): void {
    this.size += data.length
    if (this.#keep) this.#chunks.push(Buffer.from(data))
  }
}

export const hasBareNewline = (data: Buffer): boolean =>
  /(?<!\r)\n|\r(?!\n)/.test(data.toString('latin1'))
