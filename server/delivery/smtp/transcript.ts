/**
 * The conversation as a person reads it: `> ` ours, `< ` theirs, `! ` remarks. Bounded, so that a talkative or
 * hostile server cannot fill the database. Callers must redact secrets before they write them here.
 */
import type { ParsedReply } from '../../protocol/reply.ts'

/** No single reply takes more than this, so that a long banner does not push out what matters. */
const MAX_REPLY_CHARS = 1024

export const TRANSCRIPT_CHARS = 8192

export interface Transcript {
  /** Everything so far, at most `limit` characters and a closing remark. */
  text: string
  readonly limit: number
  cut: boolean
}

export const startTranscript = (limit: number, before = ''): Transcript => ({
  text: before,
  limit,
  cut: before.length > limit,
})

/** Appends complete lines (each with its mark and `\n`). */
export function append(transcript: Transcript, lines: string): void {
  if (transcript.cut) return
  if (transcript.text.length + lines.length > transcript.limit) {
    transcript.cut = true
    transcript.text += '! transcript cut here\n'
    return
  }
  transcript.text += lines
}

/** `< 250-one\n< 250 two\n`; the middle of a long reply is left out. */
export function replyLines(reply: ParsedReply): string {
  const { code, lines } = reply
  if (lines.length === 1) return `< ${code} ${lines[0]!}\n`
  let text = ''
  for (let i = 0; i < lines.length; i++) {
    const last = i === lines.length - 1
    text += `< ${code}${last ? ' ' : '-'}${lines[i]!}\n`
    if (text.length > MAX_REPLY_CHARS && !last) {
      return `${text.slice(0, MAX_REPLY_CHARS)}\n! ${lines.length - i - 1} more lines\n`
    }
  }
  return text
}

/** `4096` → `4,096`. By hand: Intl costs more than all the rest of a transcript. */
export function grouped(value: number): string {
  let rest = String(value)
  let text = ''
  while (rest.length > 3) {
    text = `,${rest.slice(-3)}${text}`
    rest = rest.slice(0, -3)
  }
  return rest + text
}
