/**
 * A connection over which mail can be sent: opened, greeted, perhaps under TLS and logged in. Whoever opens it owns
 * it and must close or destroy it. It carries one transaction at a time (transaction.ts).
 */
import { isIPv6 } from 'node:net'
import type { Fault, Outcome } from '../../core/outcome.ts'
import type { Clock, Dialer } from '../../core/ports.ts'
import type { Capabilities } from './capabilities.ts'
import { failed, toOutcome } from './ending.ts'
import type { Peer } from './ending.ts'
import { greet } from './greeting.ts'
import type { GreetingOptions } from './greeting.ts'
import { DEFAULT_TIMEOUTS } from './timeouts.ts'
import type { Timeouts } from './timeouts.ts'
import { append, startTranscript, TRANSCRIPT_CHARS } from './transcript.ts'
import type { Transcript } from './transcript.ts'
import { Wire } from './wire.ts'

const QUIT_MS = 1000

export interface ConnectOptions extends Omit<GreetingOptions, 'timeouts'> {
  readonly dial: Dialer
  readonly clock: Clock
  /** Name of the host, for records; the address is what is dialled. */
  readonly host: string
  readonly ip: string
  readonly port: number
  /** Our address to send from; undefined: the system picks. */
  readonly sourceIp: string | undefined
  readonly timeouts?: Partial<Timeouts>
  /** Characters kept of a transcript. */
  readonly transcriptChars?: number
  /** Transcript of earlier tries, to go in front. */
  readonly before?: string
}

export type Opened =
  | { readonly ok: true; readonly connection: Connection }
  | { readonly ok: false; readonly outcome: Outcome }

export class Connection {
  readonly peer: Peer
  readonly capabilities: Capabilities
  readonly clock: Clock
  readonly timeouts: Timeouts
  readonly wire: Wire
  readonly transcriptChars: number
  readonly openedAt: number
  /** Transactions begun. */
  messages = 0
  /** The conversation before the first transaction; that one takes it along. */
  greeting: string
  /** A transaction is under way. Kept by transaction.ts, as is `needsReset`. */
  busy = false
  /** An abandoned transaction must be reset before the next. */
  needsReset = false

  constructor(
    wire: Wire,
    facts: {
      readonly peer: Peer
      readonly capabilities: Capabilities
      readonly clock: Clock
      readonly timeouts: Timeouts
      readonly transcript: Transcript
    },
  ) {
    this.wire = wire
    this.peer = facts.peer
    this.capabilities = facts.capabilities
    this.clock = facts.clock
    this.timeouts = facts.timeouts
    this.greeting = facts.transcript.text
    this.transcriptChars = facts.transcript.limit
    this.openedAt = facts.clock.now()
  }

  /** It can take another transaction now. */
  get usable(): boolean {
    return (
      this.wire.broken === undefined &&
      !this.busy &&
      // RFC 9422 §4.1: the server said how many it takes.
      this.messages < (this.capabilities.mailMax ?? Infinity)
    )
  }

  /** Says QUIT, waits at most a second for the answer, and lets go. A transaction under way is cut off. */
  async close(): Promise<void> {
    if (!this.busy && this.wire.broken === undefined) {
      this.busy = true
      await this.wire.ask('QUIT', QUIT_MS)
    }
    this.destroy()
  }

  /** Lets go at once. Idempotent. */
  destroy(): void {
    this.wire.break('connection-lost', 'we closed the connection')
  }
}

/**
 * Dials and greets. A refusal or a fault comes back as an outcome with stage `connect` to `auth`; it rejects only for
 * a bug. The outcome's transcript holds `before` and this try.
 */
export async function openConnection(options: ConnectOptions): Promise<Opened> {
  const { dial, clock, host, ip, port, sourceIp } = options
  const timeouts: Timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts }
  const transcript = startTranscript(options.transcriptChars ?? TRANSCRIPT_CHARS, options.before)
  const startedAt = clock.now()
  const times = (): { startedAt: number; endedAt: number } => ({ startedAt, endedAt: clock.now() })
  const target = isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`

  const socket = await dial({
    host: ip,
    port,
    localAddress: sourceIp,
    timeoutMs: timeouts.connectMs,
  }).catch((error: unknown) => faultOfDial(error))
  if ('fault' in socket) {
    append(transcript, `! ${host} ${target}: ${socket.detail}\n`)
    const ending = failed('connect', socket.fault, socket.detail)
    const peer = { host, ip, sourceIp, tls: undefined }
    return { ok: false, outcome: toOutcome(ending, peer, times(), transcript.text) }
  }

  const wire = new Wire(socket, clock)
  const from = socket.localAddress ?? sourceIp
  const spentMs = clock.now() - startedAt
  append(transcript, `! connected ${target} (${host}) from ${from ?? 'unknown'} in ${spentMs} ms\n`)
  const greeting = await greet(wire, transcript, { ...options, timeouts })
  const peer: Peer = { host, ip, sourceIp: from, tls: greeting.tls }
  if (greeting.ok) {
    const { capabilities } = greeting
    const facts = { peer, capabilities, clock, timeouts, transcript }
    return { ok: true, connection: new Connection(wire, facts) }
  }
  const { ending } = greeting
  if (ending.kind === 'failed') append(transcript, `! ${ending.detail}\n`)
  wire.break('connection-lost', 'we closed the connection')
  return { ok: false, outcome: toOutcome(ending, peer, times(), transcript.text) }
}

const DIAL_FAULTS: Readonly<Record<string, Fault>> = {
  ECONNREFUSED: 'connect-refused',
  ECONNRESET: 'connect-refused',
  ETIMEDOUT: 'connect-timeout',
  EADDRNOTAVAIL: 'source-unbound',
}

/** What a rejected dial means. Anything that is not known by name leaves the host unreachable for now. */
function faultOfDial(error: unknown): { readonly fault: Fault; readonly detail: string } {
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
  const words = error instanceof Error ? error.message : String(error)
  return { fault: DIAL_FAULTS[code] ?? 'unreachable', detail: code === '' ? words : code }
}
