/** What all sessions of a listener share: ports, services, limits and counters. */
import type { NetworkTest } from '../core/network.ts'
import type { Clock, Log } from '../core/ports.ts'
import type { Authenticator } from '../services/auth/authenticate.ts'
import type { CredentialLimits, Principal } from '../services/auth/principal.ts'
import type { Submit } from '../services/submit-contract.ts'
import type { AuthThrottle } from './auth-throttle.ts'
import type { StrictOptions } from './connection.ts'
import type { ConnectionLimits } from './connection-limits.ts'
import type { Bodies } from './receive.ts'

export interface SubmissionLimits {
  /** Octets, announced with SIZE. */
  readonly maxMessageSize: number
  readonly maxRecipients: number
  readonly maxConnections: number
  /** Per client: an IPv4 address or an IPv6 /64. */
  readonly maxConnectionsPerIp: number
  /** Silence after which a client is cut. Also bounds a line, a handshake, and the time until AUTH. */
  readonly idleTimeoutMs: number
  /** Octets above which a body is received into a file. */
  readonly spoolOver: number
  /** Commands in error between two accepted messages. */
  readonly maxBadCommands: number
  /** Octets per second, averaged over a message, below which a client is cut once idleTimeoutMs is used up. */
  readonly minBytesPerSecond?: number
  /** How long clients outside of loopback and trusted networks wait for the greeting; who talks before it is cut. */
  readonly greetingDelayMs?: number
  /** Octets of memory for bodies of all sessions; beyond it they are received into files. */
  readonly bodyMemory?: number
}

/** Only ever counted up; read them for metrics. */
export interface SubmissionCounters {
  connections: number
  /** Turned away at the door. */
  connectionsRefused: number
  authFailures: number
  messages: number
  /** Transactions refused at MAIL or after DATA. */
  refused: number
  /** Sessions ended by us for being slow, too large, or in error too often. */
  cut: number
}

export interface SessionContext {
  readonly tls: 'starttls' | 'implicit' | 'none'
  readonly clock: Clock
  readonly log: Log
  readonly submit: Submit
  readonly auth: Authenticator
  readonly throttle: AuthThrottle
  readonly connections: ConnectionLimits
  readonly bodies: Bodies
  readonly limits: Required<SubmissionLimits>
  readonly strict: StrictOptions
  /** For logins that have no limits of their own. */
  readonly credentialLimits: CredentialLimits
  readonly isTrusted: NetworkTest
  readonly trustedPrincipal: () => Principal
  readonly counters: SubmissionCounters
  readonly isClosing: () => boolean
}
