/**
 * API keys: made, changed, rotated, revoked and recognised here. The secret is in the answer once and nowhere else.
 * Every change is in force here at once, and in other processes within a second.
 */
import type { Actor, AuditDraft, AuditValue } from '../core/audit.ts'
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import type { KeyId, TenantId } from '../core/ids.ts'
import { isPermission } from '../core/permission.ts'
import type { Permission } from '../core/permission.ts'
import { insertKey, keyById, listKeys, replaceKey, updateKey } from '../store/keys.ts'
import type { KeyChange, KeyRow } from '../store/keys.ts'
import type { AccessDeps, AccessPage } from './access.ts'
import {
  checkedExpiry,
  checkedName,
  checkedNetworks,
  checkedOverlap,
  checkedRate,
  DEFAULT_OVERLAP_MS,
  instant,
  MAX_OVERLAP_MS,
  refuseUngranted,
  renewedExpiry,
  stateOf,
} from './access-terms.ts'
import type { AccessState, Grant, RotateOptions } from './access-terms.ts'
import { hashSecret, newApiKey } from './auth/secret.ts'

export interface KeyInfo extends KeyRow {
  readonly state: AccessState
}

export interface KeySpec {
  readonly name: string
  /** Permissions of core/permission.ts. */
  readonly scopes: readonly string[]
  /** `test`: whatever it sends goes to the sandbox. It never changes. */
  readonly mode: 'live' | 'test'
  readonly networks?: readonly string[] | undefined
  /** Never more than the configuration's, whatever stands here. */
  readonly requestsPerSecond?: number | undefined
  readonly expiresAt?: number | undefined
}
export type KeyEdit = Omit<KeyChange, 'scopes'> & {
  readonly scopes?: readonly string[] | undefined
}

export interface Keys {
  /** GRANT_FORBIDDEN for scopes that the maker does not hold, BODY_INVALID for terms that make no sense. */
  create(
    actor: Actor,
    tenant: TenantId,
    spec: KeySpec & { readonly grant: Grant },
  ): Promise<{ readonly key: KeyInfo; readonly secret: string }>
  /** NOT_FOUND; STATE_CONFLICT for a revoked key; GRANT_FORBIDDEN for scopes that are added. */
  change(
    actor: Actor,
    tenant: TenantId,
    id: KeyId,
    edit: KeyEdit & { readonly grant: Grant },
  ): Promise<KeyInfo>
  /**
   * A new key on the same terms, and an end for the old one. NOT_FOUND; STATE_CONFLICT for a key that was revoked or
   * rotated before; GRANT_FORBIDDEN for who does not hold all of its scopes.
   */
  rotate(
    actor: Actor,
    tenant: TenantId,
    id: KeyId,
    options: RotateOptions,
  ): Promise<{ readonly key: KeyInfo; readonly former: KeyInfo; readonly secret: string }>
  /** For good. A second time is no error and no change. NOT_FOUND. */
  revoke(actor: Actor, tenant: TenantId, id: KeyId): Promise<KeyInfo>
  /** NOT_FOUND. */
  get(tenant: TenantId, id: KeyId): Promise<KeyInfo>
  /** Newest first. */
  list(tenant: TenantId, page: AccessPage): Promise<KeyInfo[]>
  /** Whose key a secret is, whatever its state. For operators: it looks at all tenants. */
  recognise(secret: string): Promise<KeyInfo | undefined>
}

