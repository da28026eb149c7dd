/** `posthorn key …`: keys of the HTTP API. A secret is printed once, when it is made. */
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import { SCOPES } from '../services/auth/principal.ts'
import type { Command } from './command.ts'
import { list, table } from './output.ts'
import { baseUrl } from './reach.ts'
import { TENANT, TENANT_FILTER, tenantOf, tenantsOf } from './tenant-option.ts'
import { argument, idArgument } from './values.ts'

const DEFAULT_SCOPES = ['messages:send', 'messages:read'] as const

export const keyCreate: Command = {
  name: 'key create',
  group: 'Set up',
  summary: 'Make an API key and print it once',
  details:
    'Examples\n  posthorn key create shop\n  posthorn key create reports --scope messages:read --tenant acme',
  arguments: [{ name: 'name', summary: 'What the key is for' }],
  options: {
    tenant: TENANT,
    scope: {
      summary: `What it may do: ${SCOPES.join(', ')}; without it ${DEFAULT_SCOPES.join(' and ')}`,
      value: 'SCOPE',
      many: true,
    },
    test: { summary: 'A test key: whatever it sends goes to the sandbox and never leaves' },
  },
  async run({ input, config, services }) {
    const opened = await services()
    const tenant = tenantOf(input, opened)
    const name = argument(input, 'name')
    const scopes = [...new Set(input.texts('scope').flatMap((text) => text.split(',')))]
    const mode = input.flag('test') ? 'test' : 'live'
    const request = {
      tenant: tenant.id,
      name,
      scopes: scopes.length === 0 ? DEFAULT_SCOPES : scopes,
      mode,
    } as const
    const made = await opened.access.createKey(request)
    const id = encodeId('key', made.id)
    const facts = list([
      ['id', id],
      ['tenant', tenant.name],
      ['scopes', request.scopes.join(' ')],
      ['mode', mode],
      ['secret', made.secret],
    ])
    return {
      text: `Made key ${name}.\n\n${facts}\n\nThe secret is shown only now. Use it as "Authorization: Bearer <secret>" at ${baseUrl(config())}/v1/`,
      data: {
        id,
        name,
        tenant: tenant.name,
        scopes: request.scopes,
        mode,
        secret: made.secret,
      },
    }
  },
}

export const keyList: Command = {
  name: 'key list',
  group: 'Set up',
  summary: 'List API keys, without their secrets',
  details: 'Example\n  posthorn key list --tenant acme',
  options: { tenant: TENANT_FILTER },
  async run({ input, services }) {
    const opened = await services()
    const keys = tenantsOf(input, opened).flatMap((tenant) =>
      opened.access.listKeys(tenant.id).map((key) => ({
        id: encodeId('key', key.id),
        name: key.name,
        tenant: tenant.name,
        scopes: key.scopes,
        mode: key.mode,
        revoked: key.revoked,
      })),
    )
    const text = table(
      [
        { title: 'ID', value: ({ id }) => id },
        { title: 'NAME', value: ({ name }) => name },
        { title: 'TENANT', value: ({ tenant }) => tenant },
        { title: 'MODE', value: ({ mode }) => mode },
        { title: 'SCOPES', value: ({ scopes }) => scopes.join(' ') },
        { title: 'STATE', value: ({ revoked }) => (revoked ? 'revoked' : 'live') },
      ],
      keys,
    )
    return { text, data: { keys } }
  },
}

export const keyRevoke: Command = {
  name: 'key revoke',
  group: 'Set up',
  summary: 'Revoke an API key; servers refuse it within a second',
  details: `Example\n  posthorn key revoke ${encodeId('key', 1)}`,
  arguments: [{ name: 'id', summary: 'Id of the key, from "posthorn key list"' }],
  async run({ input, services }) {
    const id = idArgument(input, 'id', 'key')
    const { access, tenants } = await services()
    const tenant = tenants.list().find((one) => access.listKeys(one.id).some((k) => k.id === id))
    const key = tenant && access.listKeys(tenant.id).find((one) => one.id === id)
    if (tenant === undefined || key === undefined) {
      throw new AppError('NOT_FOUND', {
        public: 'There is no key with this id. "posthorn key list" shows which there are.',
      })
    }
    if (!key.revoked) await access.revokeKey(tenant.id, id)
    const outcome = key.revoked ? 'was revoked before' : 'is revoked'
    return {
      text: `Key ${key.name} ${outcome}.`,
      data: { id: encodeId('key', id), name: key.name, revoked: true },
    }
  },
}
