/** Thin looks at the network for `posthorn check`; what they mean is decided in judge-network.ts. */
import { isIPv4 } from 'node:net'
import type { DnsAnswer, Resolver } from '../../core/dns.ts'
import type { Dialer } from '../../core/ports.ts'
import type { SourceFacts } from '../../store/inspect.ts'
import type { OutboundFacts, ResolverFacts, ReverseFacts } from './judge-network.ts'
import { canBind, outgoingAddress } from './probe-machine.ts'
import { reverseName } from './reverse-name.ts'

/** Well known, and always there. */
const PROBE_DOMAIN = 'gmail.com'
const DIAL_MS = 5_000
const SMTP_PORT = 25

const NO_ANSWER: DnsAnswer<never> = { kind: 'failed', detail: 'was not asked' }

export async function lookAtResolver(resolver: Resolver): Promise<ResolverFacts> {
  const [mx, txt] = await Promise.all([
    resolver.resolve(PROBE_DOMAIN, 'MX'),
    resolver.resolve(PROBE_DOMAIN, 'TXT'),
  ])
  return { domain: PROBE_DOMAIN, mx, txt }
}

/** A, or AAAA when there is no A. */
export async function addressesOf(resolver: Resolver, name: string): Promise<DnsAnswer<string>> {
  const v4 = await resolver.resolve(name, 'A')
  return v4.kind === 'nodata' ? resolver.resolve(name, 'AAAA') : v4
}

export async function lookAtReverse(
  resolver: Resolver,
  source: SourceFacts,
): Promise<ReverseFacts> {
  const ip = source.ip ?? (await outgoingAddress())
  const facts = { source: source.name, ip, ehlo: source.ehlo.toLowerCase() }
  if (ip === undefined) return { ...facts, bound: true, ptr: NO_ANSWER, confirmed: [] }
  const bound = source.ip === undefined || (await canBind(source.ip))
  const ptr = await resolver.resolve(reverseName(ip), 'PTR')
  const names = ptr.kind === 'found' ? ptr.records : []
  const backs = await Promise.all(
    names.map((name) => resolver.resolve(name, isIPv4(ip) ? 'A' : 'AAAA')),
  )
  const confirmed = names.filter((_, i) => {
    const back = backs[i]
    // Both sides written the same way: one address has many notations in IPv6.
    return back?.kind === 'found' && back.records.some((a) => reverseName(a) === reverseName(ip))
  })
  return { ...facts, bound, ptr, confirmed }
}

/** One TCP connection to the mail server of a domain that everybody knows; no SMTP is spoken. */
export async function lookAtOutbound(resolver: Resolver, dial: Dialer): Promise<OutboundFacts> {
  const mx = await resolver.resolve(PROBE_DOMAIN, 'MX')
  if (mx.kind !== 'found') return noTarget(`MX of ${PROBE_DOMAIN}`, mx)
  const [best] = [...mx.records].sort((a, b) => a.preference - b.preference)
  const host = best?.exchange ?? PROBE_DOMAIN
  const address = await resolver.resolve(host, 'A')
  const ip = address.kind === 'found' ? address.records[0] : undefined
  if (ip === undefined) return noTarget(`address of ${host}`, address)
  try {
    const target = { host: ip, port: SMTP_PORT, localAddress: undefined, timeoutMs: DIAL_MS }
    const socket = await dial(target)
    socket.destroy()
    return { kind: 'connected', host, detail: ip }
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    return { kind: 'refused', host, detail: reason }
  }
}

const noTarget = (asked: string, answer: DnsAnswer<unknown>): OutboundFacts => ({
  kind: 'no-target',
  detail: `${asked}: ${answer.kind === 'failed' ? answer.detail : answer.kind}`,
})
