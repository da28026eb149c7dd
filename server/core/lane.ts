/** A lane is source × (provider, else site): what shares connections, limits and back-off. */
import type { LaneId, SourceId } from './ids.ts'

/** Where a delivery goes next: the MX of its domain, or a fixed next hop of a route. */
export type Destination =
  | { readonly kind: 'mx'; readonly provider: string | undefined; readonly site: string }
  | ({ readonly kind: 'next-hop' } & NextHop)

/** A fixed host that takes everything a route matches: a smarthost, or a neighbour in a closed network. */
export interface NextHop {
  readonly host: string
  readonly port: number
  readonly tls: 'required' | 'opportunistic' | 'off' | 'implicit'
  readonly user?: string
  /** Sealed under the master key. */
  readonly password?: string
}

/** Stable text key of a destination: `provider:google`, `site:mx1.a.test,mx2.a.test` (hashed if long), `hop:10.0.0.1:25`. */
export function destinationKey(destination: Destination): string {
  switch (destination.kind) {
    case 'mx':
      return destination.provider === undefined
        ? `site:${destination.site}`
        : `provider:${destination.provider}`
    case 'next-hop':
      return `hop:${destination.host}:${destination.port}`
  }
}

export interface Source {
  readonly id: SourceId
  readonly name: string
  /** Undefined: the system picks the address. */
  readonly ip: string | undefined
  readonly ehlo: string
}

export interface Lane {
  readonly id: LaneId
  readonly key: string
  readonly source: Source
  readonly destination: Destination
}

/** Limits in force on a lane. Every number is the tightest of those that apply. */
export interface LaneLimits {
  readonly connections: number
  readonly messagesPerConnection: number
  /** Undefined: unlimited. */
  readonly rate: { readonly messages: number; readonly perMs: number } | undefined
  readonly tls: 'required' | 'opportunistic' | 'off'
}
