/** Why no host of a domain can be dialled: a value like any other answer, so that the lane can say it in an outcome. */
import type { Fault } from '../core/outcome.ts'

export interface MxFailure {
  readonly kind: 'failed'
  readonly fault: Extract<
    Fault,
    | 'dns-temporary'
    | 'dns-permanent'
    | 'private-target'
    | 'mx-loop'
    | 'unreachable'
    | 'tls-required'
  >
  /** Enhanced code, RFC 3463; its class says whether to try again. */
  readonly status: string
  readonly detail: string
  /** How long this may be believed. */
  readonly ttlMs: number
}

export const mxFailure = (
  fault: MxFailure['fault'],
  status: string,
  detail: string,
  ttlMs: number,
): MxFailure => ({ kind: 'failed', fault, status, detail, ttlMs })
