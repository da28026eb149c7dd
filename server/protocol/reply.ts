/**
 * Reads SMTP replies out of a byte stream (RFC 5321 §4.2), whatever way the network cut it. Tolerant where real
 * servers are sloppy (bare LF, a code without text, differing codes in one reply), bounded where a hostile one
 * could make us keep things: it never holds more than one line of 4 KiB and one reply of 64 KiB.
 */
import type { Reply } from '../core/outcome.ts'

const MAX_LINE_BYTES = 4096
const KEPT_LINE_BYTES = 1024
const MAX_LINES = 100
const MAX_REPLY_BYTES = 65_536

const LF = 10
const CR = 13
const SPACE = 32
const TAB = 9
const DASH = 45

/** A reply and its lines as they came, without code and separator; EHLO needs them one by one. */
export interface ParsedReply extends Reply {
  readonly lines: readonly string[]
}

export interface ReplyReader {
  /**
   * Consumes a chunk and hands on each reply that it completes. Returns why the stream is no SMTP, once it is not;
   * from then on nothing is read any more.
   */
  push(chunk: Buffer): string | undefined
  /** Nothing of a reply is held: the next byte begins a new one. */
  idle(): boolean
}

// RFC 3463 §2: class 2, 4 or 5, then two numbers of up to three digits.
const ENHANCED = /^[245]\.\d{1,3}\.\d{1,3}(?= |$)/
const CONTROL = /[\x00-\x1f\x7f-\x9f]/
const CONTROLS = /[\x00-\x1f\x7f-\x9f]/g

export function createReplyReader(onReply: (reply: ParsedReply) => void): ReplyReader {
  let partial: Buffer | undefined
  let lines: string[] = []
  let replyBytes = 0
  let problem: string | undefined

  /** One line without its LF; returns a problem or undefined. */
  function readLine(data: Buffer, start: number, lf: number): string | undefined {
    const end = lf > start && data[lf - 1] === CR ? lf - 1 : lf
    const length = end - start
    if (length > MAX_LINE_BYTES) return 'a reply line is too long'
    const code = length < 3 ? 0 : codeAt(data, start)
    if (code === 0) return 'a line does not begin with a reply code'
    const separator = length > 3 ? data[start + 3] : SPACE
    if (separator !== SPACE && separator !== DASH && separator !== TAB) {
      return 'a line does not begin with a reply code'
    }
    replyBytes += length
    if (lines.length === MAX_LINES || replyBytes > MAX_REPLY_BYTES) return 'a reply is too long'
    lines.push(length > 4 ? readText(data, start + 4, end) : '')
    if (separator === DASH) return undefined

    const whole = lines
    lines = []
    replyBytes = 0
    // When the lines differ in their codes the last one counts, as in Postfix: it is the one most clients look at.
    onReply(toReply(code, whole))
    return undefined
  }

  return {
    push(chunk) {
      if (problem !== undefined) return problem
      const data = partial === undefined ? chunk : Buffer.concat([partial, chunk])
      partial = undefined
      let start = 0
      for (let lf = data.indexOf(LF); lf >= 0; lf = data.indexOf(LF, start)) {
        problem = readLine(data, start, lf)
        if (problem !== undefined) return problem
        start = lf + 1
      }
      if (start === data.length) return undefined
      // The CR of a line at the limit may be here already.
      if (data.length - start > MAX_LINE_BYTES + 1) return (problem = 'a reply line is too long')
      // A copy: a slice would keep the whole chunk alive while the rest of the line is awaited.
      partial = Buffer.from(data.subarray(start))
      return undefined
    },
    idle: () => partial === undefined && lines.length === 0,
  }
}

/** The code in the first three bytes, or 0. RFC 5321 §4.2.1: 2yz to 5yz, and no 1yz in SMTP. */
function codeAt(data: Buffer, at: number): number {
  const a = data[at]! - 48
  const b = data[at + 1]! - 48
  const c = data[at + 2]! - 48
  if (a < 2 || a > 5 || b < 0 || b > 9 || c < 0 || c > 9) return 0
  return a * 100 + b * 10 + c
}

/** Text of a remote: cut to what is kept, without control characters, which could forge lines of a log. */
function readText(data: Buffer, start: number, end: number): string {
  const kept = Math.min(end, start + KEPT_LINE_BYTES)
  const text = data.toString('utf8', start, kept)
  return CONTROL.test(text) ? text.replace(CONTROLS, ' ') : text
}

function toReply(code: number, lines: readonly string[]): ParsedReply {
  const first = lines[0]!
  // RFC 2034 §4: the code comes first, and again in each line of a longer reply. It is kept once.
  const enhanced = first.charCodeAt(1) === 46 ? ENHANCED.exec(first)?.[0] : undefined
  if (lines.length === 1) {
    return { code, enhanced, text: withoutCode(first, enhanced), lines }
  }
  const text = lines.map((line) => withoutCode(line, enhanced)).join(' ')
  return { code, enhanced, text: text.trim(), lines }
}

function withoutCode(line: string, enhanced: string | undefined): string {
  if (enhanced === undefined || !line.startsWith(enhanced)) return line.trim()
  const rest = line.slice(enhanced.length)
  // `5.1.1` must not be cut out of `5.1.10`.
  return rest === '' || rest.startsWith(' ') ? rest.trim() : line.trim()
}
