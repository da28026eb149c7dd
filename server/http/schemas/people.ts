/** People: accounts, the links to them, members of a tenant, invitations. */
import Type from 'typebox'
import { isPlatformRole, PLATFORM_ROLES } from '../../core/permission.ts'
import type { PlatformRole } from '../../core/permission.ts'
import { count, flag, input, listOf, maybe, oneOf, pageOf, strict, text, time } from './parts.ts'

const PLATFORM_ROLE_NAMES = Object.keys(PLATFORM_ROLES).filter(isPlatformRole)

const email = text('Address of the person.', 'ada@example.com')
const emailInput = input('Address of the person.', 'ada@example.com', {
  minLength: 3,
  maxLength: 254,
})
const nameInput = input('Name for other people.', 'Ada Lovelace', { minLength: 1, maxLength: 100 })
const passwordInput = input(
  'The password. Several words make a good one.',
  'seven quiet otters row home',
  { minLength: 1, maxLength: 1024 },
)
const tokenInput = input(
  'What stands behind `#token=` in the link.',
  'q3Zl0cX2mJ0y8sVh7tW1bN5rK4dP9uF6gA2eC8iO3vY',
  { minLength: 1, maxLength: 128 },
)
const userId = text('Id of the person.', 'usr_01kq3v8r4t2')
const roleInput = input('Name of a role of the tenant.', 'developer', {
  minLength: 1,
  maxLength: 32,
})

const idOf = (what: string, example: string) =>
  Type.Object({ id: input(`Id of the ${what}.`, example, { maxLength: 64 }) }, strict)
export const UserParams = idOf('person', 'usr_01kq3v8r4t2')
export const InvitationParams = idOf('invitation', 'inv_01kq3v8r4t2')
export const MembershipParams = idOf('tenant', 'ten_01kq3v8r4t2')

// Links.

export const LinkToken = Type.Object(
  { token: tokenInput },
  { ...strict, title: 'LinkToken', description: 'A one-time link.' },
)
export const LinkFacts = Type.Object(
  {
    purpose: oneOf(
      ['setup', 'reset', 'email-change', 'release', 'invitation'],
      'What the link is for.',
      'invitation',
    ),
    email: text('Whom it is for; for an email-change the new address.', 'ada@example.com'),
    name: maybe(text('Name of the person, where there is one.', 'Ada Lovelace')),
    expiresAt: time('Until when it works.'),
    tenant: maybe(text('Of an invitation: into which tenant.', 'acme')),
    role: maybe(text('Of an invitation: with which role.', 'developer')),
    invitedBy: maybe(text('Of an invitation: who made it.', 'bob@acme.example')),
    needsPassword: flag('Whether a password goes with it.', true),
    mayChangeEmail: flag('Whether another address may be given.'),
  },
  { title: 'LinkFacts', description: 'What a one-time link is for.' },
)
export const SetupInput = Type.Object(
  {
    token: tokenInput,
    name: nameInput,
    password: passwordInput,
    email: maybe(
      input('For the first owner: an address of their own.', 'ada@example.com', {
        minLength: 3,
        maxLength: 254,
      }),
    ),
  },
  { ...strict, title: 'SetupInput', description: 'What an account begins with.' },
)
export const AccountEmail = Type.Object(
  { email: text('Address to sign in with.', 'ada@example.com') },
  { title: 'AccountEmail', description: 'The account that was changed.' },
)
export const ResetRequest = Type.Object(
  { email: emailInput },
  { ...strict, title: 'ResetRequest', description: 'Whose password was forgotten.' },
)
export const ResetFinish = Type.Object(
  { token: tokenInput, password: passwordInput },
  { ...strict, title: 'ResetFinish', description: 'The new password.' },
)
export const EmailChange = Type.Object(
  { email: input('The new address.', 'ada@example.org', { minLength: 3, maxLength: 254 }) },
  { ...strict, title: 'EmailChange', description: 'The address to change to.' },
)

// Invitations.

