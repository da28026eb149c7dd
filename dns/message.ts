/**
 * DNS messages as values: builds a question, and says what a reply means for it. Pure.
 * Names leave this file in lower case without a trailing dot; the root (a null MX's exchange) is `.`.
 */
import { decode, DNSSEC_OK, encode, RECURSION_DESIRED } from 'dns-packet'
import type { Answer, DecodedPacket, TxtData } from 'dns-packet'
import type { DnsRecords, DnsType } from '../server/core/dns.ts'

/** Fits every path that carries IPv6 without fragments (DNS flag day 2020). */
const UDP_PAYLOAD = 1232
/** Aliases followed for one question; a loop ends here, too. */
export const MAX_ALIASES = 8
const NOERROR = 0
const NXDOMAIN = 3
const RCODE_NAMES: Readonly<Record<number, string>> = {
  1: 'FORMERR',
  2: 'SERVFAIL',
  4: 'NOTIMP',
  5: 'REFUSED',
  16: 'BADVERS',
}

/** What one reply says about one question. */
export type Reading<T> =
  | {
      readonly kind: 'found'
      readonly records: readonly T[]
      readonly canonical: string
      readonly ttlMs: number
      readonly authentic: boolean
    }
  | { readonly kind: 'nodata' | 'nxdomain'; readonly ttlMs: number; readonly authentic: boolean }
  /** The name is an alias and the reply does not tell what is at its end. */
  | {
      readonly kind: 'alias'
      readonly target: string
      readonly aliases: number
      readonly ttlMs: number
      readonly authentic: boolean
    }
  | { readonly kind: 'loop' }

/** Lower case, no trailing dot; undefined when DNS cannot carry the name (RFC 1035 §2.3.4: labels of 1–63, 253 in all). */
export function normalizeName(name: string): string | undefined {
  const plain = name.endsWith('.') ? name.slice(0, -1) : name
  if (plain.length === 0 || plain.length > 253) return undefined
  if (!/^[\x21-\x7e]+$/.test(plain)) return undefined
  if (plain.split('.').some((label) => label.length === 0 || label.length > 63)) return undefined
  return plain.toLowerCase()
}

/** A recursive question with EDNS0 (RFC 6891) and the DO bit, which asks for the AD bit in the reply (RFC 4035 §3.2.1). */
export function encodeQuestion(id: number, name: string, type: DnsType): Buffer {
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ name, type }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: UDP_PAYLOAD,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: DNSSEC_OK,
        flag_do: true,
        options: [],
      },
    ],
  })
}

/** Whether these bytes claim to be the reply to the question with this id; anything else is noise or forged. */
export const isReplyTo = (message: Buffer, id: number): boolean =>
  message.length >= 12 && message.readUInt16BE(0) === id && (message[2]! & 0x80) !== 0

/** TC bit: the rest of the reply must be fetched over TCP (RFC 7766 §5). */
export const isTruncated = (message: Buffer): boolean => (message[2]! & 0x02) !== 0

/**
 * The decoded reply when it answers exactly this question with NOERROR or NXDOMAIN; else, as text, why another
 * server must be asked.
 */
export function decodeReply(message: Buffer, name: string, type: DnsType): DecodedPacket | string {
  let packet: DecodedPacket
  try {
    packet = decode(message)
  } catch {
    return 'malformed reply'
  }
  const question = packet.questions?.length === 1 ? packet.questions[0] : undefined
  if (question?.name.toLowerCase() !== name || question.type !== type || question.class !== 'IN') {
    return 'reply to another question'
  }
  const rcode = rcodeOf(packet)
  if (rcode === NOERROR || rcode === NXDOMAIN) return packet
  return RCODE_NAMES[rcode] ?? `RCODE ${rcode}`
}

