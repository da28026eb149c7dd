/** What a remote said (outcome) and what we make of it (verdict). A refusal is a value, never an exception. */

/** The point of the conversation at which it ended. `dns` to `ehlo` concern the host, later ones the mail. */
export const STAGES = [
  'dns',
  'connect',
  'banner',
  'ehlo',
  'starttls',
  'auth',
  'mail',
  'rcpt',
  'data', // the DATA command
  'body', // the reply after the final dot
] as const
export type Stage = (typeof STAGES)[number]

/** A complete SMTP reply, RFC 5321 §4.2. `lines` are without code and separator. */
export interface Reply {
  readonly code: number
  /** RFC 2034 / 3463 code such as `4.7.1`, when the first line carries one. */
  readonly enhanced: string | undefined
  /** All lines joined by one space, enhanced codes of the lines removed. */
  readonly text: string
}

/** Ways to fail without a reply. */
export const FAULTS = [
  'dns-temporary', // SERVFAIL, time-out
  'dns-permanent', // NXDOMAIN, no data, null MX
  'private-target', // MX resolves to loopback, private or link-local
  'mx-loop', // we are the best MX
  'connect-refused',
  'connect-timeout',
  'unreachable',
  'source-unbound', // our own source address is not on this machine
  'tls-handshake',
  'tls-required', // policy asks for TLS and it cannot be had
  'timeout', // no reply in time after the connection stood
  'connection-lost',
  'protocol', // the peer does not speak SMTP
  'needs-smtputf8',
  'too-big', // SIZE announced below the message's
] as const
export type Fault = (typeof FAULTS)[number]

export interface TlsFacts {
  readonly protocol: string
  readonly cipher: string
  readonly verified: boolean
}

export interface Outcome {
  /** `accepted` only for a 2yz after the final dot. */
  readonly kind: 'accepted' | 'refused' | 'failed'
  readonly stage: Stage
  /** Set for accepted and refused. */
  readonly reply: Reply | undefined
  /** Set for failed. */
  readonly fault: Fault | undefined
  /** Our own words on a fault; hostile text of a remote stays in `reply.text`. */
  readonly detail: string | undefined
  readonly host: string | undefined
  readonly ip: string | undefined
  readonly sourceIp: string | undefined
  readonly tls: TlsFacts | undefined
  readonly startedAt: number
  readonly endedAt: number
  /** The conversation, AUTH redacted, bounded; `> ` ours, `< ` theirs, `! ` remarks. */
  readonly transcript: string
}

export const CATEGORIES = [
  'delivered',
  'unknown-user',
  'inactive-mailbox',
  'bad-domain',
  'mailbox-full',
  'too-big',
  'source-refused', // blocklist or reputation of our address or network
  'spam-content',
  'virus',
  'authentication', // SPF, DKIM, DMARC, PTR
  'policy',
  'rate',
  'greylisted',
  'relay-denied',
  'protocol',
  'network',
  'tls',
  'remote-system',
  'routing',
  'expired',
  'invalid-sender',
  'unknown',
] as const
export type Category = (typeof CATEGORIES)[number]

export const SCOPES = ['recipient', 'message', 'destination', 'source', 'tenant', 'us'] as const
export type Scope = (typeof SCOPES)[number]

export type VerdictAction = 'complete' | 'retry' | 'fail' | 'next-host'

export interface Verdict {
  readonly category: Category
  readonly scope: Scope
  readonly permanence: 'final' | 'temporary' | 'permanent'
  /** `next-host` asks for another host of the site now, else it is a retry. */
  readonly action: VerdictAction
  /** The id of the rule that decided; `unknown-temporary` when none did. */
  readonly rule: string
}
