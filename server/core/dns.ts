/** What a resolver answers. "There is no such thing" and "nobody answered" are values, and different ones. */

export interface DnsRecords {
  A: string
  AAAA: string
  CNAME: string
  PTR: string
  NS: string
  TXT: string
  MX: { readonly preference: number; readonly exchange: string }
  SOA: { readonly mname: string }
  TLSA: {
    readonly usage: number
    readonly selector: number
    readonly matching: number
    readonly data: Buffer
  }
}
export type DnsType = keyof DnsRecords

export type DnsAnswer<T> =
  | {
      readonly kind: 'found'
      readonly records: readonly T[]
      /** The name at the end of the CNAME chain, lower case, no trailing dot. */
      readonly canonical: string
      /** Smallest TTL of the chain and the records. */
      readonly ttlMs: number
      /** The resolver validated it with DNSSEC (AD bit). */
      readonly authentic: boolean
    }
  | { readonly kind: 'nodata' | 'nxdomain'; readonly ttlMs: number; readonly authentic: boolean }
  /** SERVFAIL, REFUSED, time-out, CNAME loop, malformed answer: try again later, conclude nothing. */
  | { readonly kind: 'failed'; readonly detail: string }

export interface Resolver {
  resolve<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<DnsRecords[T]>>
}
