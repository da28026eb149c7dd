/** `posthorn tenant …`: the customers of this installation. */
import { encodeId } from '../core/ids.ts'
import type { Command } from './command.ts'
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
    const id = encodeId('tenant', await tenants.add(name))
    return {
      text: `Added tenant ${name} (${id}).\nNext: posthorn domain add <name> --tenant ${name}`,
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
    const list = tenants.list().map(({ id, name, disabledAt }) => ({
      id: encodeId('tenant', id),
      name,
      disabledAt: disabledAt === undefined ? null : isoTime(disabledAt),
    }))
    const text = table(
      [
        { title: 'TENANT', value: ({ name }) => name },
        { title: 'ID', value: ({ id }) => id },
        { title: 'STATE', value: ({ disabledAt }) => (disabledAt === null ? 'live' : 'disabled') },
      ],
      list,
    )
    return { text, data: { tenants: list } }
  },
}
