/** `posthorn credential …`: SMTP logins. A password is printed once, when it is made. */
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import type { CredentialLimits } from '../services/auth/principal.ts'
import type { Command } from './command.ts'
import { list, table, type Cell } from './output.ts'
import { smtpSettings } from './reach.ts'
import { TENANT, TENANT_FILTER, tenantOf, tenantsOf } from './tenant-option.ts'
import { argument, size, wholeNumber } from './values.ts'

const limitText = (limits: CredentialLimits): string => {
  const parts: readonly (readonly [number | undefined, string])[] = [
    [limits.messagesPerHour, 'messages/h'],
    [limits.recipientsPerHour, 'recipients/h'],
    [limits.connections, 'connections'],
    [limits.messageSize, 'bytes'],
  ]
  const set = parts.flatMap(([value, unit]) => (value === undefined ? [] : [`${value} ${unit}`]))
  return set.length === 0 ? 'as configured' : set.join(', ')
}

export const credentialCreate: Command = {
  name: 'credential create',
  group: 'Set up',
  summary: 'Make an SMTP login and print ready settings once',
  details:
    'Examples\n  posthorn credential create shop\n  posthorn credential create shop --messages-per-hour 1000 --message-size "5 MiB"',
  arguments: [{ name: 'username', summary: 'Name to log in with; unique over all tenants' }],
  options: {
    tenant: TENANT,
    'messages-per-hour': { summary: 'Messages it may submit in an hour', value: 'N' },
    'recipients-per-hour': { summary: 'Recipients it may address in an hour', value: 'N' },
    connections: { summary: 'Connections it may hold at a time', value: 'N' },
    'message-size': { summary: 'Largest message, such as "5 MiB"', value: 'SIZE' },
  },
  async run({ input, config, services }) {
    const limits: CredentialLimits = {
      messagesPerHour: wholeNumber(input, 'messages-per-hour'),
      recipientsPerHour: wholeNumber(input, 'recipients-per-hour'),
      connections: wholeNumber(input, 'connections'),
      messageSize: size(input, 'message-size'),
    }
    const opened = await services()
    const tenant = tenantOf(input, opened)
    const username = argument(input, 'username')
    const made = await opened.access
      .createCredential({ tenant: tenant.id, username, limits })
      .catch(taken(username))
    const id = encodeId('credential', made.id)
    const servers = smtpSettings(config())
    const rows = servers.flatMap(({ host, port, security }): (readonly [string, Cell])[] => [
      ['host', host],
      ['port', port],
      ['security', security],
    ])
    const settings = list([...rows, ['user', username], ['password', made.password]])
    const none = servers.length === 0 ? '\nNo submission listener is configured.' : ''
    return {
      text: `Made SMTP login ${username} (${id}) for tenant ${tenant.name}.\n\n${settings}\n\nThe password is shown only now.${none}`,
      data: { id, username, password: made.password, tenant: tenant.name, limits, servers },
    }
  },
}

const taken =
  (username: string) =>
  (error: unknown): never => {
    if (!(error instanceof AppError) || error.code !== 'NAME_TAKEN') throw error
    throw new AppError('NAME_TAKEN', {
      public: `There is a login ${username} already, or was one that is revoked. Choose another name.`,
    })
  }

export const credentialList: Command = {
  name: 'credential list',
  group: 'Set up',
  summary: 'List SMTP logins, without their passwords',
  details: 'Example\n  posthorn credential list',
  options: { tenant: TENANT_FILTER },
  async run({ input, services }) {
    const opened = await services()
    const credentials = tenantsOf(input, opened).flatMap((tenant) =>
      opened.access.listCredentials(tenant.id).map((credential) => ({
        id: encodeId('credential', credential.id),
        username: credential.username,
        tenant: tenant.name,
        limits: credential.limits,
        revoked: credential.revoked,
      })),
    )
    const text = table(
      [
        { title: 'ID', value: ({ id }) => id },
        { title: 'USER', value: ({ username }) => username },
        { title: 'TENANT', value: ({ tenant }) => tenant },
        { title: 'LIMITS', value: ({ limits }) => limitText(limits) },
        { title: 'STATE', value: ({ revoked }) => (revoked ? 'revoked' : 'live') },
      ],
      credentials,
    )
    return { text, data: { credentials } }
  },
}

export const credentialRevoke: Command = {
  name: 'credential revoke',
  group: 'Set up',
  summary: 'Revoke an SMTP login; servers refuse it within a second',
  details: `Examples\n  posthorn credential revoke ${encodeId('credential', 1)}\n  posthorn credential revoke shop`,
  arguments: [{ name: 'id', summary: 'Its id or its user name' }],
  async run({ input, services }) {
    const wanted = argument(input, 'id')
    const { access, tenants } = await services()
    for (const tenant of tenants.list()) {
      const found = access
        .listCredentials(tenant.id)
        .find(({ id, username }) => username === wanted || encodeId('credential', id) === wanted)
      if (found === undefined) continue
      if (!found.revoked) await access.revokeCredential(tenant.id, found.id)
      return {
        text: `SMTP login ${found.username} ${found.revoked ? 'was revoked before' : 'is revoked'}.`,
        data: {
          id: encodeId('credential', found.id),
          username: found.username,
          revoked: true,
        },
      }
    }
    throw new AppError('NOT_FOUND', {
      public: `There is no SMTP login ${wanted}. "posthorn credential list" shows which there are.`,
    })
  },
}
