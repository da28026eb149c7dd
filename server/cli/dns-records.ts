/** DNS records as text for a zone file, and what a sender domain should publish beside its DKIM keys. Pure. */
import { isIPv6 } from 'node:net'

export interface RecordToPublish {
  readonly name: string
  readonly type: 'TXT'
  readonly value: string
}

/** RFC 1035 §3.3: a character string holds 255 octets at most; longer values are written as several. */
const STRING_LENGTH = 255

const quoted = (value: string): string =>
  (value.match(new RegExp(`.{1,${STRING_LENGTH}}`, 'g')) ?? [''])
    .map((part) => `"${part.replace(/["\\]/g, '\\$&')}"`)
    .join(' ')

/** `name. TXT "…" "…"`, as a zone file and most consoles take it. */
export const zoneLine = ({ name, type, value }: RecordToPublish): string =>
  `${name}. ${type} ${quoted(value)}`

/**
 * SPF for the domain of the return path (RFC 7208), and DMARC that only watches (RFC 7489 §6.3). `ips` are the
 * addresses we send from; unknown ones are covered by the name of this host.
 */
export function companionRecords(options: {
  readonly domain: string
  readonly returnPathDomain: string | undefined
  readonly ips: readonly string[]
  readonly hostname: string
}): readonly RecordToPublish[] {
  const mechanisms =
    options.ips.length === 0
      ? [`a:${options.hostname}`]
      : options.ips.map((ip) => `${isIPv6(ip) ? 'ip6' : 'ip4'}:${ip}`)
  return [
    {
      name: options.returnPathDomain ?? options.domain,
      type: 'TXT',
      value: `v=spf1 ${mechanisms.join(' ')} ~all`,
    },
    { name: `_dmarc.${options.domain}`, type: 'TXT', value: 'v=DMARC1; p=none' },
  ]
}