export function makeKeys(deps: AccessDeps): Keys {
  const { store, catalog, clock, random, hashKey } = deps

  const infoOf = (row: KeyRow): KeyInfo => ({ ...row, state: stateOf(row, clock.now()) })
  async function get(tenant: TenantId, id: KeyId): Promise<KeyInfo> {
    const row = await keyById(store, tenant, id)
    if (row === undefined) throw new AppError('NOT_FOUND')
    return infoOf(row)
  }
  async function getUsable(tenant: TenantId, id: KeyId): Promise<KeyInfo> {
    const key = await get(tenant, id)
    if (key.state === 'revoked')
      throw new AppError('STATE_CONFLICT', { public: 'This key is revoked.' })
    return key
  }
  return {
    async create(actor, tenant, { grant, ...spec }) {
      const now = clock.now()
      const terms = {
        name: checkedName(spec.name),
        scopes: checkedScopes(spec.scopes),
        mode: spec.mode,
        networks: checkedNetworks(spec.networks ?? []),
        requestsPerSecond:
          spec.requestsPerSecond === undefined ? undefined : checkedRate(spec.requestsPerSecond),
        expiresAt: spec.expiresAt === undefined ? undefined : checkedExpiry(spec.expiresAt, now),
      }
      refuseUngranted(grant, terms)
      const secret = newApiKey(spec.mode, random)
      const secretHash = hashSecret(secret, hashKey)
      const record = draft(actor, { ...terms, tenant }, 'key.created', { after: viewOf(terms) })
      const row = { ...terms, tenant, secretHash, createdAt: now, createdBy: actor.name }
      const id = await insertKey(store, row, record)
      await catalog.refresh()
      return { key: await get(tenant, id), secret }
    },
    async change(actor, tenant, id, { grant, ...edit }) {
      const key = await getUsable(tenant, id)
      const change = checkedChange(key, edit, clock.now())
      const added = change.scopes?.filter((scope) => !key.scopes.includes(scope))
      refuseUngranted(grant, { scopes: added ?? [], mode: key.mode })
      const after = viewOf({ ...key, ...change })
      await updateKey(
        store,
        key,
        change,
        draft(actor, key, 'key.changed', { before: viewOf(key), after }),
      )
      await catalog.refresh()
      return get(tenant, id)
    },
    async rotate(actor, tenant, id, options) {
      const former = await getUsable(tenant, id)
      if (former.replacedBy !== undefined)
        throw new AppError('STATE_CONFLICT', {
          public: `This key was rotated before; ${encodeId('key', former.replacedBy)} took its place.`,
        })
      refuseUngranted(options.grant, former)
      const now = clock.now()
      const overlapMs = checkedOverlap(options.overlapMs ?? DEFAULT_OVERLAP_MS)
      const endsAt = Math.min(former.expiresAt ?? Infinity, now + overlapMs)
      const made = { madeAt: former.createdAt, expiresAt: former.expiresAt }
      const terms = { ...former, expiresAt: renewedExpiry(made, options, now) }
      const secret = newApiKey(former.mode, random)
      const row = {
        ...terms,
        secretHash: hashSecret(secret, hashKey),
        createdAt: now,
        createdBy: actor.name,
      }
      // The record names the new key; where the old one went stands in it.
      const record = draft(actor, { tenant, name: former.name }, 'key.rotated', {
        before: { id: encodeId('key', id), ...viewOf(former) },
        after: { ...viewOf(terms), formerEndsAt: instant(endsAt) },
      })
      const newId = await replaceKey(store, row, { id, endsAt }, record)
      await catalog.refresh()
      return { key: await get(tenant, newId), former: await get(tenant, id), secret }
    },
    async revoke(actor, tenant, id) {
      const key = await get(tenant, id)
      if (key.state === 'revoked') return key
      const record = draft(actor, key, 'key.revoked', {})
      await updateKey(store, key, { revokedAt: clock.now() }, record)
      await catalog.refresh()
      return get(tenant, id)
    },
    get,
    list: async (tenant, page) => (await listKeys(store, tenant, page)).map(infoOf),
    async recognise(secret) {
      const known = catalog.current.keys.get(hashSecret(secret, hashKey))
      return known === undefined ? undefined : get(known.tenant, known.id)
    },
  }
}

function checkedScopes(scopes: readonly string[]): readonly Permission[] {
  const unknown = scopes.findIndex((scope) => !isPermission(scope))
  if (unknown >= 0)
    throw new AppError('BODY_INVALID', {
      public: `There is no scope ${scopes[unknown] ?? ''}.`,
      fields: [{ path: `scopes/${unknown}`, message: 'is not a scope' }],
    })
  if (scopes.length === 0)
    throw new AppError('BODY_INVALID', {
      fields: [{ path: 'scopes', message: 'must have at least one scope' }],
    })
  return [...new Set(scopes.filter(isPermission))]
}

// The compiler's type: it knows better which fields there are.
function checkedChange(key: KeyInfo, edit: KeyEdit, now: number) {
  const { name, scopes, networks, requestsPerSecond, expiresAt } = edit
  // A key that was replaced has an end, however it is changed.
  const isTooLong = expiresAt === null || (expiresAt ?? 0) > now + MAX_OVERLAP_MS
  if (key.replacedBy !== undefined && isTooLong)
    throw new AppError('STATE_CONFLICT', {
      public: 'This key was rotated; it can be kept for at most 30 more days.',
    })
  return {
    ...(name === undefined ? {} : { name: checkedName(name) }),
    ...(scopes === undefined ? {} : { scopes: checkedScopes(scopes) }),
    ...(networks === undefined ? {} : { networks: checkedNetworks(networks) }),
    ...(requestsPerSecond === undefined
      ? {}
      : { requestsPerSecond: requestsPerSecond === null ? null : checkedRate(requestsPerSecond) }),
    ...(expiresAt === undefined
      ? {}
      : { expiresAt: expiresAt === null ? null : checkedExpiry(expiresAt, now) }),
  }
}

type Terms = Pick<KeyRow, 'name' | 'scopes' | 'mode' | 'networks'> & {
  readonly requestsPerSecond: number | null | undefined
  readonly expiresAt: number | null | undefined
}

/** What the audit log keeps of a key. */
const viewOf = (key: Terms): { readonly [field: string]: AuditValue } => ({
  name: key.name,
  scopes: key.scopes,
  mode: key.mode,
  networks: key.networks,
  requestsPerSecond: key.requestsPerSecond ?? null,
  expiresAt: instant(key.expiresAt ?? undefined),
})

/** Without an id it is about the key that the change makes. */
const draft = (
  actor: Actor,
  key: { readonly tenant: TenantId; readonly name: string; readonly id?: KeyId },
  action: string,
  values: Pick<AuditDraft, 'before' | 'after'>,
): AuditDraft => ({
  actor,
  tenant: key.tenant,
  action,
  target: {
    kind: 'key',
    id: key.id === undefined ? undefined : encodeId('key', key.id),
    name: key.name,
  },
  ...values,
})
