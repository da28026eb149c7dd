/**
 * Hands security events to the systems of the tenants they concern: the tenant of the event, or every tenant that its
 * person belongs to. Where to is the tenant's own setting; the secret that signs follows from the master key, so it is
 * kept nowhere.
 */
import { createHmac } from 'node:crypto'
import type { Actor } from '../core/audit.ts'
import { asId, encodeId } from '../core/ids.ts'
import type { TenantId } from '../core/ids.ts'
import type { Log } from '../core/ports.ts'
import { SECURITY_KINDS } from '../core/security.ts'
import type { NewSecurityEvent, SecurityEventId } from '../core/security.ts'
import { membershipsOf } from '../store/memberships.ts'
import type { Store } from '../store/open.ts'
import { findTenant } from '../store/tenants.ts'
import type { SecurityWebhook } from './security-webhook.ts'
import { parseTenantSettings } from './tenant-settings.ts'

export interface SecurityNotices {
  /** Not waited for: whether a tenant's system hears of it changes nothing here. Never throws. */
  tell(id: SecurityEventId, event: NewSecurityEvent, at: number): void
  /** What the tenant checks the signatures with. That somebody saw it is audited. */
  secret(actor: Actor, tenant: TenantId): Promise<string>
}

export function makeSecurityNotices(deps: {
  readonly store: Store
  readonly webhook: Pick<SecurityWebhook, 'notifySecurity'>
  readonly log: Log
  /** Derived for tokens. */
  readonly key: Buffer
}): SecurityNotices {
  const { store, webhook, log, key } = deps
  const secretOf = (tenant: TenantId): string =>
    `whsec_${createHmac('sha256', key).update(`webhook ${tenant}`).digest('base64url')}`

  async function targets(
    event: NewSecurityEvent,
  ): Promise<readonly { readonly tenant: TenantId; readonly settings: string }[]> {
    if (event.tenant !== undefined) {
      const row = await findTenant(store, event.tenant)
      return row === undefined ? [] : [{ tenant: event.tenant, settings: row.settings }]
    }
    if (event.user === undefined) return []
    return (await membershipsOf(store, event.user)).map((row) => ({
      tenant: asId('tenant', row.tenant_id),
      settings: row.tenant_settings,
    }))
  }

  async function notify(id: SecurityEventId, event: NewSecurityEvent, at: number): Promise<void> {
    for (const { tenant, settings } of await targets(event)) {
      const { securityWebhook } = parseTenantSettings(settings)
      if (securityWebhook === undefined) continue
      const notice = {
        id: encodeId('security', id),
        kind: event.kind,
        title: SECURITY_KINDS[event.kind],
        at,
        tenant: encodeId('tenant', tenant),
        score: event.score,
        decision: event.decision,
        user: event.user === undefined ? null : encodeId('user', event.user),
        ip: event.ip ?? null,
        country: event.country ?? null,
      }
      // Its outcome is in the log.
      void webhook.notifySecurity(securityWebhook, notice, secretOf(tenant))
    }
  }
  return {
    async secret(actor, tenant) {
      await store.writer.write([], {
        actor,
        tenant,
        action: 'webhook.secret-shown',
        target: { kind: 'tenant', id: encodeId('tenant', tenant), name: 'security webhook' },
      })
      return secretOf(tenant)
    },
    tell(id, event, at) {
      notify(id, event, at).catch((error: unknown) =>
        log.warn({ err: error }, 'a security event could not be handed on'),
      )
    },
  }
}
