/** `posthorn quota …`: how many recipients a tenant, a login or a domain may address. */
import { QUOTA_UNITS } from '../core/quota.ts'
import type { QuotaLimits } from '../core/quota.ts'
import type { QuotaInfo, QuotaTarget } from '../services/quotas.ts'
import { cliActor } from './actor.ts'
import { UsageError } from './command.ts'
import type { Command, Input, OptionSpec } from './command.ts'
import { table } from './output.ts'
import type { CliServices } from './services.ts'
import { TENANT, tenantOf } from './tenant-option.ts'
import { countText, isoTime, timeText } from './time.ts'
import { onlyOne, wholeNumber, word } from './values.ts'

const OVER = ['delay', 'refuse'] as const

const TARGETS: Readonly<Record<string, OptionSpec>> = {
  tenant: TENANT,
  credential: {
    summary: 'Of this SMTP login; without it and --domain of the tenant',
    value: 'NAME',
  },
  domain: { summary: 'Of mail from this domain', value: 'DOMAIN' },
}

function targetOf(input: Input, services: CliServices): QuotaTarget {
  const { id, name } = tenantOf(input, services)
  const scope = onlyOne(input, ['credential', 'domain'])
  if (scope === 'credential' || scope === 'domain')
    return { tenant: id, scope, name: input.text(scope) ?? '' }
  return { tenant: id, scope: 'tenant', name }
}

const useText = ({ windows }: QuotaInfo): string =>
  windows
    .map(({ unit, used, limit, resetsAt }) => {
      const left = used >= limit ? ` (next at ${timeText(resetsAt)})` : ''
      return `${countText(used)} of ${countText(limit)} this ${unit}${left}`
    })
    .join(', ')

const dataOf = (quota: QuotaInfo) => ({
  ...quota,
  windows: quota.windows.map((window) => ({ ...window, resetsAt: isoTime(window.resetsAt) })),
})

export const quotaSet: Command = {
  name: 'quota set',
  group: 'Mail',
  summary: 'Limit recipients per hour, day and month',
  details:
    'One message to ten people counts ten; windows are those of the calendar in UTC. Beyond a limit mail waits for the\nnext window with room (--over delay), or is not taken (--over refuse). What is not named is not limited.\n\nExamples\n  posthorn quota set --day 50000\n  posthorn quota set --credential shop --hour 500 --over refuse\n  posthorn quota set --tenant acme --domain news.example --month 1000000',
  options: {
    ...TARGETS,
    hour: { summary: 'Recipients per hour', value: 'N' },
    day: { summary: 'Recipients per day', value: 'N' },
    month: { summary: 'Recipients per month', value: 'N' },
    over: { summary: `${OVER.join(' or ')}; without it delay`, value: 'WHAT' },
  },
  async run({ input, services }) {
    const limits: QuotaLimits = Object.fromEntries(
      QUOTA_UNITS.map((unit) => [unit, wholeNumber(input, unit, { most: 1_000_000_000 })]),
    )
    if (QUOTA_UNITS.every((unit) => limits[unit] === undefined))
      throw new UsageError('say how many: --hour, --day or --month')
    const opened = await services()
    const over = word(input, 'over', OVER) ?? 'delay'
    const quota = await opened.quotas.set(cliActor(), targetOf(input, opened), { limits, over })
    return {
      text: `${quota.scope} ${quota.name}: ${useText(quota)}; beyond it mail is ${over === 'delay' ? 'delayed' : 'refused'}.`,
      data: dataOf(quota),
    }
  },
}

export const quotaList: Command = {
  name: 'quota list',
  group: 'Mail',
  summary: 'List quotas and how much of them is used',
  details: 'Example\n  posthorn quota list --tenant acme',
  options: { tenant: TENANT },
  async run({ input, services }) {
    const opened = await services()
    const quotas = await opened.quotas.list(tenantOf(input, opened).id)
    const text = table(
      [
        { title: 'OF', value: ({ scope }) => scope },
        { title: 'NAME', value: ({ name }) => name },
        { title: 'USED', value: useText },
        { title: 'BEYOND', value: ({ over }) => over },
      ],
      quotas,
    )
    return { text, data: { quotas: quotas.map(dataOf) } }
  },
}

export const quotaRemove: Command = {
  name: 'quota remove',
  group: 'Mail',
  summary: 'Remove a quota',
  details:
    'Mail that already has its time keeps it.\n\nExample\n  posthorn quota remove --credential shop',
  options: TARGETS,
  async run({ input, services }) {
    const opened = await services()
    const target = targetOf(input, opened)
    await opened.quotas.remove(cliActor(), target)
    return {
      text: `Removed the quota of ${target.scope} ${target.name}.`,
      data: { removed: { scope: target.scope, name: target.name } },
    }
  },
}
