/**
 * The terms that API keys and SMTP logins have in common: who may give what away, from where and until when a secret is
 * good, and how long an old one still is after a rotation.
 */
import { AppError } from '../core/errors.ts'
import { networkTest, plainAddress } from '../core/network.ts'
import type { Permission } from '../core/permission.ts'
import type { AccessMode } from '../store/access-records.ts'

/** What the one who makes or rotates a secret may give away with it. */
export interface Grant {
  may(permission: Permission): boolean
  /** `test`: a test key makes nothing that could send. */
  readonly mode: AccessMode
}
/** The operator of the machine holds everything. */
export const OPERATOR_GRANT: Grant = { may: () => true, mode: 'live' }

/** Throws GRANT_FORBIDDEN. */
export function refuseUngranted(
  grant: Grant,
  { scopes, mode }: { readonly scopes: readonly Permission[]; readonly mode: AccessMode },
): void {
  const missing = scopes.filter((scope) => !grant.may(scope))
  if (missing.length > 0)
    throw new AppError('GRANT_FORBIDDEN', {
      public: `You cannot give ${missing.join(', ')}: you do not have it yourself.`,
    })
  if (grant.mode === 'test' && mode === 'live')
    throw new AppError('GRANT_FORBIDDEN', {
      public: 'A test key can only make what sends to the sandbox.',
    })
}

export type AccessState = 'live' | 'expired' | 'revoked'

export function stateOf(
  row: { readonly expiresAt: number | undefined; readonly revokedAt: number | undefined },
  now: number,
): AccessState {
  if (row.revokedAt !== undefined) return 'revoked'
  return row.expiresAt !== undefined && row.expiresAt <= now ? 'expired' : 'live'
}

const invalid = (path: string, message: string): AppError =>
  new AppError('BODY_INVALID', { fields: [{ path, message }] })

const MAX_NAME = 100

/** What people call it: one line, without control characters. */
export function checkedName(name: string): string {
  const trimmed = name.trim()
  if (trimmed.length === 0 || trimmed.length > MAX_NAME || /\p{C}/u.test(trimmed))
    throw invalid('name', `must be 1 to ${MAX_NAME} printable characters`)
  return trimmed
}

const MAX_NETWORKS = 100

/** Addresses and networks in one spelling, each once. */
export function checkedNetworks(networks: readonly string[]): readonly string[] {
  if (networks.length > MAX_NETWORKS) throw invalid('networks', `must be at most ${MAX_NETWORKS}`)
  networks.forEach((network, i) => {
    try {
      networkTest([network])
    } catch {
      throw invalid(`networks/${i}`, 'is not an address or a network, such as 192.0.2.0/24')
    }
  })
  return [...new Set(networks.map(plainAddress))]
}

/** Longer than any secret should live, and short enough to be a date everywhere. */
const MAX_LIFE_MS = 10 * 366 * 86_400_000

export function checkedExpiry(expiresAt: number, now: number): number {
  if (expiresAt <= now) throw invalid('expiresAt', 'must be in the future')
  if (expiresAt > now + MAX_LIFE_MS) throw invalid('expiresAt', 'must be within ten years')
  return expiresAt
}

export const DEFAULT_OVERLAP_MS = 86_400_000
export const MAX_OVERLAP_MS = 30 * 86_400_000

export function checkedOverlap(overlapMs: number): number {
  if (Number.isInteger(overlapMs) && overlapMs >= 0 && overlapMs <= MAX_OVERLAP_MS) return overlapMs
  throw invalid('overlapSeconds', 'must be from 0 to 2592000, which is 30 days')
}

export const MAX_REQUESTS_PER_SECOND = 100_000

export function checkedRate(perSecond: number): number {
  if (Number.isInteger(perSecond) && perSecond >= 1 && perSecond <= MAX_REQUESTS_PER_SECOND)
    return perSecond
  throw invalid('requestsPerSecond', `must be a whole number from 1 to ${MAX_REQUESTS_PER_SECOND}`)
}

export interface RotateOptions {
  /** How long the old secret is still good: a day when left out, at most 30 days, 0 ends it at once. */
  readonly overlapMs?: number | undefined
  /** When left out, the new secret lives as long as the old one was to live. */
  readonly expiresAt?: number | undefined
  readonly grant: Grant
}

/** When the new secret ends. */
export function renewedExpiry(
  old: { readonly madeAt: number; readonly expiresAt: number | undefined },
  { expiresAt }: RotateOptions,
  now: number,
): number | undefined {
  if (expiresAt !== undefined) return checkedExpiry(expiresAt, now)
  return old.expiresAt === undefined ? undefined : now + (old.expiresAt - old.madeAt)
}

/** For the audit log: `2026-01-01T00:00:00.000Z`. */
export const instant = (at: number | undefined): string | null =>
  at === undefined ? null : new Date(at).toISOString()
