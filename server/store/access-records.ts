/**
 * API keys and SMTP logins as the snapshot of operating settings holds them. Lists and networks are read from their
 * JSON here, once per snapshot, so that authenticating is a look-up and nothing more.
 */
import { asId } from '../core/ids.ts'
import type { CredentialId, KeyId, TenantId } from '../core/ids.ts'
import { networkTest } from '../core/network.ts'
import type { NetworkTest } from '../core/network.ts'
import { isPermission } from '../core/permission.ts'
import type { Permission } from '../core/permission.ts'
import type { AllTenants } from './schema.ts'

export type AccessMode = 'live' | 'test'

/** Limits of one SMTP login; undefined falls back to the configuration's. */
export interface CredentialLimits {
  readonly messagesPerHour?: number | undefined
  readonly recipientsPerHour?: number | undefined
  /** Sessions at the same time. */
  readonly connections?: number | undefined
  /** Bytes. */
  readonly messageSize?: number | undefined
}

interface AccessRecord {
  readonly tenant: TenantId
  readonly secretHash: string
  readonly mode: AccessMode
  /** Undefined: from anywhere. */
  readonly allows: NetworkTest | undefined
  readonly expiresAt: number | undefined
  readonly revokedAt: number | undefined
}
export interface CredentialRecord extends AccessRecord {
  readonly id: CredentialId
  readonly username: string
  readonly limits: CredentialLimits
  /** The password before the last rotation, good until then. */
  readonly former: { readonly hash: string; readonly until: number } | undefined
}
export interface KeyRecord extends AccessRecord {
  readonly id: KeyId
  readonly name: string
  readonly scopes: readonly Permission[]
  readonly requestsPerSecond: number | undefined
}

const isText = (value: unknown): value is string => typeof value === 'string'

/** A JSON array of texts; anything else in it is left out. */
export function parseTexts(json: string): readonly string[] {
  const value: unknown = JSON.parse(json)
  return Array.isArray(value) ? value.filter(isText) : []
}

/** A scope that this version does not know is left out: it gives no right. */
export const parseScopes = (json: string): readonly Permission[] =>
  parseTexts(json).filter(isPermission)

export function parseLimits(json: string): CredentialLimits {
  const value: unknown = JSON.parse(json)
  if (typeof value !== 'object' || value === null) return {}
  const number = (name: keyof CredentialLimits): number | undefined => {
    const limit: unknown = Reflect.get(value, name)
    return typeof limit === 'number' ? limit : undefined
  }
  return {
    messagesPerHour: number('messagesPerHour'),
    recipientsPerHour: number('recipientsPerHour'),
    connections: number('connections'),
    messageSize: number('messageSize'),
  }
}

/** A program calls from one address, again and again; looking it up in a list of networks costs microseconds. */
function rememberLast(test: NetworkTest): NetworkTest {
  let last: string | undefined
  let isIn = false
  return (address) => {
    if (address === last) return isIn
    isIn = test(address)
    last = address
    return isIn
  }
}

function parseNetworks(json: string): NetworkTest | undefined {
  const networks = parseTexts(json)
  if (networks.length === 0) return undefined
  try {
    return rememberLast(networkTest(networks))
  } catch {
    // The services let no such row in. One bad row must shut out its own key, not the whole installation.
    return () => false
  }
}

/** Most rows say the same: each text is read once. */
function once<T>(parse: (json: string) => T): (json: string) => T {
  const known = new Map<string, { readonly value: T }>()
  return (json) => {
    let found = known.get(json)
    if (found === undefined) known.set(json, (found = { value: parse(json) }))
    return found.value
  }
}

/** By secret hash. */
export async function loadKeys(read: AllTenants): Promise<Map<string, KeyRecord>> {
  const rows = await read.selectFrom('keys').selectAll().execute()
  const scopesOf = once(parseScopes)
  const networksOf = once(parseNetworks)
  return new Map(
    rows.map((row) => [
      row.secret_hash,
      {
        id: asId('key', row.id),
        tenant: asId('tenant', row.tenant_id),
        name: row.name,
        secretHash: row.secret_hash,
        scopes: scopesOf(row.scopes),
        mode: row.mode,
        allows: networksOf(row.networks),
        requestsPerSecond: row.rate ?? undefined,
        expiresAt: row.expires_at ?? undefined,
        revokedAt: row.revoked_at ?? undefined,
      },
    ]),
  )
}

/** By user name. */
export async function loadCredentials(read: AllTenants): Promise<Map<string, CredentialRecord>> {
  const rows = await read.selectFrom('credentials').selectAll().execute()
  const limitsOf = once(parseLimits)
  const networksOf = once(parseNetworks)
  return new Map(
    rows.map((row) => [
      row.username,
      {
        id: asId('credential', row.id),
        tenant: asId('tenant', row.tenant_id),
        username: row.username,
        secretHash: row.secret_hash,
        former:
          row.former_hash === null || row.former_until === null
            ? undefined
            : { hash: row.former_hash, until: row.former_until },
        limits: limitsOf(row.limits),
        mode: row.mode,
        allows: networksOf(row.networks),
        expiresAt: row.expires_at ?? undefined,
        revokedAt: row.revoked_at ?? undefined,
      },
    ]),
  )
}
