/** `posthorn tenant …`: the customers of this installation. */
import { encodeId } from '../core/ids.ts'
import type { TenantChange } from '../services/tenants.ts'
import { SECOND_FACTOR_RULES } from '../services/tenant-settings.ts'
import { cliActor } from './actor.ts'
import { UsageError } from './command.ts'
import type { Command, Input } from './command.ts'
import { table } from './output.ts'
import { isoTime } from './time.ts'
import { argument } from './values.ts'

export const tenantAdd: Command = {
  name: 'tenant add',
  group: 'Set up',
  summary: 'Add a tenant: somebody with domains, keys and logins of their own',
  details: 'Example\n  posthorn tenant add acme',
  arguments: [{ name: 'name', summary: '1 to 63 lower-case letters, digits and hyphens' }],
  async run({ input, services }) {
    const { tenants } = await services()
    const name = argument(input, 'name')
    const id = encodeId('tenant', await tenants.add(cliActor(), name))
    return {
      text: `Added tenant ${name} (${id}).\nNext: posthorn user invite <email> --role owner --tenant ${name}`,
      data: { id, name },
    }
  },
}

export const tenantList: Command = {
  name: 'tenant list',
  group: 'Set up',
  summary: 'List the tenants',
  details: 'Example\n  posthorn tenant list',
  async run({ services }) {
    const { tenants } = await services()
    const list = (await tenants.all()).map(({ id, name, disabledAt, members, settings }) => ({
      id: encodeId('tenant', id),
      name,
      members,
      requireSecondFactor: settings.requireSecondFactor,
      disabledAt: disabledAt === undefined ? null : isoTime(disabledAt),
    }))
    const text = table(
      [
        { title: 'TENANT', value: ({ name }) => name },
        { title: 'ID', value: ({ id }) => id },
        { title: 'MEMBERS', value: ({ members }) => members },
        { title: 'SECOND FACTOR', value: ({ requireSecondFactor }) => requireSecondFactor },
        { title: 'STATE', value: ({ disabledAt }) => (disabledAt === null ? 'live' : 'disabled') },
      ],
      list,
    )
    return { text, data: { tenants: list } }
  },
}

const NAME = { name: 'name', summary: 'Name of the tenant' }

const changeCommand = (
  word: string,
  spec: Pick<Command, 'summary' | 'details' | 'arguments'>,
  change: (input: Input) => { readonly change: TenantChange; readonly says: string },
): Command => ({
  name: `tenant ${word}`,
  group: 'Set up',
  ...spec,
  async run({ input, services }) {
    const { tenants } = await services()
    const { id, name } = tenants.resolve(argument(input, 'name'))
    const wish = change(input)
    const info = await tenants.change(cliActor(), id, wish.change)
    return {
      text: `Tenant ${name}: ${wish.says}`,
      data: {
        id: encodeId('tenant', id),
        name,
        disabledAt: info.disabledAt === undefined ? null : isoTime(info.disabledAt),
        ...info.settings,
      },
    }
  },
})

export const tenantDisable = changeCommand(
  'disable',
  {
    summary: 'Refuse everything of a tenant: keys, logins, people; nothing is deleted',
    details: 'Example\n  posthorn tenant disable acme',
    arguments: [NAME],
  },
  () => ({ change: { disabled: true }, says: 'disabled. Nobody gets in with its keys or logins.' }),
)

export const tenantEnable = changeCommand(
  'enable',
  {
    summary: 'Let a disabled tenant work again',
    details: 'Example\n  posthorn tenant enable acme',
    arguments: [NAME],
  },
  () => ({ change: { disabled: false }, says: 'enabled.' }),
)

export const tenantRequireSecondFactor = changeCommand(
  'require-second-factor',
  {
    summary: 'Say whose sign-in must have a second factor',
    details: `Of: ${SECOND_FACTOR_RULES.join(', ')} (those whose role asks for it). Whoever lacks one can do nothing but set one up.\n\nExample\n  posthorn tenant require-second-factor acme everybody`,
    arguments: [NAME, { name: 'of', summary: SECOND_FACTOR_RULES.join(', ') }],
  },
  (input) => {
    const text = argument(input, 'of')
    const rule = SECOND_FACTOR_RULES.find((known) => known === text)
    if (rule === undefined)
      throw new UsageError(`"${text}" is not one of ${SECOND_FACTOR_RULES.join(', ')}`)
    return {
      change: { settings: { requireSecondFactor: rule } },
      says: `a second factor is asked of ${rule}.`,
    }
  },
)
