/**
 * How a recipient of the sink behaves, chosen by its local part up to `+`, or without trailing digits:
 * `bounce-550+x@`, `ok17@`. A name that is not listed here accepts.
 *
 *   ok                      accepts
 *   defer-NNN bounce-NNN    answers RCPT with that code; a 421 closes the connection
 *   …-NNN-after-data        answers the final dot with that code
 *   NNN-after-N-rcpt        answers RCPT with that code once the transaction has N recipients
 *   drop-in-data            closes once content arrives
 *   drop-after-data         takes the content and closes without an answer
 *   slow-MS                 answers the final dot after MS milliseconds
 *   greylist                451 on the first try of an address, and until `greylistMs` have passed
 *   echo                    accepts, and repeats recipient and octets in the answer
 */
export type Behaviour =
  | { readonly kind: 'ok' | 'drop-in-data' | 'drop-after-data' | 'greylist' | 'echo' }
  | { readonly kind: 'refuse'; readonly at: 'rcpt' | 'dot'; readonly code: number }
  | { readonly kind: 'after-rcpt'; readonly code: number; readonly count: number }
  | { readonly kind: 'slow'; readonly ms: number }

const OK: Behaviour = { kind: 'ok' }

const RULES: readonly (readonly [RegExp, (match: RegExpExecArray) => Behaviour])[] = [
  [/^ok\d*$/, () => OK],
  [
    /^(?:defer|bounce)-([45]\d\d)-after-data(?:-\d+)?$/,
    (m) => ({ kind: 'refuse', at: 'dot', code: Number(m[1]) }),
  ],
  [
    /^(?:defer|bounce)-([45]\d\d)(?:-\d+)?$/,
    (m) => ({ kind: 'refuse', at: 'rcpt', code: Number(m[1]) }),
  ],
  [
    /^([45]\d\d)-after-(\d+)-rcpt$/,
    (m) => ({ kind: 'after-rcpt', code: Number(m[1]), count: Number(m[2]) }),
  ],
  [/^slow-(\d+)$/, (m) => ({ kind: 'slow', ms: Number(m[1]) })],
  [/^drop-in-data-?\d*$/, () => ({ kind: 'drop-in-data' })],
  [/^drop-after-data-?\d*$/, () => ({ kind: 'drop-after-data' })],
  [/^greylist-?\d*$/, () => ({ kind: 'greylist' })],
  [/^echo-?\d*$/, () => ({ kind: 'echo' })],
]

export function behaviourOf(recipient: string): Behaviour {
  const at = recipient.lastIndexOf('@')
  const local = recipient.slice(0, at < 0 ? undefined : at).toLowerCase()
  const plus = local.indexOf('+')
  const name = plus < 0 ? local : local.slice(0, plus)
  for (const [pattern, make] of RULES) {
    const match = pattern.exec(name)
    if (match !== null) return make(match)
  }
  return OK
}

const TEXTS: Readonly<Record<number, string>> = {
  421: '4.3.2 closing, try again later',
  450: '4.2.1 mailbox busy',
  451: '4.3.0 local error in processing',
  452: '4.5.3 too many recipients',
  550: '5.1.1 no such user here',
  552: '5.2.2 mailbox full',
  554: '5.7.1 refused',
}

/** A complete reply line for `code`, without CRLF. */
export const replyFor = (code: number): string =>
  `${code} ${TEXTS[code] ?? `${Math.floor(code / 100)}.0.0 as the recipient's name asks`}`
