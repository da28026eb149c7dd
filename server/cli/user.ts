/** `posthorn user …`: the people of the installation. Works without mail: every link is printed, to be handed over. */
import { AppError } from '../core/errors.ts'
import { isPlatformRole, PLATFORM_ROLES } from '../core/permission.ts'
import type { UserInfo } from '../services/people.ts'
import { cliActor } from './actor.ts'
import type { Command, CommandContext, CommandResult } from './command.ts'
import { table } from './output.ts'
import type { CliServices } from './services.ts'
import { TENANT, tenantOf } from './tenant-option.ts'
import { isoTime, timeText } from './time.ts'
import { argument, word } from './values.ts'

const NO_ROLE = 'none'
const PLATFORM_ROLE_NAMES = Object.keys(PLATFORM_ROLES).filter(isPlatformRole)
const EMAIL = { name: 'email', summary: 'Address of the person' }
const PAGE = 500

const linkText = (url: string, expiresAt: number): string =>
  `One-time link, good until ${timeText(expiresAt)}; hand it over in private:\n  ${url}`

async function find({ people }: CliServices, email: string): Promise<UserInfo> {
  return people.byEmail(email).catch((error: unknown) => {
    if (!(error instanceof AppError) || error.code !== 'NOT_FOUND') throw error
    throw new AppError('NOT_FOUND', {
      public: `There is no user ${email}. "posthorn user list" shows who there is.`,
    })
  })
}

const stateOf = (user: UserInfo): string => {
  if (user.deactivatedAt !== undefined) return 'deactivated'
  if (user.lockedAt !== undefined) return 'locked'
  return user.hasPassword ? 'active' : 'not set up'
}

export const userAdd: Command = {
  name: 'user add',
  group: 'Set up',
  summary: 'Add a person and print a one-time setup link',
  details:
    'Examples\n  posthorn user add anna@example.com --name "Anna" --role operator\n  posthorn user add root@example.com --platform-role admin',
  arguments: [{ name: 'email', summary: 'Address of the person, and the name to sign in with' }],
  options: {
    name: { summary: 'Name for people; without it the address', value: 'NAME' },
    role: { summary: 'Role in the tenant; without it admin', value: 'ROLE' },
    tenant: TENANT,
    'platform-role': {
      summary: `Role over the whole installation: ${PLATFORM_ROLE_NAMES.join(', ')}`,
      value: 'ROLE',
    },
  },
  async run({ input, services }) {
    const platformRole = word(input, 'platform-role', PLATFORM_ROLE_NAMES)
    const email = argument(input, 'email')
    const name = input.text('name') ?? email
    const role = input.text('role') ?? 'admin'
    const opened = await services()
    const { id, name: tenant } = tenantOf(input, opened)
    const { user, delivery } = await opened.people
      .add(cliActor(), { email, name, platformRole, membership: { tenant: id, role } })
      .catch(taken(email))
    const url = delivery.by === 'by-hand' ? delivery.url : ''
    return {
      text: `Added ${user.email} as ${role} of ${tenant}.\n\n${linkText(url, delivery.expiresAt)}`,
      data: { email: user.email, name, role, tenant, platformRole, setupUrl: url },
    }
  },
}

const taken =
  (email: string) =>
  (error: unknown): never => {
    if (!(error instanceof AppError) || error.code !== 'NAME_TAKEN') throw error
    throw new AppError('NAME_TAKEN', {
      public: `There is a user ${email} already. For a new link: posthorn user setup-link ${email}`,
    })
  }

export const userList: Command = {
  name: 'user list',
  group: 'Set up',
  summary: 'List the people',
  details: 'Example\n  posthorn user list',
  async run({ services }) {
    const { people } = await services()
    const users: UserInfo[] = []
    for (;;) {
      const page = await people.list({ after: users.at(-1)?.id, limit: PAGE })
      users.push(...page)
      if (page.length < PAGE) break
    }
    const text = table(
      [
        { title: 'EMAIL', value: ({ email }) => email },
        { title: 'NAME', value: ({ name }) => name },
        { title: 'PLATFORM ROLE', value: ({ platformRole }) => platformRole },
        {
          title: 'SECOND FACTOR',
          value: ({ hasSecondFactor }) => (hasSecondFactor ? 'yes' : 'no'),
        },
        { title: 'STATE', value: stateOf },
        { title: 'SINCE', value: ({ createdAt }) => timeText(createdAt) },
      ],
      users,
    )
    const data = users.map((user) => ({
      email: user.email,
      name: user.name,
      platformRole: user.platformRole ?? null,
      hasSecondFactor: user.hasSecondFactor,
      state: stateOf(user),
      createdAt: isoTime(user.createdAt),
    }))
    return { text, data: { users: data } }
  },
}

