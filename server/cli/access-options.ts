/** What the commands for API keys and SMTP logins have in common: their options, and how a use and an end are told. */
import type { AccessPage } from '../services/access.ts'
import type { AccessState } from '../services/access-terms.ts'
import type { LastUse } from '../store/access-uses.ts'
import type { Input, OptionSpec } from './command.ts'
import { isoTime, span, whenText } from './time.ts'
import { duration, word } from './values.ts'

export const TERMS: Readonly<Record<string, OptionSpec>> = {
  mode: {
    summary: '"live" or "test": whatever test sends goes to the sandbox and never leaves',
    value: 'MODE',
  },
  expires: { summary: 'How long it is good, such as "90d"; without it for ever', value: 'SPAN' },
  networks: {
    summary: 'Only from these addresses and networks, such as 192.0.2.0/24,2001:db8::/32',
    value: 'LIST',
    many: true,
  },
}
export const OVERLAP: OptionSpec = {
  summary: 'How long the old one is still good, at most "30d"; without it a day, "0s" ends it now',
  value: 'SPAN',
}

/** `a,b --x c` → a, b, c; each once. */
export const listOf = (input: Input, option: string): readonly string[] => [
  ...new Set(
    input
      .texts(option)
      .flatMap((text) => text.split(','))
      .map((text) => text.trim())
      .filter((text) => text !== ''),
  ),
]

export interface Terms {
  readonly mode: 'live' | 'test'
  readonly networks: readonly string[]
  readonly expiresAt: number | undefined
}
export function termsOf(input: Input, now: number): Terms {
  const life = duration(input, 'expires')
  return {
    mode: word(input, 'mode', ['live', 'test']) ?? 'live',
    networks: listOf(input, 'networks'),
    expiresAt: life === undefined ? undefined : now + life,
  }
}

/** Everything there is; a tenant has hundreds at most. */
export const ALL: AccessPage = { before: undefined, limit: 1_000_000 }

export const expiryText = (expiresAt: number | undefined, now: number): string =>
  expiresAt === undefined ? 'never' : whenText(expiresAt, now)

/** `revoked`, `expired`, `live`, `until 2026-… (in 3 d)`. */
export const stateText = (
  { state, expiresAt }: { readonly state: AccessState; readonly expiresAt: number | undefined },
  now: number,
): string =>
  state === 'live' && expiresAt !== undefined ? `until ${whenText(expiresAt, now)}` : state

/** `5 m ago from 192.0.2.7 (DE)`. */
export function useText(use: LastUse | undefined, now: number): string {
  if (use === undefined) return 'never'
  const far = span(Math.abs(now - use.at))
  const place = use.country === undefined ? '' : ` (${use.country})`
  return `${far === 'now' ? 'now' : `${far} ago`} from ${use.ip}${place}`
}

/** For machines. */
export const isoOrNull = (at: number | undefined): string | null =>
  at === undefined ? null : isoTime(at)
export const useData = (use: LastUse | undefined): unknown =>
  use === undefined ? null : { at: isoTime(use.at), ip: use.ip, country: use.country ?? null }
