/** What the HTTP side is handed by the composition root. It reads through `reader` and changes things only through the verbs here. */
import type { Actor } from '../core/audit.ts'
import type { DeliveryId, MessageId, TenantId } from '../core/ids.ts'
import type { Clock, Log } from '../core/ports.ts'
import type { Authenticator } from '../services/auth/authenticate.ts'
import type { Access } from '../services/access.ts'
import type { AccountLinks } from '../services/account-links.ts'
import type { Audit } from '../services/audit.ts'
import type { Account } from '../services/auth/account.ts'
import type { Backups } from '../services/backup/contract.ts'
import type { Domains } from '../services/domains.ts'
import type { Invitations } from '../services/invitations.ts'
import type { Members } from '../services/members.ts'
import type { People } from '../services/people.ts'
import type { Queue } from '../services/queue.ts'
import type { Quotas } from '../services/quotas.ts'
import type { Roles } from '../services/roles.ts'
import type { Secrets } from '../services/secrets.ts'
import type { SecurityLog } from '../services/security-log.ts'
import type { SecurityNotices } from '../services/security-notices.ts'
import type { Tenants } from '../services/tenants.ts'
import type { HttpTls } from './tls.ts'
import type { EgressDeps } from './routes/egress.ts'
import type { FactorDeps } from './routes/factors.ts'
import type { Explanation } from '../services/explain.ts'
import type { Health } from '../services/health.ts'
import type { Submit } from '../services/submit-contract.ts'
import type { Reader } from '../store/read/reader.ts'

export interface HttpLimits {
  /** Bytes of a request body. */
  readonly bodyLimit: number
  /** How long a request may take to arrive in full. */
  readonly requestTimeoutMs: number
  /** How long an answer may take, unless its route says otherwise. */
  readonly handlerTimeoutMs: number
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

/** What the routes of the control plane ask for; each route names the part it needs. */
export interface ControlDeps extends FactorDeps, EgressDeps {
  readonly account: Account
  /** What is done by a one-time link. */
  readonly links: AccountLinks
  readonly people: People
  readonly tenants: Tenants
  readonly invitations: Invitations
  readonly members: Members
  readonly roles: Roles
  readonly access: Access
  readonly audit: Audit
  readonly securityLog: SecurityLog
  readonly notices: Pick<SecurityNotices, 'secret'>
  readonly domains: Domains
  readonly queue: Queue
  readonly quotas: Quotas
  readonly backups: Backups
  readonly secrets: Secrets
}

export interface HttpDeps {
  readonly reader: Reader
  readonly submit: Submit
  readonly auth: Pick<Authenticator, 'key' | 'hasTenant' | 'countryOf'>
  readonly control: ControlDeps
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
  /** Sites whose pages may call the API with a key. */
  readonly corsOrigins: readonly string[]
  /** Set: the listener speaks TLS itself. */
  readonly tls?: HttpTls | undefined
  /** Proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[]
  /** Networks beside loopback that may read /metrics and the details of /readyz. */
  readonly metricsNetworks?: readonly string[] | undefined
  /** How clients reach this listener, without a trailing slash. */
  readonly publicUrl: string
  readonly version: string
}
