/**
 * Turns a secret into a principal, in memory: every request and every SMTP session passes here. Unknown and wrong look
 * the same from outside and take the same time; that something is revoked, expired or used from elsewhere is told only
 * to who knows the secret.
 */
import { timingSafeEqual } from 'node:crypto'
import { AppError } from '../../core/errors.ts'
import type { ErrorCode } from '../../core/errors.ts'
import type { TenantId } from '../../core/ids.ts'
import type { Clock } from '../../core/ports.ts'
import type { CredentialRecord, KeyRecord } from '../../store/access-records.ts'
import type { AccessUses, Use } from '../access-uses.ts'
import type { Catalog } from '../catalog.ts'
import type { Principal } from './principal.ts'
import { hashSecret, hasKeyForm } from './secret.ts'

export interface Authenticator {
  /** Throws AUTH_FAILED, AUTH_REVOKED, AUTH_EXPIRED or NETWORK_FORBIDDEN. `ip` is where it is used from. */
  key(token: string, ip: string): Principal
  /** SMTP AUTH. Throws the same. */
  login(username: string, password: string, ip: string): Principal
  /**
   * Whether what `login` found no longer holds: revoked, expired, rotated for longer than its overlap, bound to other
   * networks, tenant disabled. A session asks before each message.
   */
  isRevoked(principal: Principal): boolean
  /** Whether there is such a tenant, disabled or not. */
  hasTenant(tenant: TenantId): boolean
  /** ISO 3166-1 alpha-2, when known. */
  countryOf(ip: string): string | undefined
}

/** The part of places.ts that is needed here. */
export interface Places {
  placeOf(ip: string): { readonly country?: string | undefined }
}

export interface AuthenticatorDeps {
  readonly catalog: Pick<Catalog, 'current'>
  readonly hashKey: Buffer
  readonly clock: Pick<Clock, 'now'>
  readonly places: Places
  readonly uses: Pick<AccessUses, 'note'>
  /** A right secret from a network that it is not bound to. Must not throw. */
  readonly onMisplaced?: ((use: Use) => void) | undefined
}

type Passwords = Pick<CredentialRecord, 'secretHash' | 'former'>

const SENDING = ['messages:send'] as const
const NO_LIMITS = {}
/** Compared with when there is nothing to compare with, so that this takes the same time. */
const NOBODY: Passwords = { secretHash: '0'.repeat(64), former: undefined }

const equal = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))

export function makeAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const { catalog, hashKey, clock, places, uses } = deps
  /** What each login of a session rests on. Apart from the principal, which is handed around. */
  const proofs = new WeakMap<Principal, { readonly hash: string; readonly ip: string }>()

  const isDisabled = (tenant: TenantId): boolean => {
    const record = catalog.current.tenants.get(tenant)
    return record === undefined || record.disabledAt !== undefined
  }
  /** Why a secret that is right does not do. Elsewhere first: a thief learns nothing more about what was stolen. */
  function refusalOf(record: KeyRecord | CredentialRecord, ip: string): ErrorCode | undefined {
    const { allows, revokedAt, expiresAt, tenant } = record
    if (allows !== undefined && !allows(ip)) return 'NETWORK_FORBIDDEN'
    if (revokedAt !== undefined || isDisabled(tenant)) return 'AUTH_REVOKED'
    return expiresAt !== undefined && expiresAt <= clock.now() ? 'AUTH_EXPIRED' : undefined
  }
  function refuse(record: KeyRecord | CredentialRecord, use: Use): void {
    const code = refusalOf(record, use.ip)
    if (code === 'NETWORK_FORBIDDEN') deps.onMisplaced?.(use)
    if (code !== undefined) throw new AppError(code)
  }
  const isInOverlap = ({ former }: Passwords): boolean =>
    former !== undefined && former.until > clock.now()
  function isPassword(record: Passwords, hash: string): boolean {
    const isFormer = equal(hash, record.former?.hash ?? NOBODY.secretHash)
    return equal(hash, record.secretHash) || (isFormer && isInOverlap(record))
  }
  return {
    /** Hashed keys are looked up by hash: an attacker who can time a map learns nothing about a secret. */
    key(token, ip) {
      const record = hasKeyForm(token)
        ? catalog.current.keys.get(hashSecret(token, hashKey))
        : undefined
      if (record === undefined) throw new AppError('AUTH_FAILED')
      const { tenant, id, name, scopes, mode, requestsPerSecond } = record
      const use: Use = { kind: 'key', tenant, id, name, ip }
      refuse(record, use)
      uses.note(use)
      return {
        tenant,
        credential: undefined,
        key: id,
        name,
        scopes,
        mode,
        limits: NO_LIMITS,
        requestsPerSecond,
      }
    },
    login(username, password, ip) {
      const hash = hashSecret(password, hashKey)
      const record = catalog.current.credentials.get(username)
      const isRight = isPassword(record ?? NOBODY, hash)
      if (record === undefined || !isRight) throw new AppError('AUTH_FAILED')
      const { tenant, id, mode, limits } = record
      const use: Use = { kind: 'credential', tenant, id, name: username, ip }
      refuse(record, use)
      uses.note(use)
      const principal: Principal = {
        tenant,
        credential: id,
        key: undefined,
        name: username,
        scopes: SENDING,
        mode,
        limits,
      }
      proofs.set(principal, { hash, ip })
      return principal
    },
    isRevoked(principal) {
      if (isDisabled(principal.tenant)) return true
      const proof = proofs.get(principal)
      if (proof === undefined) return false
      const record = catalog.current.credentials.get(principal.name)
      if (record === undefined) return true
      const { hash, ip } = proof
      const isGood =
        hash === record.secretHash || (hash === record.former?.hash && isInOverlap(record))
      return !isGood || refusalOf(record, ip) !== undefined
    },
    hasTenant: (tenant) => catalog.current.tenants.has(tenant),
    countryOf: (ip) => places.placeOf(ip).country,
  }
}
