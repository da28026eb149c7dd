/**
 * SMTP logins: made, changed, rotated and revoked here. The password is in the answer once and nowhere else. Every change
 * is in force here at once, and in other processes within a second; a session that is open asks before each message.
 */
import type { Actor, AuditDraft, AuditValue } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import type { CredentialId, TenantId } from '../core/ids.ts'
import type { CredentialLimits } from '../store/access-records.ts'
import {
  credentialById,
  insertCredential,
  listCredentials,
  replacePassword,
  updateCredential,
} from '../store/credentials.ts'
import type { CredentialChange, CredentialRow } from '../store/credentials.ts'
import type { AccessDeps, AccessPage } from './access.ts'
import {
  checkedExpiry,
  checkedNetworks,
  checkedOverlap,
  DEFAULT_OVERLAP_MS,
  instant,
  refuseUngranted,
  renewedExpiry,
  stateOf,
} from './access-terms.ts'
import type { AccessState, Grant, RotateOptions } from './access-terms.ts'
import { hashSecret, newSecret } from './auth/secret.ts'

export interface CredentialInfo extends CredentialRow {
  readonly state: AccessState
}

export interface CredentialSpec {
  /** 1 to 128 visible ASCII characters; unique over all tenants, for good. */
  readonly username: string
  readonly limits?: CredentialLimits | undefined
  /** `test`: whatever it sends goes to the sandbox. It never changes. */
  readonly mode?: 'live' | 'test' | undefined
  readonly networks?: readonly string[] | undefined
  readonly expiresAt?: number | undefined
}

export interface Credentials {
  /** NAME_TAKEN, BODY_INVALID; GRANT_FORBIDDEN for who may not send mail. */
  create(
    actor: Actor,
    tenant: TenantId,
    spec: CredentialSpec & { readonly grant: Grant },
  ): Promise<{ readonly credential: CredentialInfo; readonly password: string }>
  /** NOT_FOUND; STATE_CONFLICT for a revoked login. */
  change(
    actor: Actor,
    tenant: TenantId,
    id: CredentialId,
    edit: CredentialChange,
  ): Promise<CredentialInfo>
  /**
   * A new password; the old one is good for a while, the one before it no longer. NOT_FOUND; STATE_CONFLICT for a
   * revoked login; GRANT_FORBIDDEN for who may not send mail.
   */
  rotate(
    actor: Actor,
    tenant: TenantId,
    id: CredentialId,
    options: RotateOptions,
  ): Promise<{ readonly credential: CredentialInfo; readonly password: string }>
  /** For good. A second time is no error and no change. NOT_FOUND. */
  revoke(actor: Actor, tenant: TenantId, id: CredentialId): Promise<CredentialInfo>
  /** NOT_FOUND. */
  get(tenant: TenantId, id: CredentialId): Promise<CredentialInfo>
  /** Newest first. */
  list(tenant: TenantId, page: AccessPage): Promise<CredentialInfo[]>
}

/** What every login gives. */
const SENDING = ['messages:send'] as const

