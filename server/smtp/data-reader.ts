/**
 * Finds the end of a message in the bytes after DATA and takes the transparency dots away (RFC 5321 §4.5.2). The end
 * is CRLF "." CRLF and nothing else: a server that also ends at LF "." LF or CR "." CR lets a sender smuggle a second
 * message past the client's own checks. It never depends on how TCP cut the bytes up.
 */

const CRLF_DOT = Buffer.from('\r\n.')
const CRLF = Buffer.from('\r\n')
const EMPTY = Buffer.alloc(0)
const DOT = 46
const CR = 13
const LF = 10

export interface DataReader {
  /**
   * Passes the message bytes of `chunk` on to `push` (zero or one time) and returns what follows the end of the
   * message, or undefined while the end has not come. Changes `chunk` in place.
   */
  read(chunk: Buffer, push: (bytes: Buffer) => void): Buffer | undefined
}

export function makeDataReader(): DataReader {
  // The start of the data counts as the start of a line: as if a CRLF, already passed on, stood before it.
  let carry = CRLF
  let passed = CRLF.length

  return {
    read(chunk, push) {
      // A first byte that is no dot needs no line before it; nearly every message is spared a copy.
      if (carry === CRLF && chunk.length > 0 && chunk[0] !== DOT) {
        carry = EMPTY
        passed = 0
      }
      const data = carry.length === 0 ? chunk : Buffer.concat([carry, chunk])
      const start = passed
      carry = EMPTY
      passed = 0
      // Dots are closed up in place: a message of nothing but stuffed dots costs no memory of its own.
      let from = start
      let to = start
      const keep = (end: number): void => {
        if (end <= from) return
        if (to !== from) data.copyWithin(to, from, end)
        to += end - from
      }
      let at = 0
      for (;;) {
        at = data.indexOf(CRLF_DOT, at)
        if (at < 0) {
          keep(data.length - hold(data, from))
          break
        }
        const next = data[at + 3]
        const afterNext = data[at + 4]
        if (next === undefined || (next === CR && afterNext === undefined)) {
          carryFrom(data, at, from)
          keep(at)
          break
        }
        keep(at + 2)
        if (next === CR && afterNext === LF) {
          if (to > start) push(data.subarray(start, to))
          return data.subarray(at + 5)
        }
        from = at + 3
        at = from
      }
      if (to > start) push(data.subarray(start, to))
      return undefined
    },
  }

  /** How many bytes at the end may be the beginning of the end; they are carried over. */
  function hold(data: Buffer, from: number): number {
    const last = data[data.length - 1]
    const start =
      last === CR
        ? data.length - 1
        : last === LF && data[data.length - 2] === CR
          ? data.length - 2
          : data.length
    if (start < data.length) carryFrom(data, start, from)
    return data.length - start
  }

  function carryFrom(data: Buffer, start: number, from: number): void {
    // Copied: the chunk's memory belongs to whoever got the message bytes.
    carry = Buffer.from(data.subarray(start))
    passed = Math.max(0, from - start)
  }
}
