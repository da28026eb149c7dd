/**
 * SMTP submission (RFC 6409): starts the listeners, watches over slow clients, and ends without losing a message that
 * is on its way in. It decides nothing about mail; that is the submit service's.
 */
import { networkTest } from '../core/network.ts'
import type { Clock, Log, Random } from '../core/ports.ts'
import type { Authenticator } from '../services/auth/authenticate.ts'
import type { CredentialLimits, Principal } from '../services/auth/principal.ts'
import type { Certificate } from '../services/certificate.ts'
import type { Submit } from '../services/submit-contract.ts'
import { makeAuthThrottle } from './auth-throttle.ts'
import { makeConnectionLimits } from './connection-limits.ts'
import { Listener } from './listener.ts'
import { makeBodies } from './receive.ts'
import type { SessionContext, SubmissionCounters, SubmissionLimits } from './session-context.ts'

export interface SubmissionListener {
  readonly host: string
  /** 0: the system chooses. */
  readonly port: number
  readonly tls: 'starttls' | 'implicit' | 'none'
  /** Addresses and networks whose clients need no AUTH. */
  readonly trustedNetworks: readonly string[]
}

export interface SubmissionDeps {
  readonly listeners: readonly SubmissionListener[]
  readonly certificate: Certificate
  readonly hostname: string
  readonly limits: SubmissionLimits
  /** For logins that have no limits of their own: connections and messageSize are used here. */
  readonly credentialLimits: CredentialLimits
  readonly submit: Submit
  readonly auth: Authenticator
  /** Who a client from a trusted network is; asked for each of its connections. */
  readonly trustedPrincipal: () => Principal
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** For bodies above spoolOver while they arrive; must exist. */
  readonly tempDir: string
  /** Counted up in place; hand in `newSubmissionCounters()`. */
  readonly counters: SubmissionCounters
}

export interface SubmissionServer {
  /** Where it listens, in the order of `listeners`. */
  addresses(): readonly { readonly host: string; readonly port: number }[]
  /** Open sessions. */
  sessions(): number
  /** For new handshakes; running sessions keep what they have. */
  setCertificate(certificate: Certificate): void
  /**
   * Stops listening and refuses new MAIL with 421; messages on their way in may finish for `graceMs`, then every
   * session ends. Resolves when all sockets are closed.
   */
  close(graceMs: number): Promise<void>
}

const DEFAULTS = {
  minBytesPerSecond: 512,
  greetingDelayMs: 100,
  bodyMemory: 64 * 1024 * 1024,
} as const
/** Large bodies in memory at a time, from the dot to the commit. */
const READ_BACK = 4
/** How often slow clients are looked for, at most and at least. */
const SWEEP_MS = { min: 50, max: 5_000 } as const

export const newSubmissionCounters = (): SubmissionCounters => ({
  connections: 0,
  connectionsRefused: 0,
  authFailures: 0,
  messages: 0,
  refused: 0,
  cut: 0,
})

/**
 * Resolves when all listeners listen. Rejects with CONFIG_INVALID (a network that is none, a certificate that TLS does
 * not take) or with the system's error of the first listener that fails; then none is left open.
 */
export async function startSubmission(deps: SubmissionDeps): Promise<SubmissionServer> {
  const { clock, log, counters, auth, submit, credentialLimits, trustedPrincipal } = deps
  const limits = { ...DEFAULTS, ...deps.limits }
  let isClosing = false
  const shared = {
    clock,
    log,
    counters,
    auth,
    submit,
    credentialLimits,
    trustedPrincipal,
    limits,
    throttle: makeAuthThrottle(clock),
    connections: makeConnectionLimits({
      connections: limits.maxConnections,
      perAddress: limits.maxConnectionsPerIp,
    }),
    bodies: makeBodies({
      spoolOver: limits.spoolOver,
      memory: limits.bodyMemory,
      readBack: READ_BACK,
      tempDir: deps.tempDir,
      random: deps.random,
    }),
    strict: {
      clock,
      log,
      ...limits,
      onCut: () => {
        counters.cut++
      },
    },
    isClosing: () => isClosing,
  } satisfies Partial<SessionContext>

  const listeners = deps.listeners.map(({ host, port, tls, trustedNetworks }) => {
    const context = { ...shared, tls, isTrusted: networkTest(trustedNetworks) }
    return new Listener(
      { host, port, hostname: deps.hostname, certificate: deps.certificate },
      context,
    )
  })
  try {
    for (const listener of listeners) await listener.start()
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener.retire()))
    throw error
  }

  const sweepMs = Math.min(Math.max(limits.idleTimeoutMs / 4, SWEEP_MS.min), SWEEP_MS.max)
  let sweep = clock.after(sweepMs, sweepSlow)
  function sweepSlow(): void {
    const now = clock.now()
    for (const listener of listeners) listener.checkTime(now)
    sweep = clock.after(sweepMs, sweepSlow)
  }

  return {
    addresses: () => listeners.map((listener) => listener.address()),
    sessions: () => listeners.reduce((sum, { sessions }) => sum + sessions.size, 0),
    setCertificate({ key, cert }) {
      for (const listener of listeners) listener.updateSecureContext({ key, cert })
    },
    async close(graceMs) {
      isClosing = true
      const done = Promise.all(listeners.map((listener) => listener.retire()))
      const grace = new AbortController()
      await Promise.race([done, clock.sleep(graceMs, grace.signal)])
      grace.abort()
      sweep.cancel()
      for (const { sessions } of listeners) for (const session of sessions) session.abort()
      await done
    },
  }
}
