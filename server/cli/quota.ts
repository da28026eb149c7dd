/** `posthorn quota …`: how much a tenant, one of its logins or one of its domains may send in an hour, a day, a month. */
import { AppError } from '../core/errors.ts'
import { QUOTA_OVER, QUOTA_UNITS } from '../core/quota.ts'
import type { QuotaLimits, QuotaUnit } from '../core/quota.ts'
import type { QuotaInfo, QuotaTarget } from '../services/quotas.ts'
import { cliActor } from './actor.ts'
import { UsageError, type Command, type Input, type OptionSpec } from './command.ts'
import { table } from './output.ts'
import type { CliServices } from './services.ts'
import { TENANT, TENANT_FILTER, tenantOf, tenantsOf } from './tenant-option.ts'
import { countText, isoTime, timeText } from './time.ts'
import { domainName, onlyOne, wholeNumber, word } from './values.ts'

const TARGETS: Readonly<Record<string, OptionSpec>> = {
  tenant: TENANT,
  credential: { summary: 'Of this SMTP login, not of the whole tenant', value: 'USER' },
  domain: { summary: 'Of this sender domain, not of the whole tenant', value: 'NAME' },
}

function targetOf(input: Input, opened: CliServices): QuotaTarget {
  const tenant = tenantOf(input, opened).id
  const scope = onlyOne(input, ['credential', 'domain'])
  if (scope === 'credential') return { tenant, scope, of: input.text(scope) }
  if (scope === 'domain') return { tenant, scope, of: domainName(input.text(scope) ?? '') }
  return { tenant, scope: 'tenant' }
}

const nameOf = ({ scope, name }: Pick<QuotaInfo, 'scope' | 'name'>): string =>
  `${scope === 'credential' ? 'login' : scope} ${name}`

/** `none` takes a limit away. */
function limitOf(input: Input, unit: QuotaUnit, before: number | undefined): number | undefined {
  const text = input.text(unit)
  if (text === undefined) return before
  return text === 'none' ? undefined : wholeNumber(input, unit)
}

const existing = async (
  { quotas }: CliServices,
  { tenant, scope, of }: QuotaTarget,
): Promise<QuotaInfo | undefined> =>
  (await quotas.list(tenant)).find(
    (quota) => quota.scope === scope && (of === undefined || quota.name === of || quota.id === of),
  )

const limitsText = ({ units, over }: QuotaInfo): string =>
  `${units.map(({ unit, limit }) => `${countText(limit)} per ${unit}`).join(', ')}; beyond it mail is ${over === 'delay' ? 'delayed' : 'refused'}`

const dataOf = ({ scope, id, name, over, units }: QuotaInfo) => ({
  scope,
  id,
  name,
  over,
  units: units.map((one) => ({ ...one, resetsAt: isoTime(one.resetsAt) })),
})

export const quotaSet: Command = {
  name: 'quota set',
  group: 'Set up',
  summary: 'Limit what a tenant, an SMTP login or a domain may send',
  details:
    'Recipients are counted: one message to ten people counts ten. Hours, days and months are those of the calendar in\nUTC. Beyond the limit mail waits for the next window with room (delay) or is not accepted (refuse). What is not\nnamed stays as it was set before; "none" takes a limit away.\n\nExamples\n  posthorn quota set --day 10000 --month 200000\n  posthorn quota set --tenant acme --credential shop --hour 500 --over refuse\n  posthorn quota set --domain news.example --hour none --day 5000',
  options: {
    ...TARGETS,
    hour: { summary: 'Recipients per hour, or none', value: 'N' },
    day: { summary: 'Recipients per day, or none', value: 'N' },
    month: { summary: 'Recipients per month, or none', value: 'N' },
    over: { summary: `${QUOTA_OVER.join(' or ')}; delay when it is new`, value: 'MODE' },
  },
  async run({ input, services }) {
    const over = word(input, 'over', QUOTA_OVER)
    if (over === undefined && QUOTA_UNITS.every((unit) => input.text(unit) === undefined))
      throw new UsageError('say which limit: --hour, --day, --month or --over')
    const opened = await services()
    const target = targetOf(input, opened)
    const before = await existing(opened, target)
    const limits: QuotaLimits = Object.fromEntries(
      QUOTA_UNITS.map((unit) => [
        unit,
        limitOf(input, unit, before?.units.find((one) => one.unit === unit)?.limit),
      ]),
    )
    const wish = { ...target, ...limits, over: over ?? before?.over ?? 'delay' }
    const quota = await opened.quotas.set(cliActor(), wish)
    return { text: `Quota of ${nameOf(quota)}: ${limitsText(quota)}.`, data: dataOf(quota) }
  },
}

export const quotaList: Command = {
  name: 'quota list',
  group: 'Set up',
  summary: 'List quotas and how much of them is used',
  details: 'Example\n  posthorn quota list --tenant acme',
  options: { tenant: TENANT_FILTER },
  async run({ input, services }) {
    const opened = await services()
    const found = await Promise.all(
      tenantsOf(input, opened).map(async (tenant) =>
        (await opened.quotas.list(tenant.id)).map((quota) => ({ ...quota, tenant: tenant.name })),
      ),
    )
    const quotas = found.flat()
    const rows = quotas.flatMap((quota) => quota.units.map((unit) => ({ ...quota, ...unit })))
    const text = table(
      [
        { title: 'TENANT', value: ({ tenant }) => tenant },
        { title: 'OF', value: nameOf },
        { title: 'PER', value: ({ unit }) => unit },
        { title: 'LIMIT', value: ({ limit }) => limit },
        { title: 'USED', value: ({ used }) => used },
        { title: 'PLANNED', value: ({ planned }) => planned },
        { title: 'BEYOND IT', value: ({ over }) => over },
        { title: 'ENDS', value: ({ resetsAt }) => timeText(resetsAt) },
      ],
      rows,
    )
    const data = quotas.map((quota) => ({ tenant: quota.tenant, ...dataOf(quota) }))
    return { text, data: { quotas: data } }
  },
}

export const quotaRemove: Command = {
  name: 'quota remove',
  group: 'Set up',
  summary: 'Take a quota away: nothing is limited or counted any more',
  details:
    'Mail that waits already keeps its time; "posthorn queue retry" makes it due at once.\n\nExamples\n  posthorn quota remove --tenant acme\n  posthorn quota remove --domain news.example',
  options: TARGETS,
  async run({ input, services }) {
    const opened = await services()
    const target = targetOf(input, opened)
    if ((await existing(opened, target)) === undefined)
      throw new AppError('NOT_FOUND', {
        public: 'No such quota is set. "posthorn quota list" shows which are.',
      })
    await opened.quotas.remove(cliActor(), target)
    const name = target.of ?? tenantOf(input, opened).name
    const removed = nameOf({ scope: target.scope, name })
    return {
      text: `Removed the quota of ${removed}.`,
      data: { scope: target.scope, name, removed: true },
    }
  },
}
