/**
 * Tells a tenant's own systems about security events: a signed POST, tried three times, then given up. Must never
 * hold up or fail what caused the event, nor let one endpoint that is down take the room of the others.
 */
import { createHmac } from 'node:crypto'
import type { AuditValue } from '../core/audit.ts'
import type { Clock, Log, Timer } from '../core/ports.ts'
import type { FetchFault } from '../delivery/http/fault.ts'
import type { GuardedFetch } from '../delivery/http/guarded.ts'

/** What is sent, as JSON. Secrets never stand in it. */
export interface SecurityNotice {
  /** Stays the same over all tries, so that a receiver can tell a repetition. */
  readonly id: string
  /** `sign-in.new-country`, `key.leaked` … */
  readonly kind: string
  /** Epoch ms. */
  readonly at: number
  readonly [field: string]: AuditValue
}

export type NotifyOutcome =
  | { readonly kind: 'delivered'; readonly status: number; readonly tries: number }
  /** `reason` is a fault of the fetch, or `status 500`. */
  | { readonly kind: 'failed'; readonly reason: string; readonly tries: number }
  /** Never sent, or not again: too much waits already, or the program ends. */
  | { readonly kind: 'dropped'; readonly reason: 'full' | 'closing'; readonly tries: number }

export interface SecurityWebhook {
  /** Resolves when the notice is through or given up; need not be awaited. Never rejects for what the endpoint does. */
  notifySecurity(url: string, event: SecurityNotice, secret: string): Promise<NotifyOutcome>
  /** Drops what waits. Idempotent. */
  close(): Promise<void>
}

/** After the first try and the second. */
const WAITS_MS: readonly number[] = [10_000, 60_000]
const AT_A_TIME = 4
const MAX_WAITING = 1_000
/** Of these, for one endpoint. */
const MAX_PER_URL = 50
/** Beside 443, what people run such receivers on. */
const PORTS: readonly number[] = [443, 8443]

/** What is wrong today will be wrong in a minute. */
const HOPELESS: ReadonlySet<FetchFault> = new Set([
  'bad-url',
  'bad-header',
  'private-address',
  'redirects',
])
/** RFC 9110 §15.5: of the 4xx, those that speak of now. */
const PASSING_STATUS: ReadonlySet<number> = new Set([408, 425, 429])

interface Job {
  readonly url: string
  readonly event: SecurityNotice
  readonly body: Buffer
  readonly secret: string
  tries: number
  timer: Timer | undefined
  readonly resolve: (outcome: NotifyOutcome) => void
}

/** `fetch` is the guarded one: the URL is the tenant's word. */
export function makeSecurityWebhook(deps: {
  readonly fetch: GuardedFetch
  readonly clock: Clock
  readonly log: Log
}): SecurityWebhook {
  const { clock, log } = deps
  const ready: Job[] = []
  const jobs = new Set<Job>()
  const perUrl = new Map<string, number>()
  const stop = new AbortController()
  let working = 0
  let idle: (() => void) | undefined

  function end(job: Job, outcome: NotifyOutcome): void {
    jobs.delete(job)
    const left = perUrl.get(job.url)! - 1
    if (left > 0) perUrl.set(job.url, left)
    else perUrl.delete(job.url)
    tell(job.event, outcome)
    job.resolve(outcome)
  }

  /** The URL may carry a key of the tenant, so it stays out of the log. */
  function tell(event: SecurityNotice, outcome: NotifyOutcome): void {
    const fields = { evt: 'security-webhook', event: event.id, security: event.kind, ...outcome }
    if (outcome.kind === 'delivered') log.info(fields, 'security event sent')
    else log.warn(fields, 'security event not sent')
  }

  function next(): void {
    while (working < AT_A_TIME && ready.length > 0) {
      const job = ready.shift()!
      working++
      attempt(job)
        .catch((error: unknown) => {
          log.error({ err: error, event: job.event.id }, 'security event could not be sent')
          end(job, { kind: 'failed', reason: 'internal', tries: job.tries })
        })
        .finally(() => {
          working--
          next()
          if (working === 0) idle?.()
        })
    }
  }

  async function attempt(job: Job): Promise<void> {
    job.tries++
    const seconds = Math.floor(clock.now() / 1000)
    const answer = await deps.fetch({
      url: job.url,
      method: 'POST',
      header: {
        'content-type': 'application/json',
        'posthorn-event': job.event.id,
        'posthorn-signature': signatureOf(job.body, job.secret, seconds),
      },
      body: job.body,
      ports: PORTS,
      // What an endpoint has to say is its status.
      headOnly: true,
      signal: stop.signal,
    })
    if (answer.ok && answer.status >= 200 && answer.status < 300) {
      end(job, { kind: 'delivered', status: answer.status, tries: job.tries })
      return
    }
    const reason = answer.ok ? `status ${answer.status}` : answer.fault
    const waitMs = WAITS_MS[job.tries - 1]
    const mayPass = answer.ok
      ? answer.status >= 500 || PASSING_STATUS.has(answer.status)
      : !HOPELESS.has(answer.fault)
    if (stop.signal.aborted) end(job, { kind: 'dropped', reason: 'closing', tries: job.tries })
    else if (!mayPass || waitMs === undefined) {
      end(job, { kind: 'failed', reason, tries: job.tries })
    } else {
      job.timer = clock.after(waitMs, () => {
        job.timer = undefined
        ready.push(job)
        next()
      })
    }
  }

  return {
    notifySecurity(url, event, secret) {
      const same = perUrl.get(url) ?? 0
      const isFull = jobs.size >= MAX_WAITING || same >= MAX_PER_URL
      if (isFull || stop.signal.aborted) {
        const reason = isFull ? 'full' : 'closing'
        const outcome: NotifyOutcome = { kind: 'dropped', reason, tries: 0 }
        tell(event, outcome)
        return Promise.resolve(outcome)
      }
      return new Promise((resolve) => {
        const body = Buffer.from(JSON.stringify(event))
        const job: Job = { url, event, body, secret, tries: 0, timer: undefined, resolve }
        jobs.add(job)
        perUrl.set(url, same + 1)
        ready.push(job)
        next()
      })
    },
    async close() {
      stop.abort()
      ready.length = 0
      if (working > 0) await new Promise<void>((resolve) => (idle = resolve))
      for (const job of [...jobs]) {
        job.timer?.cancel()
        end(job, { kind: 'dropped', reason: 'closing', tries: job.tries })
      }
    },
  }
}

/**
 * `t=<epoch seconds>,v1=<hex of HMAC-SHA256 over "t.body">`. The time is signed, so that a receiver can refuse what
 * somebody recorded and plays again.
 */
export function signatureOf(body: Buffer, secret: string, seconds: number): string {
  const mac = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest('hex')
  return `t=${seconds},v1=${mac}`
}
