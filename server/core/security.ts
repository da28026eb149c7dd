/**
 * The security log's words: what can be noticed about accounts and keys. A closed set, so that screens, mails and
 * alerts can rely on it. Who changed what is the audit log's matter, not this one's.
 */
import type { Id, TenantId, UserId } from './ids.ts'

export type SecurityEventId = Id<'security'>

/** What a sign-in can be found to be; `policy/anomaly.ts` judges. */
export const FINDING_KINDS = [
  'new-country',
  'impossible-travel',
  'network-type-change',
  'new-device',
  'burst-from-network',
  'failures-before-success',
] as const
export type FindingKind = (typeof FINDING_KINDS)[number]

/** kind → what happened, for people. */
export const SECURITY_KINDS = {
  'new-country': 'A sign-in from a country this person has not signed in from before.',
  'impossible-travel': 'A sign-in too far away from the last one for the time between them.',
  'network-type-change': 'A sign-in from a kind of network this person has not used before.',
  'new-device': 'A sign-in from a new device.',
  'burst-from-network': 'A sign-in from a network that has just failed at many accounts.',
  'failures-before-success': 'A sign-in after many failures at the same account.',
  'sign-in-failed-burst': 'One network failed to sign in to many accounts.',
  'account-locked': 'An account was locked.',
  'account-released': 'A locked account was released.',
  'password-changed': 'The password of an account was changed.',
  'second-factor-added': 'A second factor was added to an account.',
  'second-factor-removed': 'A second factor was removed from an account.',
  'recovery-code-used': 'A recovery code was used in place of the second factor.',
  'code-replayed': 'A one-time code was sent a second time.',
  'passkey-cloned': 'A passkey counted backwards: there may be a copy of it.',
  'key-used-from-new-country': 'An API key or SMTP login was used from another country.',
  'key-refused-network': 'An API key or SMTP login was used from a network it is not bound to.',
  'audit-chain-broken': 'The audit log is not whole.',
} as const satisfies Record<FindingKind, string> & Record<string, string>
export type SecurityKind = keyof typeof SECURITY_KINDS
export const isSecurityKind = (text: string): text is SecurityKind =>
  Object.hasOwn(SECURITY_KINDS, text)

/** What is done about it, mildest first. */
export const DECISIONS = ['allow', 'notify', 'challenge', 'lock'] as const
export type Decision = (typeof DECISIONS)[number]

/** The facts it was judged by. No secrets: people with a right to the log read it. */
export type SecurityData = Readonly<Record<string, unknown>>

export interface NewSecurityEvent {
  readonly kind: SecurityKind
  /** 0 to 100. */
  readonly score: number
  readonly decision: Decision
  /** Undefined for what concerns a person, who may be in several tenants, or the installation. */
  readonly tenant: TenantId | undefined
  readonly user: UserId | undefined
  readonly ip: string | undefined
  readonly country: string | undefined
  readonly data: SecurityData
}
