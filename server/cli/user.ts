/** `posthorn user …`: the people who look after the installation. */
import { AppError } from '../core/errors.ts'
import type { Config } from '../config/schema.ts'
import type { Command } from './command.ts'
import { table } from './output.ts'
import { baseUrl } from './reach.ts'
import { isoTime, timeText } from './time.ts'
import { argument, word } from './values.ts'

const ROLES = ['owner', 'admin', 'operator', 'viewer'] as const

const setupUrl = (config: Config, token: string): string =>
  `${baseUrl(config)}/setup?token=${token}`

const linkText = (url: string): string =>
  `One-time setup link, good for 7 days:\n  ${url}\nThe sign-in screens come with the admin; until then the link only reserves the place.`

export const userAdd: Command = {
  name: 'user add',
  group: 'Set up',
  summary: 'Add a person and print a one-time setup link',
  details: 'Example\n  posthorn user add anna@example.com --name "Anna" --role operator',
  arguments: [{ name: 'email', summary: 'Address of the person, and the name to sign in with' }],
  options: {
    name: { summary: 'Name for people; without it the address', value: 'NAME' },
    role: { summary: `${ROLES.join(', ')}; without it admin`, value: 'ROLE' },
  },
  async run({ input, config, services }) {
    const role = word(input, 'role', ROLES) ?? 'admin'
    const email = argument(input, 'email')
    const name = input.text('name') ?? email
    const { tenants } = await services()
    const { setupToken } = await tenants.addUser({ email, name, role }).catch(taken(email))
    const url = setupUrl(config(), setupToken)
    return {
      text: `Added ${email} as ${role}.\n\n${linkText(url)}`,
      data: { email, name, role, setupUrl: url },
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
    const { tenants } = await services()
    const users = await tenants.users()
    const text = table(
      [
        { title: 'EMAIL', value: ({ email }) => email },
        { title: 'NAME', value: ({ name }) => name },
        { title: 'ROLE', value: ({ role }) => role },
        { title: 'SINCE', value: ({ createdAt }) => timeText(createdAt) },
      ],
      users,
    )
    const data = users.map((user) => ({ ...user, createdAt: isoTime(user.createdAt) }))
    return { text, data: { users: data } }
  },
}

export const userSetupLink: Command = {
  name: 'user setup-link',
  group: 'Set up',
  summary: 'Print a new one-time setup link; the former one ends',
  details: 'Example\n  posthorn user setup-link anna@example.com',
  arguments: [{ name: 'email', summary: 'Address of the person' }],
  async run({ input, config, services }) {
    const email = argument(input, 'email')
    const { tenants } = await services()
    if (!(await tenants.users()).some((user) => user.email === email)) {
      throw new AppError('NOT_FOUND', {
        public: `There is no user ${email}. "posthorn user list" shows who there is.`,
      })
    }
    const { setupToken } = await tenants.renewSetup(email)
    const url = setupUrl(config(), setupToken)
    return { text: linkText(url), data: { email, setupUrl: url } }
  },
}
