/**
 * What a tenant decides for itself. Kept as JSON that later versions add to, so reading is tolerant: what is missing or
 * makes no sense has its default.
 */
import { AppError } from '../core/errors.ts'
import { BUILT_IN_ROLES, isBuiltInRole } from '../core/permission.ts'
import type { BuiltInRole } from '../core/permission.ts'

export const SECOND_FACTOR_RULES = ['nobody', 'roles', 'everybody'] as const
export type SecondFactorRule = (typeof SECOND_FACTOR_RULES)[number]

export interface TenantSettings {
  /** Whose sign-in must have a second factor. `roles`: own roles that ask for it, and those of `secondFactorRoles`. */
  readonly requireSecondFactor: SecondFactorRule
  /** Built-in roles that ask for it. */
  readonly secondFactorRoles: readonly BuiltInRole[]
  /** Where security events are posted to; undefined: nowhere. */
  readonly securityWebhook: string | undefined
}

export type TenantSettingsChange = Partial<Omit<TenantSettings, 'securityWebhook'>> & {
  readonly securityWebhook?: string | null | undefined
}

export const BUILT_IN_ROLE_NAMES = Object.keys(BUILT_IN_ROLES).filter(isBuiltInRole)

/** `json` is what the database holds. Never throws. */
export function parseTenantSettings(json: string): TenantSettings {
  const rule = field(json, 'requireSecondFactor')
  const roles = field(json, 'secondFactorRoles')
  const webhook = field(json, 'securityWebhook')
  return {
    requireSecondFactor: SECOND_FACTOR_RULES.find((known) => known === rule) ?? 'roles',
    secondFactorRoles: Array.isArray(roles)
      ? BUILT_IN_ROLE_NAMES.filter((name) => roles.includes(name))
      : [],
    securityWebhook: typeof webhook === 'string' && isWebhook(webhook) ? webhook : undefined,
  }
}

/** HTTPS to a host, without a password in it. Where that host may be is asked when it is called. */
export function isWebhook(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  return protocol === 'https:' && username === '' && password === ''
}

/** JSON for the database. What a later version put there stays. */
/** What is not named stays; null takes the webhook away. Throws BODY_INVALID for one that is no HTTPS address. */
export function changedTenantSettings(json: string, change: TenantSettingsChange): string {
  const { securityWebhook } = change
  if (typeof securityWebhook === 'string' && !isWebhook(securityWebhook))
    throw new AppError('BODY_INVALID', {
      fields: [
        {
          path: 'settings/securityWebhook',
          message: 'must be an HTTPS address without a password',
        },
      ],
    })
  return JSON.stringify({ ...objectOf(json), ...change })
}

const field = (json: string, name: string): unknown => Reflect.get(objectOf(json), name)

/** Without a prototype, so that no name but those in the text is found. */
function objectOf(json: string): object {
  const empty: unknown = Object.create(null)
  const object = typeof empty === 'object' && empty !== null ? empty : {}
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null ? Object.assign(object, value) : object
  } catch {
    return object
  }
}

/** Whether somebody with this role must have a second factor. `asks` is the flag of a role of the tenant's own. */
export function mustHaveSecondFactor(
  settings: TenantSettings,
  role: { readonly name: string; readonly asks: boolean },
): boolean {
  switch (settings.requireSecondFactor) {
    case 'nobody':
      return false
    case 'everybody':
      return true
    case 'roles':
      return role.asks || settings.secondFactorRoles.some((name) => name === role.name)
  }
}
