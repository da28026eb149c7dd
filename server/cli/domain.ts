/** `posthorn domain …`: the domains a tenant sends from. */
import { AppError } from '../core/errors.ts'
import type { Config } from '../config/schema.ts'
import { cliActor } from './actor.ts'
import type { Command, CommandContext, CommandResult } from './command.ts'
import { companionRecords, zoneLine, type RecordToPublish } from './dns-records.ts'
import { table } from './output.ts'
import type { CliServices } from './services.ts'
import { TENANT, TENANT_FILTER, tenantOf, tenantsOf } from './tenant-option.ts'
import { argument, domainName } from './values.ts'

const indented = (records: readonly RecordToPublish[]): string =>
  records.map((record) => `  ${zoneLine(record)}`).join('\n')

function companions(
  domain: string,
  config: Config,
  { egress }: CliServices,
): readonly RecordToPublish[] {
  const ips = egress
    .sources()
    .flatMap(({ ip, disabledAt }) => (ip === undefined || disabledAt !== undefined ? [] : [ip]))
  const { hostname, delivery } = config
  return companionRecords({ domain, returnPathDomain: delivery.returnPathDomain, ips, hostname })
}

export const domainAdd: Command = {
  name: 'domain add',
  group: 'Set up',
  summary: 'Add a sender domain, make its DKIM keys, print what to publish',
  details:
    'Until a domain is verified its mail goes to the sandbox: accepted and kept, never sent.\n\nExamples\n  posthorn domain add example.com\n  posthorn domain add example.com --tenant acme --verified',
  arguments: [{ name: 'name', summary: 'The domain in the From address' }],
  options: {
    tenant: TENANT,
    verified: { summary: 'Vouch for the domain: its mail is sent at once' },
  },
  async run({ input, config, services }) {
    const opened = await services()
    const tenant = tenantOf(input, opened)
    const name = domainName(argument(input, 'name'))
    const verified = input.flag('verified')
    const added = await opened.domains.add(cliActor(), tenant.id, name, verified).catch(taken(name))
    const advised = companions(name, config(), opened)
    const next = verified
      ? 'Verified: its mail is sent. Without the records above many providers will refuse it.'
      : `Not verified: its mail goes to the sandbox, accepted and kept but never sent.\nWhen the records are published: posthorn domain verify ${name}${tenantHint(input)}`
    return {
      text: [
        `Added ${name} to tenant ${tenant.name}.`,
        `Publish these records:\n${indented(added.records)}`,
        `And, unless the domain has such records already:\n${indented(advised)}`,
        next,
      ].join('\n\n'),
      data: { name, tenant: tenant.name, verified, records: added.records, advised },
    }
  },
}

const tenantHint = (input: CommandContext['input']): string => {
  const tenant = input.text('tenant')
  return tenant === undefined ? '' : ` --tenant ${tenant}`
}

const taken =
  (name: string) =>
  (error: unknown): never => {
    if (!(error instanceof AppError) || error.code !== 'NAME_TAKEN') throw error
    throw new AppError('NAME_TAKEN', {
      public: `The tenant has ${name} already. "posthorn domain list" shows its records.`,
    })
  }

export const domainList: Command = {
  name: 'domain list',
  group: 'Set up',
  summary: 'List sender domains and the records they must publish',
  details: 'Examples\n  posthorn domain list\n  posthorn domain list --records',
  options: { tenant: TENANT_FILTER, records: { summary: 'Print the records, too' } },
  async run({ input, services }) {
    const opened = await services()
    const domains = tenantsOf(input, opened).flatMap((tenant) =>
      opened.domains.list(tenant.id).map((domain) => ({
        name: domain.name,
        tenant: tenant.name,
        verified: domain.verified,
        records: domain.records,
      })),
    )
    const summary = table(
      [
        { title: 'DOMAIN', value: ({ name }) => name },
        { title: 'TENANT', value: ({ tenant }) => tenant },
        { title: 'MAIL', value: ({ verified }) => (verified ? 'is sent' : 'goes to the sandbox') },
      ],
      domains,
    )
    const lines = domains.flatMap(({ records }) => records.map(zoneLine)).join('\n')
    return {
      text: input.flag('records') && lines !== '' ? `${summary}\n\n${lines}` : summary,
      data: { domains },
    }
  },
}

/** Runs `change` on the domain that was named; NOT_FOUND tells the way out. */
async function changeDomain(
  { input, services }: CommandContext,
  change: (opened: CliServices, tenant: ReturnType<typeof tenantOf>, name: string) => Promise<void>,
): Promise<{ readonly name: string; readonly tenant: string }> {
  const opened = await services()
  const tenant = tenantOf(input, opened)
  const name = domainName(argument(input, 'name'))
  if (!opened.domains.list(tenant.id).some((domain) => domain.name === name)) {
    throw new AppError('NOT_FOUND', {
      public: `Tenant ${tenant.name} has no domain ${name}. "posthorn domain list" shows all; --tenant chooses another tenant.`,
    })
  }
  await change(opened, tenant, name)
  return { name, tenant: tenant.name }
}

const NAME_ARGUMENT = [{ name: 'name', summary: 'The domain' }] as const

async function setVerified(context: CommandContext, verified: boolean): Promise<CommandResult> {
  const changed = await changeDomain(context, ({ domains }, tenant, name) =>
    domains.setVerified(cliActor(), tenant.id, name, verified),
  )
  const text = verified
    ? `Mail from ${changed.name} is sent from now on. What the sandbox has stays there.`
    : `Mail from ${changed.name} goes to the sandbox from now on. What is queued is still sent.`
  return { text, data: { ...changed, verified } }
}

export const domainVerify: Command = {
  name: 'domain verify',
  group: 'Set up',
  summary: 'Vouch for a sender domain: its mail leaves the sandbox',
  details: 'Example\n  posthorn domain verify example.com',
  arguments: NAME_ARGUMENT,
  options: { tenant: TENANT },
  run: (context) => setVerified(context, true),
}

export const domainUnverify: Command = {
  name: 'domain unverify',
  group: 'Set up',
  summary: 'Send the mail of a domain to the sandbox again',
  details: 'Example\n  posthorn domain unverify example.com',
  arguments: NAME_ARGUMENT,
  options: { tenant: TENANT },
  run: (context) => setVerified(context, false),
}

export const domainRemove: Command = {
  name: 'domain remove',
  group: 'Set up',
  summary: 'Remove a sender domain with its DKIM keys',
  details:
    'Mail that is queued goes out without a signature. The keys cannot be had again: the domain gets new ones.\n\nExample\n  posthorn domain remove example.com --tenant acme',
  arguments: NAME_ARGUMENT,
  options: { tenant: TENANT },
  async run(context) {
    const changed = await changeDomain(context, ({ domains }, tenant, name) =>
      domains.remove(cliActor(), tenant.id, name),
    )
    return {
      text: `Removed ${changed.name}. Its DKIM records can be taken out of DNS in a week.`,
      data: { ...changed, removed: true },
    }
  },
}
