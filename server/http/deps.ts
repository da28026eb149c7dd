/** What the HTTP side is handed by the composition root. It reads through `reader` and changes things only through the verbs here. */
import type { Actor } from '../core/audit.ts'
import type { DeliveryId, MessageId, TenantId } from '../core/ids.ts'
import type { Clock, Log } from '../core/ports.ts'
import type { Authenticator } from '../services/auth/authenticate.ts'
import type { Sessions } from '../services/auth/sessions.ts'
import type { Explanation } from '../services/explain.ts'
import type { Health } from '../services/health.ts'
import type { Submit } from '../services/submit-contract.ts'
import type { Reader } from '../store/read/reader.ts'

export interface HttpLimits {
  /** Bytes of a request body. */
  readonly bodyLimit: number
  /** How long a request may take to arrive in full. */
  readonly requestTimeoutMs: number
  /** How long an idle connection is kept. */
  readonly keepAliveTimeoutMs: number
  /** Sustained requests of one API key. */
  readonly requestsPerSecond: number
  /** Requests one API key may make at once after a pause. */
  readonly requestBurst: number
  readonly messagesPerBatch: number
  readonly recipientsPerMessage: number
}

/** One answered request, for metrics. `route` is the pattern (`/v1/messages/:id`), so the set of labels is closed. */
export interface RequestFacts {
  readonly method: string
  readonly route: string
  readonly status: number
  readonly ms: number
}

export interface HttpDeps {
  readonly reader: Reader
  readonly submit: Submit
  readonly auth: Pick<Authenticator, 'key' | 'countryOf'>
  readonly sessions: Sessions
  /** Undefined when the tenant has no such message. */
  readonly cancel: (
    actor: Actor,
    tenant: TenantId,
    message: MessageId,
  ) => Promise<{ readonly cancelled: number } | undefined>
  /** The RFC 5322 bytes; undefined when there is no such message or its body is no longer kept. */
  readonly content: (tenant: TenantId, message: MessageId) => Promise<Buffer | undefined>
  /** Route, lane, limits in force, next try, and why; undefined when the tenant has no such delivery. */
  readonly explain: (tenant: TenantId, delivery: DeliveryId) => Promise<Explanation | undefined>
  /** Prometheus text format. */
  readonly metricsText: () => Promise<string>
  readonly health: () => Promise<Health>
  readonly observe?: ((request: RequestFacts) => void) | undefined
  readonly clock: Clock
  readonly log: Log
  readonly limits: HttpLimits
  /** Proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[]
  /** Networks beside loopback that may read /metrics and the details of /readyz. */
  readonly metricsNetworks?: readonly string[] | undefined
  /** How clients reach this listener, without a trailing slash. */
  readonly publicUrl: string
  readonly version: string
}
