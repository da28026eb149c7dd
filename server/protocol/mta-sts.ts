/**
 * MTA-STS as text: the TXT record that announces a policy, the policy file, and which hosts it names. RFC 8461. Pure.
 * Must never make a policy of half a file: what is not valid is no policy.
 */

export interface StsPolicy {
  readonly mode: 'enforce' | 'testing' | 'none'
  /** Names or `*.name`, lower case. Empty only in mode none. */
  readonly mx: readonly string[]
  readonly maxAgeMs: number
}

/** Larger files are no policies, RFC 8461 §3.3. */
export const MAX_POLICY_BYTES = 65_536
/** RFC 8461 §3.2: about a year. */
const MAX_AGE_S = 31_557_600

const KEY = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$/
const RECORD_VALUE = /^[\x21-\x3a\x3c\x3e-\x7e]+$/
const RECORD_ID = /^[A-Za-z0-9]{1,32}$/
const MX_PATTERN = /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/

/**
 * The id of the policy that the TXT records of `_mta-sts.<domain>` announce; undefined when they announce none, or
 * more than one. RFC 8461 §3.1.
 */
export function parseStsRecords(records: readonly string[]): string | undefined {
  const own = records.filter((record) => /^v=STSv1[ \t]*;/.test(record))
  if (own.length !== 1 || /[^\t\x20-\x7e]/.test(own[0]!)) return undefined
  const [, ...rest] = own[0]!.split(';')
  // The last delimiter may have nothing behind it.
  if (rest.at(-1)!.trim() === '') rest.pop()
  let id: string | undefined
  for (const part of rest) {
    const field = splitAt(part, '=')
    if (field === undefined || !RECORD_VALUE.test(field.value)) return undefined
    if (field.key === 'id') id ??= field.value
  }
  return id !== undefined && RECORD_ID.test(id) ? id : undefined
}

/**
 * The policy in the file, or why there is none. Unknown keys are ignored, of repeated ones the first counts, lines end
 * in CRLF or LF. RFC 8461 §3.2.
 */
export function parseStsPolicy(text: string): StsPolicy | string {
  const first = new Map<string, string>()
  const mx: string[] = []
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const field = splitAt(line, ':')
    if (field === undefined) return 'a line that is no "key: value"'
    const { key, value } = field
    if (key === 'mx') {
      const pattern = value.toLowerCase()
      if (!MX_PATTERN.test(pattern)) return 'an mx that is no host name'
      mx.push(pattern)
    } else if (!first.has(key)) first.set(key, value)
  }
  const mode = first.get('mode')
  const maxAge = first.get('max_age') ?? ''
  if (first.get('version') !== 'STSv1') return 'not version STSv1'
  if (mode !== 'enforce' && mode !== 'testing' && mode !== 'none') return 'no known mode'
  if (!/^\d{1,10}$/.test(maxAge)) return 'no max_age'
  if (mx.length === 0 && mode !== 'none') return 'no mx'
  return { mode, mx, maxAgeMs: Math.min(Number(maxAge), MAX_AGE_S) * 1000 }
}

/** why: no expressions over whole lines, which a stranger could make slow with spaces. */
function splitAt(text: string, delimiter: string): { key: string; value: string } | undefined {
  const at = text.indexOf(delimiter)
  const key = text.slice(0, Math.max(at, 0)).trim()
  return KEY.test(key) ? { key, value: text.slice(at + 1).trim() } : undefined
}

/** Whether the policy names this MX host (lower case). `*.` stands for exactly one label. RFC 8461 §4.1. */
export function isNamedMx(host: string, { mx }: StsPolicy): boolean {
  const above = host.indexOf('.')
  return mx.some((pattern) =>
    pattern.startsWith('*.')
      ? above > 0 && host.slice(above) === pattern.slice(1)
      : host === pattern,
  )
}
