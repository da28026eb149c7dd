/** Who is on the other side of a request: an API key of a tenant, or a person with a session. */
import type { Actor } from '../../core/audit.ts'
import type { SessionId, TenantId, UserId } from '../../core/ids.ts'
import type { PlatformRole } from '../../core/permission.ts'
import type { Abilities } from './ability.ts'
import type { Principal } from './principal.ts'

/** Where a request comes from, as far as it says. */
export interface Whence {
  readonly ip: string
  readonly userAgent: string
  readonly requestId: string | undefined
}

export interface Membership {
  readonly tenant: TenantId
  readonly tenantName: string
  readonly role: string
}

/**
 * `second-factor`: the password was right, the second factor is still asked for. `enrol`: a second factor must be set
 * up before anything else. `open`: signed in.
 */
export type SessionStage = 'second-factor' | 'enrol' | 'open'

/** A session that is in force, with its person. */
export interface SessionFacts {
  readonly id: SessionId
  readonly user: UserId
  readonly email: string
  readonly name: string
  readonly stage: SessionStage
  readonly method: string
  readonly createdAt: number
  readonly expiresAt: number
  /** The last proof of who it is, epoch ms. */
  readonly confirmedAt: number | undefined
  readonly platformRole: PlatformRole | undefined
  readonly memberships: readonly Membership[]
  readonly abilities: Abilities
}

export interface KeyCaller {
  readonly kind: 'key'
  /** Made when asked: most requests change nothing that is audited. */
  readonly actor: () => Actor
  readonly tenant: TenantId
  readonly principal: Principal
}
export interface SessionCaller {
  readonly kind: 'session'
  readonly actor: () => Actor
  /** The tenant the request is about; undefined where none is needed. */
  readonly tenant: TenantId | undefined
  readonly session: SessionFacts
}
export type Caller = KeyCaller | SessionCaller
