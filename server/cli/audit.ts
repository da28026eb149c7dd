/** `posthorn audit …`: who changed what, and whether the log of it is whole. */
import { AppError } from '../core/errors.ts'
import type { AuditRecord } from '../services/audit.ts'
import { cliActor } from './actor.ts'
import { EXIT } from './command.ts'
import type { Command } from './command.ts'
import { table } from './output.ts'
import { isoTime, timeText } from './time.ts'
import { wholeNumber } from './values.ts'

const DEFAULT_LIMIT = 50

const changeText = ({ before, after }: AuditRecord): string =>
  [before, after]
    .map((value) => (value === undefined ? '' : JSON.stringify(value)))
    .filter((text) => text !== '')
    .join(' → ')

export const auditList: Command = {
  name: 'audit list',
  group: 'Look after',
  summary: 'Show who changed what, newest first',
  details:
    'Examples\n  posthorn audit list --action "key.*"\n  posthorn audit list --actor anna@example.com --limit 200',
  options: {
    tenant: { summary: 'Only changes in this tenant', value: 'NAME' },
    action: { summary: 'Only this action, such as key.created, or key.* for all', value: 'ACTION' },
    actor: { summary: 'Only what this person, key or account did', value: 'NAME' },
    limit: { summary: `How many; without it ${DEFAULT_LIMIT}`, value: 'N' },
  },
  async run({ input, services }) {
    const { audit, tenants } = await services()
    const name = input.text('tenant')
    const tenant = name === undefined ? undefined : tenants.resolve(name).id
    const records = await audit.list(
      { tenant, action: input.text('action'), actor: input.text('actor') },
      { before: undefined, limit: wholeNumber(input, 'limit') ?? DEFAULT_LIMIT },
    )
    const text = table<AuditRecord>(
      [
        { title: 'TIME', value: ({ at }) => timeText(at) },
        { title: 'WHO', value: ({ actor }) => actor.name },
        { title: 'BY', value: ({ actor }) => actor.means },
        { title: 'FROM', value: ({ actor }) => actor.ip },
        { title: 'ACTION', value: ({ action }) => action },
        { title: 'WHAT', value: ({ target }) => target.name },
        { title: 'CHANGE', value: changeText },
      ],
      records,
    )
    return { text, data: { records: records.map((one) => ({ ...one, at: isoTime(one.at) })) } }
  },
}

export const auditVerify: Command = {
  name: 'audit verify',
  group: 'Look after',
  summary: 'Prove that no record of the audit log was changed, removed or added',
  details:
    'Ends with code 1 when something is wrong. Keep the last line elsewhere from time to time: it proves later that the log was not replaced as a whole.\n\nExample\n  posthorn audit verify',
  async run({ services }) {
    const { audit } = await services()
    const report = await audit.verify()
    const { records, days, first, last, faults } = report
    const range =
      first === undefined
        ? ''
        : days === 1
          ? `, all on ${first}`
          : ` on ${days} days, ${first} to ${last ?? first}`
    if (faults.length > 0)
      return {
        text: `${faults.map(({ text }) => `!! ${text}`).join('\n')}\n${records} records${range}: the log is NOT whole.`,
        data: report,
        exit: EXIT.failed,
      }
    return {
      text: `${records} records${range}: whole.\nHead ${report.head ?? 'none'}`,
      data: report,
    }
  },
}

export const auditExport: Command = {
  name: 'audit export',
  group: 'Look after',
  summary: 'Write the audit log as JSON lines',
  details: 'Example\n  posthorn audit export > audit.jsonl',
  options: { tenant: { summary: 'Only changes in this tenant', value: 'NAME' } },
  async run({ input, io, services }) {
    const { audit, tenants } = await services()
    const name = input.text('tenant')
    const tenant = name === undefined ? undefined : tenants.resolve(name).id
    let bytes = 0
    for await (const lines of audit.export(cliActor(), tenant)) {
      io.out(lines)
      bytes += lines.length
    }
    if (bytes === 0) throw new AppError('NOT_FOUND', { public: 'There is nothing in the log yet.' })
    return { text: '', data: { exported: bytes } }
  },
}
