/** A mailbox provider: how its hosts are recognised, and what it lets one source do. The data is a table, see policy/. */

/** What is known or wished; an absent field says nothing. Counts are at least 1. */
export interface Limits {
  readonly connections?: number | undefined
  readonly messagesPerConnection?: number | undefined
  /** Messages per `perMs`. */
  readonly rate?: { readonly messages: number; readonly perMs: number } | undefined
  readonly tls?: 'required' | 'opportunistic' | 'off' | undefined
}

export interface Provider {
  /** Part of lane keys: never renamed. */
  readonly name: string
  /** For people. */
  readonly title: string
  /** `google.com` stands for itself and every name below it; lower case, no dot at either end. */
  readonly mxSuffixes: readonly string[]
  /** Complete names of MX hosts. */
  readonly mxHosts: readonly string[]
  /** Recipient domains that are the provider's own, whatever their MX. */
  readonly domains: readonly string[]
  /** Only what is known of this provider; the default fills the rest. */
  readonly limits: Limits
  /** Short name of where the facts are from. */
  readonly source: string
  /** Day on which they were taken over, `YYYY-MM-DD`. */
  readonly since: string
}