export function makeCredentials(deps: AccessDeps): Credentials {
  const { store, catalog, clock, random, hashKey } = deps

  const infoOf = (row: CredentialRow): CredentialInfo => ({
    ...row,
    state: stateOf(row, clock.now()),
  })
  async function get(tenant: TenantId, id: CredentialId): Promise<CredentialInfo> {
    const row = await credentialById(store, tenant, id)
    if (row === undefined) throw new AppError('NOT_FOUND')
    return infoOf(row)
  }
  async function getUsable(tenant: TenantId, id: CredentialId): Promise<CredentialInfo> {
    const credential = await get(tenant, id)
    if (credential.state === 'revoked')
      throw new AppError('STATE_CONFLICT', { public: 'This login is revoked.' })
    return credential
  }
  return {
    async create(actor, tenant, { grant, ...spec }) {
      const now = clock.now()
      const terms = {
        username: checkedUsername(spec.username),
        limits: spec.limits ?? {},
        mode: spec.mode ?? 'live',
        networks: checkedNetworks(spec.networks ?? []),
        expiresAt: spec.expiresAt === undefined ? undefined : checkedExpiry(spec.expiresAt, now),
      }
      refuseUngranted(grant, { scopes: SENDING, mode: terms.mode })
      const password = newSecret(random)
      const secretHash = hashSecret(password, hashKey)
      const record = draft(actor, { ...terms, tenant }, 'credential.created', {
        after: viewOf(terms),
      })
      const row = { ...terms, tenant, secretHash, createdAt: now, createdBy: actor.name }
      const id = await insertCredential(store, row, record)
      await catalog.refresh()
      return { credential: await get(tenant, id), password }
    },
    async change(actor, tenant, id, { limits, networks, expiresAt }) {
      const credential = await getUsable(tenant, id)
      const change = {
        ...(limits === undefined ? {} : { limits }),
        ...(networks === undefined ? {} : { networks: checkedNetworks(networks) }),
        ...(expiresAt === undefined
          ? {}
          : { expiresAt: expiresAt === null ? null : checkedExpiry(expiresAt, clock.now()) }),
      }
      const record = draft(actor, credential, 'credential.changed', {
        before: viewOf(credential),
        after: viewOf({ ...credential, ...change }),
      })
      await updateCredential(store, credential, change, record)
      await catalog.refresh()
      return get(tenant, id)
    },
    async rotate(actor, tenant, id, options) {
      const credential = await getUsable(tenant, id)
      refuseUngranted(options.grant, { scopes: SENDING, mode: credential.mode })
      const now = clock.now()
      const overlapMs = checkedOverlap(options.overlapMs ?? DEFAULT_OVERLAP_MS)
      // A new password must not lengthen the life of the old one.
      const formerUntil = Math.min(credential.expiresAt ?? Infinity, now + overlapMs)
      const made = {
        madeAt: credential.rotatedAt ?? credential.createdAt,
        expiresAt: credential.expiresAt,
      }
      const expiresAt = renewedExpiry(made, options, now)
      const password = newSecret(random)
      const record = draft(actor, credential, 'credential.rotated', {
        before: { expiresAt: instant(credential.expiresAt) },
        after: { expiresAt: instant(expiresAt), formerUntil: instant(formerUntil) },
      })
      const secretHash = hashSecret(password, hashKey)
      const next = { secretHash, formerUntil, expiresAt, madeAt: now }
      await replacePassword(store, credential, next, record)
      await catalog.refresh()
      return { credential: await get(tenant, id), password }
    },
    async revoke(actor, tenant, id) {
      const credential = await get(tenant, id)
      if (credential.state === 'revoked') return credential
      const record = draft(actor, credential, 'credential.revoked', {})
      await updateCredential(store, credential, { revokedAt: clock.now() }, record)
      await catalog.refresh()
      return get(tenant, id)
    },
    get,
    list: async (tenant, page) => (await listCredentials(store, tenant, page)).map(infoOf),
  }
}

function checkedUsername(username: string): string {
  // RFC 4616: NUL separates the fields of AUTH PLAIN.
  if (/^[\x21-\x7e]{1,128}$/.test(username)) return username
  throw new AppError('BODY_INVALID', {
    public: 'A user name has 1 to 128 visible ASCII characters.',
    fields: [{ path: 'username', message: 'must be 1 to 128 visible ASCII characters' }],
  })
}

type Terms = Pick<CredentialRow, 'username' | 'limits' | 'mode' | 'networks'> & {
  readonly expiresAt: number | null | undefined
}

/** What the audit log keeps of a login. */
const viewOf = ({ username, limits, mode, networks, expiresAt }: Terms): AuditValue => ({
  username,
  mode,
  networks,
  limits: {
    messagesPerHour: limits.messagesPerHour ?? null,
    recipientsPerHour: limits.recipientsPerHour ?? null,
    connections: limits.connections ?? null,
    messageSize: limits.messageSize ?? null,
  },
  expiresAt: instant(expiresAt ?? undefined),
})

/** Without an id it is about the login that the change makes. */
const draft = (
  actor: Actor,
  login: {
    readonly tenant: TenantId
    readonly username: string
    readonly id?: CredentialId
  },
  action: string,
  values: Pick<AuditDraft, 'before' | 'after'>,
): AuditDraft => ({
  actor,
  tenant: login.tenant,
  action,
  target: {
    kind: 'credential',
    id: login.id === undefined ? undefined : encodeId('credential', login.id),
    name: login.username,
  },
  ...values,
})
