/** Turns a secret into a principal. Unknown and wrong look the same from outside and take the same time. */
import { timingSafeEqual } from 'node:crypto'
import { AppError } from '../../core/errors.ts'
import type { Catalog } from '../catalog.ts'
import { SCOPES } from './principal.ts'
import type { CredentialLimits, KeyScope, Principal } from './principal.ts'
import { hashSecret, isApiKey } from './secret.ts'

export interface Authenticator {
  /** Throws AUTH_FAILED or AUTH_REVOKED. */
  key(token: string): Principal
  /** SMTP AUTH. Throws AUTH_FAILED or AUTH_REVOKED. */
  login(username: string, password: string): Principal
  /** Whether the login was revoked since; a session asks before each message. */
  isRevoked(principal: Principal): boolean
}

const equal = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))

const isScope = (value: unknown): value is KeyScope =>
  typeof value === 'string' && (SCOPES as readonly string[]).includes(value)

function parseScopes(json: string): KeyScope[] {
  const value: unknown = JSON.parse(json)
  return Array.isArray(value) ? value.filter(isScope) : []
}

function parseLimits(json: string): CredentialLimits {
  const value: unknown = JSON.parse(json)
  if (typeof value !== 'object' || value === null) return {}
  const number = (name: string): number | undefined => {
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

export function makeAuthenticator(catalog: Catalog, hashKey: Buffer): Authenticator {
  /** Hashed keys are looked up by hash: an attacker who can time a map learns nothing about a secret. */
  function key(token: string): Principal {
    if (!isApiKey(token)) throw new AppError('AUTH_FAILED')
    const record = catalog.current.keys.get(hashSecret(token, hashKey))
    if (record === undefined) throw new AppError('AUTH_FAILED')
    if (record.revokedAt !== undefined) throw new AppError('AUTH_REVOKED')
    refuseDisabled(record.tenant)
    return {
      tenant: record.tenant,
      credential: undefined,
      key: record.id,
      name: record.name,
      scopes: parseScopes(record.scopes),
      mode: record.mode,
      limits: {},
    }
  }
  function login(username: string, password: string): Principal {
    const hash = hashSecret(password, hashKey)
    const record = catalog.current.credentials.get(username)
    if (record === undefined || !equal(hash, record.secretHash)) throw new AppError('AUTH_FAILED')
    if (record.revokedAt !== undefined) throw new AppError('AUTH_REVOKED')
    refuseDisabled(record.tenant)
    return {
      tenant: record.tenant,
      credential: record.id,
      key: undefined,
      name: record.username,
      scopes: ['messages:send'],
      mode: 'live',
      limits: parseLimits(record.limits),
    }
  }
  function refuseDisabled(tenant: Principal['tenant']): void {
    const record = catalog.current.tenants.get(tenant)
    if (record === undefined || record.disabledAt !== undefined) throw new AppError('AUTH_REVOKED')
  }
  return {
    key,
    login,
    isRevoked(principal) {
      if (principal.credential === undefined) return false
      return catalog.current.credentials.get(principal.name)?.revokedAt !== undefined
    },
  }
}
