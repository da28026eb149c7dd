/** `posthorn key …`: keys of the HTTP API. A secret is printed once, when it is made. */
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import type { KeyId } from '../core/ids.ts'
import { OPERATOR_GRANT } from '../services/access-terms.ts'
import type { KeyInfo } from '../services/keys.ts'
import type { TenantRecord } from '../store/catalog.ts'
import {
  ALL,
  expiryText,
  isoOrNull,
  listOf,
  OVERLAP,
  stateText,
  TERMS,
  termsOf,
  useData,
  useText,
} from './access-options.ts'
import { cliActor } from './actor.ts'
import type { Command } from './command.ts'
import { list, table } from './output.ts'
import { baseUrl } from './reach.ts'
import type { CliServices } from './services.ts'
import { TENANT, TENANT_FILTER, tenantOf, tenantsOf } from './tenant-option.ts'
import { argument, duration, idArgument, wholeNumber } from './values.ts'

const DEFAULT_SCOPES = ['messages:send', 'messages:read'] as const

/** Without its secret. */
export const keyData = (key: KeyInfo, tenant: TenantRecord): Record<string, unknown> => ({
  id: encodeId('key', key.id),
  name: key.name,
  tenant: tenant.name,
  scopes: key.scopes,
  mode: key.mode,
  state: key.state,
  networks: key.networks,
  requestsPerSecond: key.requestsPerSecond ?? null,
  expiresAt: isoOrNull(key.expiresAt),
  createdAt: isoOrNull(key.createdAt),
  createdBy: key.createdBy,
  replacedBy: key.replacedBy === undefined ? null : encodeId('key', key.replacedBy),
  lastUse: useData(key.lastUse),
})

export const keyFacts = (key: KeyInfo, tenant: TenantRecord, now: number): string =>
  list([
    ['id', encodeId('key', key.id)],
    ['name', key.name],
    ['tenant', tenant.name],
    ['scopes', key.scopes.join(' ')],
    ['mode', key.mode],
    ['networks', key.networks.join(' ') || 'any'],
    ['expires', expiryText(key.expiresAt, now)],
  ])

const onceText = (secret: string, base: string): string =>
  `secret  ${secret}\n\nThe secret is shown only now. Use it as "Authorization: Bearer <secret>" at ${base}/v1/`

export const keyCreate: Command = {
  name: 'key create',
  group: 'Set up',
  summary: 'Make an API key and print it once',
  details:
    'Examples\n  posthorn key create shop\n  posthorn key create reports --scopes messages:read --tenant acme --expires 90d --networks 192.0.2.0/24',
  arguments: [{ name: 'name', summary: 'What the key is for' }],
  options: {
    tenant: TENANT,
    scopes: {
      summary: `What it may do, such as messages:manage,domains:read; without it ${DEFAULT_SCOPES.join(' and ')}`,
      value: 'LIST',
      many: true,
    },
    ...TERMS,
    rate: { summary: 'Requests it may make in a second; without it as configured', value: 'N' },
  },
  async run({ input, config, services }) {
    const requestsPerSecond = wholeNumber(input, 'rate')
    const opened = await services()
    const tenant = tenantOf(input, opened)
    const scopes = listOf(input, 'scopes')
    const now = opened.clock.now()
    const { key, secret } = await opened.access.keys.create(cliActor(), tenant.id, {
      name: argument(input, 'name'),
      scopes: scopes.length === 0 ? DEFAULT_SCOPES : scopes,
      ...termsOf(input, now),
      requestsPerSecond,
      grant: OPERATOR_GRANT,
    })
    return {
      text: `Made key ${key.name}.\n\n${keyFacts(key, tenant, now)}\n${onceText(secret, baseUrl(config()))}`,
      data: { ...keyData(key, tenant), secret },
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
    const now = opened.clock.now()
    const keys: { readonly key: KeyInfo; readonly tenant: TenantRecord }[] = []
    for (const tenant of tenantsOf(input, opened))
      for (const key of await opened.access.keys.list(tenant.id, ALL)) keys.push({ key, tenant })
    const text = table(
      [
        { title: 'ID', value: ({ key }) => encodeId('key', key.id) },
        { title: 'NAME', value: ({ key }) => key.name },
        { title: 'TENANT', value: ({ tenant }) => tenant.name },
        { title: 'MODE', value: ({ key }) => key.mode },
        { title: 'SCOPES', value: ({ key }) => key.scopes.join(' ') },
        { title: 'STATE', value: ({ key }) => stateText(key, now) },
        { title: 'LAST USED', value: ({ key }) => useText(key.lastUse, now) },
      ],
      keys,
    )
    return { text, data: { keys: keys.map(({ key, tenant }) => keyData(key, tenant)) } }
  },
}

/** Throws NOT_FOUND. */
async function findKey(
  { access, tenants }: CliServices,
  id: KeyId,
): Promise<{ readonly key: KeyInfo; readonly tenant: TenantRecord }> {
  for (const tenant of tenants.list()) {
    const key = (await access.keys.list(tenant.id, ALL)).find((one) => one.id === id)
    if (key !== undefined) return { key, tenant }
  }
  throw new AppError('NOT_FOUND', {
    public: 'There is no key with this id. "posthorn key list" shows which there are.',
  })
}

export const keyRotate: Command = {
  name: 'key rotate',
  group: 'Set up',
  summary: 'Make a new key in the place of an old one, which stays good for a while',
  details: `The new key may do what the old one may, and is good for as long as the old one was to be.\n\nExample\n  posthorn key rotate ${encodeId('key', 1)} --overlap 7d`,
  arguments: [{ name: 'id', summary: 'Id of the key, from "posthorn key list"' }],
  options: { overlap: OVERLAP },
  async run({ input, config, services }) {
    const id = idArgument(input, 'id', 'key')
    const overlapMs = duration(input, 'overlap')
    const opened = await services()
    const { tenant } = await findKey(opened, id)
    const now = opened.clock.now()
    const { key, former, secret } = await opened.access.keys.rotate(cliActor(), tenant.id, id, {
      overlapMs,
      grant: OPERATOR_GRANT,
    })
    const end =
      former.state === 'live'
        ? `The old one is good until ${expiryText(former.expiresAt, now)}.`
        : 'The old one is not good any more.'
    return {
      text: `Made a new key ${key.name}. ${end}\n\n${keyFacts(key, tenant, now)}\n${onceText(secret, baseUrl(config()))}`,
      data: { ...keyData(key, tenant), secret, former: keyData(former, tenant) },
    }
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
    const opened = await services()
    const { key, tenant } = await findKey(opened, id)
    await opened.access.keys.revoke(cliActor(), tenant.id, id)
    const outcome = key.state === 'revoked' ? 'was revoked before' : 'is revoked'
    return {
      text: `Key ${key.name} ${outcome}.`,
      data: { id: encodeId('key', id), name: key.name, state: 'revoked' },
    }
  },
}
