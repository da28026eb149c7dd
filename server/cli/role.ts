/** `posthorn role …`: roles that a tenant has beside the built-in ones. */
import { encodeId } from '../core/ids.ts'
import { ALL_TENANT_PERMISSIONS } from '../core/permission.ts'
import { cliActor } from './actor.ts'
import type { Command } from './command.ts'
import { table } from './output.ts'
import { TENANT, tenantOf } from './tenant-option.ts'
import { argument } from './values.ts'

export const roleAdd: Command = {
  name: 'role add',
  group: 'Set up',
  summary: 'Make a role of a tenant’s own',
  details: `Example\n  posthorn role add support --permission messages:read --permission suppressions:manage --second-factor\n\nPermissions\n  ${ALL_TENANT_PERMISSIONS.join('\n  ')}`,
  arguments: [
    { name: 'name', summary: 'Lower-case letters, digits and hyphens; it stays for good' },
  ],
  options: {
    tenant: TENANT,
    title: { summary: 'Title for people; without it the name', value: 'TITLE' },
    permission: {
      summary: 'What it lets somebody do; may be repeated',
      value: 'PERMISSION',
      many: true,
      required: true,
    },
    'second-factor': { summary: 'Whoever has it must have a second factor' },
  },
  async run({ input, services }) {
    const opened = await services()
    const tenant = tenantOf(input, opened)
    const name = argument(input, 'name')
    const role = await opened.roles.add(cliActor(), tenant.id, {
      name,
      title: input.text('title') ?? name,
      permissions: input.texts('permission'),
      secondFactor: input.flag('second-factor'),
    })
    const id = role.id === undefined ? undefined : encodeId('role', role.id)
    return {
      text: `Made role ${name} of ${tenant.name}.`,
      data: { ...role, id, tenant: tenant.name },
    }
  },
}

export const roleList: Command = {
  name: 'role list',
  group: 'Set up',
  summary: 'List the roles of a tenant',
  details: 'Example\n  posthorn role list --tenant acme',
  options: { tenant: TENANT },
  async run({ input, services }) {
    const opened = await services()
    const roles = (await opened.roles.list(tenantOf(input, opened).id)).map((role) => ({
      name: role.name,
      title: role.title,
      builtIn: role.id === undefined,
      secondFactor: role.secondFactor,
      permissions: role.permissions,
    }))
    const text = table(
      [
        { title: 'ROLE', value: ({ name }) => name },
        { title: 'TITLE', value: ({ title }) => title },
        { title: 'KIND', value: ({ builtIn }) => (builtIn ? 'built-in' : 'own') },
        { title: 'SECOND FACTOR', value: ({ secondFactor }) => (secondFactor ? 'asked for' : '') },
        { title: 'PERMISSIONS', value: ({ permissions }) => permissions.join(' ') },
      ],
      roles,
    )
    return { text, data: { roles } }
  },
}

export const roleRemove: Command = {
  name: 'role remove',
  group: 'Set up',
  summary: 'Remove a role that nobody has',
  details: 'Example\n  posthorn role remove support',
  arguments: [{ name: 'name', summary: 'Name of the role' }],
  options: { tenant: TENANT },
  async run({ input, services }) {
    const opened = await services()
    const tenant = tenantOf(input, opened)
    const role = await opened.roles.byName(tenant.id, argument(input, 'name'))
    await opened.roles.remove(cliActor(), tenant.id, role.id)
    return {
      text: `Removed role ${role.name} of ${tenant.name}.`,
      data: { name: role.name, tenant: tenant.name },
    }
  },
}
