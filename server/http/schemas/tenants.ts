/** Tenants and what they decide for themselves. */
import Type from 'typebox'
import { BUILT_IN_ROLE_NAMES, SECOND_FACTOR_RULES } from '../../services/tenant-settings.ts'
import { count, input, listOf, maybe, oneOf, strict, text, time } from './parts.ts'

export const TenantParams = Type.Object(
  { id: input('Id of the tenant.', 'ten_01kq3v8r4t2', { maxLength: 64 }) },
  strict,
)

const requireSecondFactor = oneOf(
  SECOND_FACTOR_RULES,
  'Whose sign-in must have a second factor: `roles` are own roles that ask for it and `secondFactorRoles`.',
  'everybody',
)
const secondFactorRoles = Type.Array(Type.Enum([...BUILT_IN_ROLE_NAMES], { type: 'string' }), {
  maxItems: BUILT_IN_ROLE_NAMES.length,
  description: 'Built-in roles that ask for a second factor.',
  examples: [['owner', 'admin']],
})

const webhookText = 'Where security events are posted to, signed; HTTPS.'
const settings = Type.Object(
  {
    requireSecondFactor,
    secondFactorRoles,
    securityWebhook: maybe(text(webhookText, 'https://ops.shop.example/posthorn')),
  },
  { title: 'TenantSettings', description: 'What the tenant decides for itself.' },
)
const settingsChange = Type.Object(
  {
    requireSecondFactor: maybe(requireSecondFactor),
    secondFactorRoles: maybe(secondFactorRoles),
    securityWebhook: maybe(
      Type.Unsafe<string | null>({
        type: ['string', 'null'],
        maxLength: 2000,
        pattern: '^https://[!-~]+$',
        description: `${webhookText} Null: nowhere.`,
        examples: ['https://ops.shop.example/posthorn'],
      }),
    ),
  },
  {
    ...strict,
    title: 'TenantSettingsChange',
    description: 'Settings to change; others stay.',
  },
)

export const Tenant = Type.Object(
  {
    id: text('Id of the tenant.', 'ten_01kq3v8r4t2'),
    name: text('Its name.', 'acme'),
    createdAt: time('When it was made.'),
    disabledAt: maybe(time('Since when nobody gets in.')),
    members: count('How many people belong to it.', 4),
    settings,
  },
  { title: 'Tenant', description: 'A customer of this installation.' },
)
export const TenantList = listOf(Tenant, 'TenantList')

const nameInput = input('1 to 63 lower-case letters, digits and hyphens.', 'acme', {
  minLength: 1,
  maxLength: 63,
})
export const TenantInput = Type.Object(
  { name: nameInput },
  { ...strict, title: 'TenantInput', description: 'A tenant to add.' },
)
export const TenantChange = Type.Object(
  {
    name: maybe(nameInput),
    disabled: maybe(
      Type.Boolean({
        description: 'Whether all access is refused. Nothing is deleted.',
        examples: [true],
      }),
    ),
    settings: maybe(settingsChange),
  },
  { ...strict, title: 'TenantChange', description: 'What to change.' },
)
export const WebhookSecret = Type.Object(
  { secret: text('What the signatures are made with.', 'whsec_q9Zk…') },
  {
    title: 'WebhookSecret',
    description:
      '`Posthorn-Signature: t=<seconds>,v1=<hex>` is HMAC-SHA256 of `<seconds>.<body>` under it.',
  },
)
export const OwnTenantChange = Type.Object(
  { settings: settingsChange },
  { ...strict, title: 'OwnTenantChange', description: 'What to change.' },
)
