/** `posthorn credential …`: SMTP logins. A password is printed once, when it is made. */
import type { Config } from '../config/schema.ts'
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import { OPERATOR_GRANT } from '../services/access-terms.ts'
import type { CredentialLimits } from '../services/auth/principal.ts'
import type { CredentialInfo } from '../services/credentials.ts'
import type { TenantRecord } from '../store/catalog.ts'
import {
  ALL,
  expiryText,
  isoOrNull,
  OVERLAP,
  stateText,
  TERMS,
  termsOf,
  useData,
  useText,
} from './access-options.ts'
import { cliActor } from './actor.ts'
import type { Command } from './command.ts'
import { list, table, type Cell } from './output.ts'
import { smtpSettings } from './reach.ts'
import type { CliServices } from './services.ts'
import { TENANT, TENANT_FILTER, tenantOf, tenantsOf } from './tenant-option.ts'
import { argument, duration, size, wholeNumber } from './values.ts'

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

/** Without its password. */
const credentialData = (
  credential: CredentialInfo,
  tenant: TenantRecord,
): Record<string, unknown> => ({
  id: encodeId('credential', credential.id),
  username: credential.username,
  tenant: tenant.name,
  mode: credential.mode,
  state: credential.state,
  limits: credential.limits,
  networks: credential.networks,
  expiresAt: isoOrNull(credential.expiresAt),
  createdAt: isoOrNull(credential.createdAt),
  createdBy: credential.createdBy,
  rotatedAt: isoOrNull(credential.rotatedAt),
  lastUse: useData(credential.lastUse),
})

/** What goes into a mail program. */
function settingsText(config: Config, username: string, password: string): string {
  const servers = smtpSettings(config)
  const rows = servers.flatMap(({ host, port, security }): (readonly [string, Cell])[] => [
    ['host', host],
    ['port', port],
    ['security', security],
  ])
  const settings = list([...rows, ['user', username], ['password', password]])
  const none = servers.length === 0 ? '\nNo submission listener is configured.' : ''
  return `${settings}\n\nThe password is shown only now.${none}`
}

export const credentialCreate: Command = {
  name: 'credential create',
  group: 'Set up',
  summary: 'Make an SMTP login and print ready settings once',
  details:
    'Examples\n  posthorn credential create shop\n  posthorn credential create shop --messages-per-hour 1000 --message-size "5 MiB" --expires 1d --mode test',
  arguments: [{ name: 'username', summary: 'Name to log in with; unique over all tenants' }],
  options: {
    tenant: TENANT,
    ...TERMS,
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
    const terms = termsOf(input, opened.clock.now())
    const { credential, password } = await opened.access.credentials
      .create(cliActor(), tenant.id, { username, limits, ...terms, grant: OPERATOR_GRANT })
      .catch(taken(username))
    const id = encodeId('credential', credential.id)
    const about = `Made ${terms.mode === 'test' ? 'test' : 'SMTP'} login ${username} (${id}) for tenant ${tenant.name}`
    const end =
      terms.expiresAt === undefined
        ? ''
        : `, good until ${expiryText(terms.expiresAt, opened.clock.now())}`
    return {
      text: `${about}${end}.\n\n${settingsText(config(), username, password)}`,
      data: { ...credentialData(credential, tenant), password, servers: smtpSettings(config()) },
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
    const now = opened.clock.now()
    const all: Owned[] = []
    for (const tenant of tenantsOf(input, opened))
      for (const credential of await opened.access.credentials.list(tenant.id, ALL))
        all.push({ credential, tenant })
    const text = table(
      [
        { title: 'ID', value: ({ credential }) => encodeId('credential', credential.id) },
        { title: 'USER', value: ({ credential }) => credential.username },
        { title: 'TENANT', value: ({ tenant }) => tenant.name },
        { title: 'MODE', value: ({ credential }) => credential.mode },
        { title: 'LIMITS', value: ({ credential }) => limitText(credential.limits) },
        { title: 'STATE', value: ({ credential }) => stateText(credential, now) },
        { title: 'LAST USED', value: ({ credential }) => useText(credential.lastUse, now) },
      ],
      all,
    )
    const data = all.map(({ credential, tenant }) => credentialData(credential, tenant))
    return { text, data: { credentials: data } }
  },
}

interface Owned {
  readonly credential: CredentialInfo
  readonly tenant: TenantRecord
}

/** By id or user name. Throws NOT_FOUND. */
async function findCredential({ access, tenants }: CliServices, wanted: string): Promise<Owned> {
  for (const tenant of tenants.list()) {
    const found = (await access.credentials.list(tenant.id, ALL)).find(
      ({ id, username }) => username === wanted || encodeId('credential', id) === wanted,
    )
    if (found !== undefined) return { credential: found, tenant }
  }
  throw new AppError('NOT_FOUND', {
    public: `There is no SMTP login ${wanted}. "posthorn credential list" shows which there are.`,
  })
}

export const credentialRotate: Command = {
  name: 'credential rotate',
  group: 'Set up',
  summary: 'Give an SMTP login a new password; the old one stays good for a while',
  details:
    'The login is good for as long again as it was to be. The password before the old one ends at once.\n\nExample\n  posthorn credential rotate shop --overlap 7d',
  arguments: [{ name: 'id', summary: 'Its id or its user name' }],
  options: { overlap: OVERLAP },
  async run({ input, config, services }) {
    const overlapMs = duration(input, 'overlap')
    const opened = await services()
    const { credential: old, tenant } = await findCredential(opened, argument(input, 'id'))
    const { credential, password } = await opened.access.credentials.rotate(
      cliActor(),
      tenant.id,
      old.id,
      { overlapMs, grant: OPERATOR_GRANT },
    )
    const now = opened.clock.now()
    const { formerUntil = now, username } = credential
    const end =
      formerUntil > now
        ? `The old one is good until ${expiryText(formerUntil, now)}.`
        : 'The old one is not good any more.'
    return {
      text: `Made a new password for SMTP login ${username}. ${end}\n\n${settingsText(config(), username, password)}`,
      data: {
        ...credentialData(credential, tenant),
        password,
        formerUntil: isoOrNull(formerUntil),
        servers: smtpSettings(config()),
      },
    }
  },
}

export const credentialRevoke: Command = {
  name: 'credential revoke',
  group: 'Set up',
  summary: 'Revoke an SMTP login; servers refuse it within a second',
  details: `Examples\n  posthorn credential revoke ${encodeId('credential', 1)}\n  posthorn credential revoke shop`,
  arguments: [{ name: 'id', summary: 'Its id or its user name' }],
  async run({ input, services }) {
    const opened = await services()
    const { credential, tenant } = await findCredential(opened, argument(input, 'id'))
    await opened.access.credentials.revoke(cliActor(), tenant.id, credential.id)
    const outcome = credential.state === 'revoked' ? 'was revoked before' : 'is revoked'
    return {
      text: `SMTP login ${credential.username} ${outcome}.`,
      data: {
        id: encodeId('credential', credential.id),
        username: credential.username,
        state: 'revoked',
      },
    }
  },
}
