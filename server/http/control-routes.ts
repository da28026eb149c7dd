/** The routes of the control plane, in the order of the reference. */
import type { HttpDeps } from './deps.ts'
import type { HttpApp } from './http-app.ts'
import { accountLinkRoutes } from './routes/account-links.ts'
import { accountRoutes } from './routes/account.ts'
import { auditRoutes } from './routes/audit.ts'
import { backupRoutes, secretRoutes } from './routes/backups.ts'
import { credentialRoutes } from './routes/credentials.ts'
import { domainRoutes } from './routes/domains.ts'
import { poolRoutes, routeRoutes, sourceRoutes } from './routes/egress.ts'
import { factorRoutes } from './routes/factors.ts'
import { invitationRoutes } from './routes/invitations.ts'
import { keyRoutes } from './routes/keys.ts'
import { limitRoutes } from './routes/limits.ts'
import { memberRoutes } from './routes/members.ts'
import { queueRoutes } from './routes/queue.ts'
import { quotaRoutes } from './routes/quotas.ts'
import { roleRoutes } from './routes/roles.ts'
import { securityRoutes } from './routes/security.ts'
import { sessionRoutes } from './routes/session.ts'
import { setupRoutes } from './routes/setup.ts'
import { tenantRoutes } from './routes/tenants.ts'
import { userRoutes } from './routes/users.ts'

export function controlRoutes(
  app: HttpApp,
  { control, clock, log }: Pick<HttpDeps, 'control' | 'clock' | 'log'>,
): void {
  sessionRoutes(app, control)
  setupRoutes(app, control)
  accountLinkRoutes(app, control)
  accountRoutes(app, control)
  factorRoutes(app, control)
  tenantRoutes(app, control)
  memberRoutes(app, control)
  invitationRoutes(app, control)
  roleRoutes(app, control)
  domainRoutes(app, control)
  keyRoutes(app, control)
  credentialRoutes(app, control)
  quotaRoutes(app, control)
  userRoutes(app, control)
  auditRoutes(app, control)
  securityRoutes(app, control)
  queueRoutes(app, { ...control, clock })
  sourceRoutes(app, control)
  poolRoutes(app, control)
  routeRoutes(app, control)
  limitRoutes(app, control)
  backupRoutes(app, { ...control, log })
  secretRoutes(app, control)
}
