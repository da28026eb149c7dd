/** Who is asking: what a valid API key or SMTP login stands for. */
import type { CredentialId, KeyId, TenantId } from '../../core/ids.ts'

export const SCOPES = ['messages:send', 'messages:read', 'messages:manage'] as const
export type KeyScope = (typeof SCOPES)[number]

/** Limits of one SMTP login; undefined falls back to the configuration's. */
export interface CredentialLimits {
  readonly messagesPerHour?: number | undefined
  readonly recipientsPerHour?: number | undefined
  /** Sessions at the same time. */
  readonly connections?: number | undefined
  /** Bytes. */
  readonly messageSize?: number | undefined
}

export interface Principal {
  readonly tenant: TenantId
  readonly credential: CredentialId | undefined
  readonly key: KeyId | undefined
  readonly name: string
  readonly scopes: readonly KeyScope[]
  /** `test`: everything goes to the sandbox. */
  readonly mode: 'live' | 'test'
  readonly limits: CredentialLimits
}
