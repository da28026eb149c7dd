/**
 * A message on its way into DATA: dot-stuffed and ended (RFC 5321 §4.5.2). It refuses content with a bare CR or LF:
 * some servers take those for line ends, and a message could then end early and smuggle in another. Such content is
 * a fault of ours, so the refusal is an exception.
 */
import { AppError } from '../../core/errors.ts'

/** Complete RFC 5322 bytes with CRLF lines, in one or several pieces. */
export type Content = Buffer | readonly Buffer[] | AsyncIterable<Buffer>

const CR = 13
const LF = 10
const DOT = 46
const END_OF_DATA = Buffer.from('.\r\n', 'latin1')
const END_OF_LINE_AND_DATA = Buffer.from('\r\n.\r\n', 'latin1')

/** The one write that follows a 354: stuffed content and the final dot. For content small enough to copy. */
export function prepareContent(content: Buffer | readonly Buffer[]): Buffer {
  const pieces = Buffer.isBuffer(content) ? [content] : content.filter((piece) => piece.length > 0)
  const last = pieces.at(-1)
  const open = last !== undefined && last.length > 0 && last.at(-1) !== LF
  const end = open ? END_OF_LINE_AND_DATA : END_OF_DATA
  const whole = Buffer.concat([...pieces, end])
  return stuff(whole, whole.length - end.length, true)
}

/** The same for content that comes piece by piece. */
export interface Stuffer {
  push(chunk: Buffer): Buffer
  /** What ends the data. */
  end(): Buffer
}

export function createStuffer(): Stuffer {
  let atLineStart = true
  // A CR at the end of a piece waits for its LF, so that no piece begins inside a line end.
  let heldCr = false
  return {
    push(chunk) {
      if (chunk.length === 0) return chunk
      const data = heldCr ? Buffer.concat([Buffer.of(CR), chunk]) : chunk
      heldCr = data.at(-1) === CR
      const end = heldCr ? data.length - 1 : data.length
      const stuffed = stuff(end === data.length ? data : data.subarray(0, end), end, atLineStart)
      if (end > 0) atLineStart = data[end - 1] === LF
      return stuffed
    },
    end() {
      if (heldCr) throw bareNewline()
      return atLineStart ? END_OF_DATA : END_OF_LINE_AND_DATA
    },
  }
}

/** Doubles the dots that begin a line within the first `end` bytes; the same buffer when there are none. */
function stuff(data: Buffer, end: number, atLineStart: boolean): Buffer {
  const dots = countDots(data, end, atLineStart)
  if (dots === 0) return data
  const out = Buffer.allocUnsafe(data.length + dots)
  let from = 0
  let to = 0
  let dot = atLineStart && data[0] === DOT ? 0 : nextDot(data, 0)
  for (let left = dots; left > 0; left--) {
    to += data.copy(out, to, from, dot)
    out[to++] = DOT
    from = dot
    dot = nextDot(data, dot)
  }
  data.copy(out, to, from)
  return out
}

const nextDot = (data: Buffer, from: number): number => data.indexOf('\r\n.', from, 'latin1') + 2

/** Lines of the first `end` bytes that begin with a dot. Searching is much cheaper than looking at each byte. */
function countDots(data: Buffer, end: number, atLineStart: boolean): number {
  let dots = atLineStart && end > 0 && data[0] === DOT ? 1 : 0
  let lineFeeds = 0
  for (let at = data.indexOf(LF); at >= 0 && at < end; at = data.indexOf(LF, at + 1)) {
    if (at === 0 || data[at - 1] !== CR) throw bareNewline()
    if (at + 1 < end && data[at + 1] === DOT) dots++
    lineFeeds++
  }
  // Each LF has its CR, so more CRs than LFs means one without LF.
  let returns = 0
  for (let at = data.indexOf(CR); at >= 0 && at < end; at = data.indexOf(CR, at + 1)) returns++
  if (returns !== lineFeeds) throw bareNewline()
  return dots
}

const bareNewline = (): AppError =>
  new AppError('INTERNAL', { detail: 'content to send has a CR or LF outside of CRLF' })