export const Invitation = Type.Object(
  {
    id: text('Id of the invitation.', 'inv_01kq3v8r4t2'),
    email,
    role: text('The role it brings.', 'developer'),
    invitedBy: text('Who made it.', 'bob@acme.example'),
    createdAt: time('When it was made.'),
    expiresAt: time('Until when it can be accepted.'),
    mailedAt: maybe(time('When the link was mailed; missing when it was handed over.')),
  },
  { title: 'Invitation', description: 'An invitation that waits to be accepted.' },
)
export const InvitationList = listOf(Invitation, 'InvitationList')
export const InvitationInput = Type.Object(
  { email: emailInput, role: roleInput },
  { ...strict, title: 'InvitationInput', description: 'Whom to invite.' },
)
const delivery = oneOf(['mailed', 'by-hand'], 'How the link goes out.', 'mailed')
const link = maybe(
  text(
    'The link, when it could not be mailed. It is shown only now; hand it over in private.',
    'https://mail.example.com/link#token=q3Zl0cX2mJ0y8sVh7tW1bN5rK4dP9uF6gA2eC8iO3vY',
  ),
)
const linkExpiresAt = time('Until when the link works.')
export const InvitationSent = Type.Object(
  { invitation: Invitation, delivery, link, linkExpiresAt },
  { title: 'InvitationSent', description: 'The invitation, and how its link goes out.' },
)
export const InvitationAccept = Type.Object(
  { token: tokenInput, name: maybe(nameInput), password: maybe(passwordInput) },
  {
    ...strict,
    title: 'InvitationAccept',
    description: 'The link, with what the new account begins with.',
  },
)
export const Joined = Type.Object(
  { email, tenant: text('Id of the tenant.', 'ten_01kq3v8r4t2') },
  { title: 'Joined', description: 'Who belongs where now.' },
)

// Members.

export const Member = Type.Object(
  {
    id: userId,
    email,
    name: text('Name of the person.', 'Ada Lovelace'),
    role: text('Role in the tenant.', 'developer'),
    since: time('When they joined.'),
    setUp: flag('Whether the account was set up.', true),
    secondFactor: flag('Whether a sign-in asks for a second factor.', true),
    deactivated: flag('Whether the account may not be used at present.'),
  },
  { title: 'Member', description: 'Somebody who belongs to the tenant.' },
)
export const MemberList = listOf(Member, 'MemberList')
export const MemberChange = Type.Object(
  { role: roleInput },
  { ...strict, title: 'MemberChange', description: 'The new role.' },
)

// People of the installation.

const platformRole = oneOf(PLATFORM_ROLE_NAMES, 'Role over the whole installation.', 'operator')

export const User = Type.Object(
  {
    id: userId,
    email,
    name: text('Name of the person.', 'Ada Lovelace'),
    platformRole: maybe(platformRole),
    createdAt: time('When the account was made.'),
    confirmedAt: maybe(time('When the address was proved.')),
    deactivatedAt: maybe(time('Since when the account may not be used.')),
    lockedAt: maybe(time('Since when the account is locked.')),
    lockedBecause: maybe(text('Why it is locked.', 'impossible travel')),
    setUp: flag('Whether a password was chosen.', true),
    secondFactor: flag('Whether a sign-in asks for a second factor.', true),
  },
  { title: 'User', description: 'A person of the installation.' },
)
export const UserPage = pageOf(User, 'UserPage', { list: 'users' })
export const UserInput = Type.Object(
  { email: emailInput, name: nameInput, platformRole: maybe(platformRole) },
  { ...strict, title: 'UserInput', description: 'Whom to add.' },
)
export const UserCreated = Type.Object(
  { user: User, delivery, link, linkExpiresAt },
  { title: 'UserCreated', description: 'The person, and how their setup link goes out.' },
)
export const UserChange = Type.Object(
  {
    name: maybe(nameInput),
    platformRole: maybe(
      Type.Unsafe<PlatformRole | null>({
        type: ['string', 'null'],
        enum: [...PLATFORM_ROLE_NAMES, null],
        description: 'Role over the whole installation; null takes it away.',
        examples: ['operator'],
      }),
    ),
  },
  { ...strict, title: 'UserChange', description: 'What to change.' },
)
const MadeAccess = Type.Object(
  {
    kind: oneOf(['key', 'credential'], 'An API key or an SMTP login.', 'key'),
    id: text('Its id.', 'key_01kq3v8r4t2'),
    name: text('Its name.', 'shop'),
    tenant: text('Id of the tenant it belongs to.', 'ten_01kq3v8r4t2'),
  },
  { title: 'MadeAccess', description: 'Access that the person made for a tenant.' },
)
export const UserDeactivated = Type.Object(
  {
    user: User,
    stillWorking: Type.Array(MadeAccess, {
      description: 'Keys and logins they made. These belong to their tenants and go on working.',
    }),
  },
  { title: 'UserDeactivated', description: 'The person, and what they leave behind.' },
)
export const SignedOut = Type.Object(
  { sessions: count('How many sessions ended.', 2) },
  { title: 'SignedOut', description: 'What was ended.' },
)