export const userInvite: Command = {
  name: 'user invite',
  group: 'Set up',
  summary: 'Invite somebody into a tenant and print the link',
  details: 'Example\n  posthorn user invite anna@example.com --tenant acme --role developer',
  arguments: [EMAIL],
  options: {
    role: { summary: 'Role in the tenant', value: 'ROLE', required: true },
    tenant: TENANT,
  },
  async run({ input, services }) {
    const opened = await services()
    const tenant = tenantOf(input, opened)
    const wish = { email: argument(input, 'email'), role: input.text('role') ?? '' }
    const { invitation, delivery } = await opened.invitations.create(cliActor(), tenant.id, wish)
    const url = delivery.by === 'by-hand' ? delivery.url : ''
    return {
      text: `Invited ${invitation.email} to ${tenant.name} as ${invitation.role}.\n\n${linkText(url, delivery.expiresAt)}`,
      data: { email: invitation.email, role: invitation.role, tenant: tenant.name, url },
    }
  },
}

/** A command that makes a link for somebody. */
const linkCommand = (purpose: 'setup' | 'reset', summary: string): Command => ({
  name: `user ${purpose}-link`,
  group: 'Set up',
  summary,
  details: `Example\n  posthorn user ${purpose}-link anna@example.com`,
  arguments: [EMAIL],
  async run({ input, services }) {
    const opened = await services()
    const user = await find(opened, argument(input, 'email'))
    const { url, expiresAt } = await opened.people.link(cliActor(), user.id, purpose)
    return { text: linkText(url, expiresAt), data: { email: user.email, [`${purpose}Url`]: url } }
  },
})

export const userSetupLink = linkCommand(
  'setup',
  'Print a new one-time setup link; the former one ends',
)
export const userResetLink = linkCommand('reset', 'Print a link to set a new password with')

type Act = (
  opened: CliServices,
  user: UserInfo,
  context: CommandContext,
) => Promise<{ readonly text: string; readonly data?: Readonly<Record<string, unknown>> }>

/** A command that does one thing to somebody. */
const actCommand = (
  name: string,
  summary: string,
  act: Act,
  more: Partial<Command> = {},
): Command => ({
  name: `user ${name}`,
  group: 'Look after',
  summary,
  details: `Example\n  posthorn user ${name} anna@example.com`,
  arguments: [EMAIL],
  ...more,
  async run(context): Promise<CommandResult> {
    const opened = await context.services()
    const user = await find(opened, argument(context.input, 'email'))
    const { text, data } = await act(opened, user, context)
    return { text, data: { email: user.email, ...data } }
  },
})

export const userDeactivate = actCommand(
  'deactivate',
  'End all access of a person at once',
  async ({ people, tenants }, user) => {
    const { stillWorking } = await people.deactivate(cliActor(), user.id)
    const names = new Map<number, string>(tenants.list().map(({ id, name }) => [id, name]))
    const made = stillWorking.map(({ kind, name, tenant }) => ({
      kind,
      name,
      tenant: names.get(tenant) ?? '',
    }))
    const lines = made.map(({ kind, name, tenant }) => `  ${kind} ${name} (tenant ${tenant})`)
    const rest =
      lines.length === 0
        ? ''
        : `\n\nThey made these, which belong to the tenant and go on working:\n${lines.join('\n')}`
    return {
      text: `${user.email} is deactivated: sessions, links and invitations have ended.${rest}`,
      data: { stillWorking: made },
    }
  },
)

export const userReactivate = actCommand(
  'reactivate',
  'Let somebody who was deactivated in again',
  async ({ people }, user) => {
    await people.reactivate(cliActor(), user.id)
    return { text: `${user.email} may sign in again.` }
  },
)

export const userRelease = actCommand(
  'release',
  'Lift the lock of an account',
  async ({ people }, user) => {
    await people.release(cliActor(), user.id)
    return { text: `${user.email} is not locked any more.` }
  },
)

export const userResetSecondFactor = actCommand(
  'reset-second-factor',
  'Take away the second factor of somebody who lost it',
  async ({ people }, user) => {
    await people.resetSecondFactor(cliActor(), user.id)
    return { text: `${user.email} has no second factor any more and is signed out.` }
  },
)

export const userSignOut = actCommand(
  'sign-out',
  'End all sessions of a person',
  async ({ people }, user) => {
    const sessions = await people.signOut(cliActor(), user.id)
    return {
      text: `Ended ${sessions} ${sessions === 1 ? 'session' : 'sessions'} of ${user.email}.`,
      data: { sessions },
    }
  },
)

export const userPlatformRole = actCommand(
  'platform-role',
  'Give somebody a role over the whole installation, or take it away',
  async ({ people }, user, { input }) => {
    const role = word(input, 'role', [...PLATFORM_ROLE_NAMES, NO_ROLE]) ?? NO_ROLE
    const platformRole = role === NO_ROLE ? null : role
    await people.change(cliActor(), user.id, { platformRole })
    return {
      text: `${user.email}: platform role ${role}.`,
      data: { platformRole },
    }
  },
  {
    details:
      'Examples\n  posthorn user platform-role anna@example.com --role operator\n  posthorn user platform-role anna@example.com --role none',
    options: {
      role: {
        summary: [...PLATFORM_ROLE_NAMES, NO_ROLE].join(', '),
        value: 'ROLE',
        required: true,
      },
    },
  },
)
