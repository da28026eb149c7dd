/**
 * What commands may ask of the program. A command that needs a use case adds its line here; `main.ts` hands in the
 * object, and the frame opens it when a command first asks and closes it afterwards. Commands never write to the
 * database themselves.
 */
import type { Actor } from '../core/audit.ts'
import type { Clock } from '../core/ports.ts'
import type { Audit } from '../services/audit.ts'
import type { Access } from '../services/access.ts'
import type { AfterRestore } from '../services/backup/after-restore.ts'
import type { Backups } from '../services/backup/contract.ts'
import type { Domains } from '../services/domains.ts'
import type { Egress } from '../services/egress.ts'
import type { Explain } from '../services/explain.ts'
import type { ExplainMessage } from '../services/explain-message.ts'
import type { Invitations } from '../services/invitations.ts'
import type { Members } from '../services/members.ts'
import type { People } from '../services/people.ts'
import type { Queue } from '../services/queue.ts'
import type { Quotas } from '../services/quotas.ts'
import type { Roles } from '../services/roles.ts'
import type { Secrets } from '../services/secrets.ts'
import type { Tenants } from '../services/tenants.ts'

export interface CliServices {
  readonly tenants: Tenants
  readonly people: People
  readonly invitations: Invitations
  readonly members: Members
  readonly roles: Roles
  readonly access: Access
  readonly audit: Audit
  readonly domains: Domains
  readonly egress: Egress
  readonly explain: Explain
  readonly explainMessage: ExplainMessage
  readonly queue: Queue
  readonly quotas: Quotas
  readonly backups: Backups
  readonly secrets: Secrets
  /** What a restored installation must be told once; see services/backup/after-restore.ts. */
  afterRestore(actor: Actor, facts: AfterRestore): Promise<{ lanes: number; unrouted: number }>
  readonly clock: Clock
  /** What the person should know beside the result, such as that this was an empty installation. */
  readonly notice?: string
  /** Lets go of the database and everything else that was opened. */
  close(): Promise<void>
}
