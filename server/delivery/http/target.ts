/**
 * Where a URL that a stranger gave leads: its parts after every check that needs no look-up. Must not be asked about
 * anything but the parsed form, because `0x7f.1`, `2130706433` and `127.0.0.1` are one host.
 */
import { isIP } from 'node:net'
import { failure } from './fault.ts'
import type { FetchFailure } from './fault.ts'

export interface TargetRules {
  /** Also `http:`; else only `https:`. */
  readonly allowHttp: boolean
  /** Undefined: only the standard port of the scheme. */
  readonly ports: readonly number[] | undefined
}

export interface Target {
  readonly ok: true
  readonly secure: boolean
  /** Lower case name without a dot at the end, or an address without brackets. */
  readonly host: string
  readonly isAddress: boolean
  readonly port: number
  /** What the Host field says: with brackets, and with the port unless it is the standard one. */
  readonly authority: string
  /** Path and query; ASCII without spaces. */
  readonly path: string
  /** Scheme, host and port: what credentials belong to. */
  readonly origin: string
}

const MAX_URL = 2_048
const HOST_NAME = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/

/** `base` is the URL of the response that redirects. */
export function parseTarget(
  text: string,
  rules: TargetRules,
  base?: Target,
): Target | FetchFailure {
  if (text.length > MAX_URL) return failure('bad-url', `longer than ${MAX_URL} characters`)
  // why: the parser drops line breaks and tabs without a word, which would send something else than was written.
  if (/[\0-\x20\x7f]/.test(text)) return failure('bad-url', 'a space or control character')
  const url = parse(text, base === undefined ? undefined : base.origin + base.path)
  if (url === undefined) return failure('bad-url', 'not a URL')
  const secure = url.protocol === 'https:'
  if (!secure && !(rules.allowHttp && url.protocol === 'http:')) {
    return failure('bad-url', rules.allowHttp ? 'neither https nor http' : 'not https')
  }
  if (url.username !== '' || url.password !== '') {
    return failure('bad-url', 'a user name or password')
  }
  const standard = secure ? 443 : 80
  const port = url.port === '' ? standard : Number(url.port)
  if (!(rules.ports ?? [standard]).includes(port)) {
    return failure('bad-url', `port ${port} is not allowed`)
  }
  const host = url.hostname.replace(/^\[|\]$|\.$/g, '')
  const isAddress = isIP(host) !== 0
  if (!isAddress && !HOST_NAME.test(host)) return failure('bad-url', 'no host name')
  const authority =
    (host.includes(':') ? `[${host}]` : host) + (port === standard ? '' : `:${port}`)
  return {
    ok: true,
    secure,
    host,
    isAddress,
    port,
    authority,
    path: url.pathname + url.search,
    origin: `${url.protocol}//${authority}`,
  }
}

function parse(text: string, base: string | undefined): URL | undefined {
  return URL.canParse(text, base) ? new URL(text, base) : undefined
}