/** Walks the reply from the asked name over its aliases to the records. */
export function readReply<T extends DnsType>(
  packet: DecodedPacket,
  name: string,
  type: T,
): Reading<DnsRecords[T]> {
  const read = READERS[type]
  const authentic = packet.flag_ad
  let owner = name
  let ttl = Infinity
  for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
    const records: DnsRecords[T][] = []
    let target: string | undefined
    for (const answer of packet.answers ?? []) {
      if (answer.type === 'OPT' || answer.class !== 'IN') continue
      if (answer.name.toLowerCase() !== owner) continue
      const record = read(answer)
      if (record !== undefined) records.push(record)
      else if (answer.type === 'CNAME') target = answer.data.toLowerCase()
      else continue
      ttl = Math.min(ttl, seconds(answer.ttl))
    }
    if (records.length > 0) {
      return { kind: 'found', records, canonical: owner, ttlMs: ttl * 1000, authentic }
    }
    if (target === undefined) {
      // RFC 2308 §5: a negative answer lives for the smaller of the SOA's TTL and its MINIMUM field.
      const negative = negativeTtl(packet, owner)
      const ttlMs = Math.min(ttl, negative ?? 0) * 1000
      // RFC 6604 §3: with aliases in the answer, the code speaks of the last name.
      if (rcodeOf(packet) === NXDOMAIN) return { kind: 'nxdomain', ttlMs, authentic }
      if (aliases === 0 || negative !== undefined) return { kind: 'nodata', ttlMs, authentic }
      return { kind: 'alias', target: owner, aliases, ttlMs: ttl * 1000, authentic }
    }
    owner = target
  }
  return { kind: 'loop' }
}

type Readers = { readonly [T in DnsType]: (answer: Answer) => DnsRecords[T] | undefined }

const READERS: Readers = {
  A: (answer) => (answer.type === 'A' ? answer.data : undefined),
  AAAA: (answer) => (answer.type === 'AAAA' ? answer.data.toLowerCase() : undefined),
  CNAME: (answer) => (answer.type === 'CNAME' ? answer.data.toLowerCase() : undefined),
  PTR: (answer) => (answer.type === 'PTR' ? answer.data.toLowerCase() : undefined),
  NS: (answer) => (answer.type === 'NS' ? answer.data.toLowerCase() : undefined),
  TXT: (answer) => (answer.type === 'TXT' ? joinStrings(answer.data) : undefined),
  MX: (answer) =>
    answer.type === 'MX'
      ? { preference: answer.data.preference ?? 0, exchange: answer.data.exchange.toLowerCase() }
      : undefined,
  SOA: (answer) => (answer.type === 'SOA' ? { mname: answer.data.mname.toLowerCase() } : undefined),
  TLSA: (answer) =>
    answer.type === 'TLSA'
      ? {
          usage: answer.data.usage,
          selector: answer.data.selector,
          matching: answer.data.matchingType,
          // A copy: the decoder's slice would keep the whole datagram alive in the cache.
          data: Buffer.from(answer.data.certificate),
        }
      : undefined,
}

/** RFC 7208 §3.3, RFC 6376 §3.6.2.2: the strings of one TXT record are one text, without anything between them. */
function joinStrings(data: TxtData): string {
  const parts = Array.isArray(data) ? data : [data]
  return Buffer.concat(parts.map((part) => Buffer.from(part))).toString('utf8')
}

/** RFC 2181 §8: a TTL with the top bit set means zero. */
const seconds = (ttl: number | undefined): number =>
  ttl === undefined || ttl > 0x7fffffff ? 0 : ttl

/** Seconds, from a SOA of a zone that holds `owner`; undefined without one. */
function negativeTtl(packet: DecodedPacket, owner: string): number | undefined {
  for (const record of packet.authorities ?? []) {
    if (record.type !== 'SOA') continue
    const zone = record.name.toLowerCase()
    if (zone !== '.' && owner !== zone && !owner.endsWith(`.${zone}`)) continue
    return Math.min(seconds(record.ttl), record.data.minimum ?? 0)
  }
  return undefined
}

/** The header's four bits and, above them, the eight of EDNS0 (RFC 6891 §6.1.3). */
function rcodeOf(packet: DecodedPacket): number {
  const low = (packet.flags ?? 0) & 0x0f
  for (const record of packet.additionals ?? []) {
    if (record.type === 'OPT') return (record.extendedRcode << 4) | low
  }
  return low
}
