/**
 * What a server announced in its answer to EHLO (RFC 5321 §4.1.1.1), as far as a sender may want to know. An unknown
 * keyword is no error, and neither is a malformed parameter.
 */

export interface Capabilities {
  /** RFC 2920. */
  readonly pipelining: boolean
  /** RFC 1870: the SIZE parameter of MAIL is understood. */
  readonly size: boolean
  /** Octets of the largest message taken; undefined: not said (`SIZE` alone, or 0). */
  readonly maxSize: number | undefined
  /** RFC 6152. */
  readonly eightBit: boolean
  /** RFC 6531. */
  readonly smtpUtf8: boolean
  /** RFC 2034. */
  readonly enhancedCodes: boolean
  /** RFC 3207. */
  readonly startTls: boolean
  /** RFC 3030. */
  readonly chunking: boolean
  /** RFC 3461. */
  readonly dsn: boolean
  /** RFC 4954 mechanisms, upper case. */
  readonly auth: readonly string[]
  /** RFC 9422: transactions per session, recipients per transaction. */
  readonly mailMax: number | undefined
  readonly rcptMax: number | undefined
}

/** What is left after HELO. */
export const NO_CAPABILITIES: Capabilities = {
  pipelining: false,
  size: false,
  maxSize: undefined,
  eightBit: false,
  smtpUtf8: false,
  enhancedCodes: false,
  startTls: false,
  chunking: false,
  dsn: false,
  auth: [],
  mailMax: undefined,
  rcptMax: undefined,
}

/** Reads the lines of an EHLO reply; the first is the greeting. */
export function parseCapabilities(lines: readonly string[]): Capabilities {
  const found = new Map<string, readonly string[]>()
  for (const line of lines.slice(1)) {
    // `AUTH=LOGIN` is how some old servers still write it.
    const [keyword, ...parameters] = line.trim().toUpperCase().split(/[ =]+/)
    if (keyword !== undefined && !found.has(keyword)) found.set(keyword, parameters)
  }
  const limits = limitsOf(lines)
  return {
    pipelining: found.has('PIPELINING'),
    size: found.has('SIZE'),
    maxSize: positive(found.get('SIZE')?.[0]),
    eightBit: found.has('8BITMIME'),
    smtpUtf8: found.has('SMTPUTF8'),
    enhancedCodes: found.has('ENHANCEDSTATUSCODES'),
    startTls: found.has('STARTTLS'),
    chunking: found.has('CHUNKING'),
    dsn: found.has('DSN'),
    auth: found.get('AUTH') ?? [],
    mailMax: positive(limits.get('MAILMAX')),
    rcptMax: positive(limits.get('RCPTMAX')),
  }
}

/** `LIMITS RCPTMAX=20 MAILMAX=5`, RFC 9422 §3. */
function limitsOf(lines: readonly string[]): ReadonlyMap<string, string> {
  const line = lines.find((text) => /^LIMITS /i.test(text)) ?? ''
  return new Map(
    line
      .toUpperCase()
      .split(' ')
      .slice(1)
      .map((pair): [string, string] => {
        const [name = '', value = ''] = pair.split('=')
        return [name, value]
      }),
  )
}

function positive(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,15}$/.test(text)) return undefined
  const value = Number(text)
  return value > 0 ? value : undefined
}
