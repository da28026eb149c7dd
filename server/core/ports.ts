/** The doors to the outside, as shapes. The real ones are made in server/ports.ts; tests hand in others. */
import type { Socket } from 'node:net'

export interface Timer {
  /** Idempotent; the callback will not run afterwards. */
  cancel(): void
}

export interface Clock {
  /** Wall clock, epoch ms. */
  now(): number
  /** Runs `callback` once after `ms`; the timer does not keep the process alive. */
  after(ms: number, callback: () => void): Timer
  /** Resolves after `ms`, or at once when the signal aborts (it never rejects). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** Cryptographically strong. */
  bytes(length: number): Buffer
}

export interface LogFields {
  readonly [field: string]: unknown
}
export interface Log {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
  child(fields: LogFields): Log
}

export interface DialRequest {
  readonly host: string
  readonly port: number
  /** Bind to this address of ours; undefined leaves it to the system. */
  readonly localAddress: string | undefined
  readonly timeoutMs: number
}
/** Resolves with a connected socket; rejects with the system's error (ECONNREFUSED, ETIMEDOUT, EADDRNOTAVAIL …). */
export type Dialer = (request: DialRequest) => Promise<Socket>

export interface Ports {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly dial: Dialer
}
