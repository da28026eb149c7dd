/** The way to the other servers: resolver, names, reverse DNS, port 25. Pure judgements over probed facts. */
import type { DnsAnswer } from '../../core/dns.ts'
import { isPrivateAddress } from '../../delivery/private-address.ts'
import { fail, ok, unknown, warn, type Finding } from './finding.ts'

export const OFFLINE = 'was not looked at (--offline)'

export interface ResolverFacts {
  /** A domain that everybody knows. */
  readonly domain: string
  readonly mx: DnsAnswer<unknown>
  readonly txt: DnsAnswer<unknown>
}

export function judgeResolver({ domain, mx, txt }: ResolverFacts): Finding {
  const topic = 'resolver'
  if (mx.kind === 'failed')
    return fail(
      topic,
      `does not answer: ${mx.detail}`,
      'mend /etc/resolv.conf, or name servers that answer: dns.servers',
    )
  if (mx.kind !== 'found')
    return warn(
      topic,
      `answers, but knows no MX of ${domain}`,
      'fine in a closed network; otherwise name other servers: dns.servers',
    )
  if (txt.kind === 'failed')
    return warn(
      topic,
      `answers, but not for TXT of ${domain}: ${txt.detail}`,
      'let UDP of 1232 octets and TCP pass to port 53',
    )
  return ok(topic, `answers MX and TXT of ${domain}`)
}

export function judgeHostname(hostname: string, address: DnsAnswer<unknown>): Finding {
  const topic = 'host name'
  const fix = 'set hostname to a full name that has an A record, such as mail.example.com'
  if (!hostname.includes('.'))
    return warn(topic, `${hostname} is not a full name, and other servers want one in EHLO`, fix)
  switch (address.kind) {
    case 'found':
      return ok(topic, `${hostname} has an address`)
    case 'failed':
      return unknown(topic, `${hostname} could not be looked up: ${address.detail}`)
    case 'nodata':
    case 'nxdomain':
      return warn(topic, `${hostname} has no address in DNS`, fix)
  }
}

export interface ReverseFacts {
  /** Name of the source. */
  readonly source: string
  /** Undefined: this machine has no way out. */
  readonly ip: string | undefined
  readonly ehlo: string
  /** The system binds to the address; only asked for an address that was set. */
  readonly bound: boolean
  readonly ptr: DnsAnswer<string>
  /** Names of `ptr` that have the address in turn. */
  readonly confirmed: readonly string[]
}

export function judgeReverse(facts: ReverseFacts): Finding {
  const { source, ip, ehlo, ptr, confirmed } = facts
  const topic = `source ${source}`
  if (ip === undefined)
    return fail(topic, 'this machine has no address with a way out', 'connect it to a network')
  if (!facts.bound)
    return fail(
      topic,
      `${ip} is no address of this machine`,
      `add the address to a network interface, or: posthorn source disable ${source}`,
    )
  if (isPrivateAddress(ip))
    return unknown(
      topic,
      `sends from ${ip}, a private address: others see the one of the router or the cloud, whose reverse DNS should be ${ehlo}`,
    )
  const ask = `ask the owner of the address (your hoster) to set the PTR of ${ip} to ${ehlo}`
  if (ptr.kind === 'failed')
    return unknown(topic, `${ip}: reverse DNS could not be asked: ${ptr.detail}`)
  if (ptr.kind !== 'found')
    return fail(topic, `${ip} has no reverse DNS: large providers refuse its mail`, ask)
  const [first = ''] = confirmed
  if (first === '')
    return fail(
      topic,
      `${ip} is called ${ptr.records.join(', ')}, but that name does not have the address`,
      `publish an A or AAAA record for the name, or ${ask}`,
    )
  if (!confirmed.includes(ehlo))
    return warn(
      topic,
      `${ip} is called ${first}, and says ${ehlo} in EHLO`,
      `${ask}, or use the name ${first} for the source`,
    )
  return ok(topic, `${ip} is ${ehlo} both ways`)
}

export type OutboundFacts =
  | { readonly kind: 'not-needed' }
  | { readonly kind: 'no-target'; readonly detail: string }
  | { readonly kind: 'connected' | 'refused'; readonly host: string; readonly detail: string }

export function judgeOutbound(facts: OutboundFacts): Finding {
  const topic = 'outbound port 25'
  switch (facts.kind) {
    case 'not-needed':
      return ok(topic, 'is not needed: every route names a next hop')
    case 'no-target':
      return unknown(topic, `no host to try: ${facts.detail}`)
    case 'connected':
      return ok(topic, `is open (${facts.host})`)
    case 'refused':
      return fail(
        topic,
        `is closed: ${facts.host} cannot be reached (${facts.detail})`,
        'ask your hoster to open outbound port 25, or hand over to a smarthost: posthorn route add relay --next-hop <host>:587 --user <name> --password-file <file>',
      )
  }
}
