/** Reads a stream in pieces of wanted lengths, holding no more than one piece and what came with it. */

export interface ByteReader {
  /** Exactly `length` bytes, or fewer when the stream ends before; empty at its end. */
  read(length: number): Promise<Buffer>
  /** Up to `length` bytes as they come, without waiting for more; empty at the end. */
  some(length: number): Promise<Buffer>
  /** Lets go of the source. */
  close(): Promise<void>
}

export function byteReader(source: AsyncIterable<Buffer>): ByteReader {
  const iterator = source[Symbol.asyncIterator]()
  const pieces: Buffer[] = []
  let held = 0
  let ended = false

  async function more(): Promise<void> {
    const next = await iterator.next()
    if (next.done === true) ended = true
    else {
      pieces.push(next.value)
      held += next.value.length
    }
  }

  function take(length: number): Buffer {
    const parts: Buffer[] = []
    let missing = length
    while (missing > 0) {
      const first = pieces[0]!
      if (first.length > missing) {
        parts.push(first.subarray(0, missing))
        pieces[0] = first.subarray(missing)
        missing = 0
      } else {
        parts.push(first)
        pieces.shift()
        missing -= first.length
      }
    }
    held -= length
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
  }

  return {
    async read(length) {
      while (held < length && !ended) await more()
      return take(Math.min(length, held))
    },
    async some(length) {
      while (held === 0 && !ended) await more()
      return take(Math.min(length, held))
    },
    async close() {
      await iterator.return?.()
    },
  }
}
