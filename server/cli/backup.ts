/** `posthorn backup …`: copies of everything that cannot be had again. Works beside a running server. */
import { existsSync } from 'node:fs'
import { AppError } from '../core/errors.ts'
import type { BackupInfo } from '../services/backup/contract.ts'
import type { Progress } from '../services/backup/make.ts'
import { databaseFile } from '../store/open.ts'
import { cliActor } from './actor.ts'
import { EXIT } from './command.ts'
import type { Command, CommandContext, Io } from './command.ts'
import { list, table } from './output.ts'
import type { CliServices } from './services.ts'
import { countText, isoTime, timeText } from './time.ts'
import { argument } from './values.ts'

const DOING = {
  copy: 'copying the database',
  pack: 'packing, compressing, encrypting',
  unpack: 'trying it: taking it apart',
  check: 'trying it: checking what came out',
} as const satisfies Record<Progress['phase'], string>

/** A line for each step, on standard error. */
export function stepsTo(io: Io): (progress: Progress) => void {
  let phase = ''
  return (progress) => {
    if (progress.phase === phase) return
    phase = progress.phase
    io.err(`${DOING[progress.phase]} …\n`)
  }
}

export const bytesText = (bytes: number): string =>
  bytes < 1024 * 1024
    ? `${Math.ceil(bytes / 1024)} KiB`
    : `${countText(Math.ceil(bytes / 1024 / 1024))} MiB`

/** For machines: times as text, nothing undefined. */
const dataOf = (info: BackupInfo): Record<string, unknown> => ({
  name: info.name,
  target: info.target,
  state: info.state,
  trigger: info.trigger ?? null,
  startedAt: isoTime(info.startedAt),
  finishedAt: info.finishedAt === undefined ? null : isoTime(info.finishedAt),
  bytes: info.bytes ?? null,
  messages: info.messages ?? null,
  deliveries: info.deliveries ?? null,
  verifiedAt: info.verifiedAt === undefined ? null : isoTime(info.verifiedAt),
  error: info.error ?? null,
  isThere: info.isThere,
})

/** An installation is not made just to look at its backups. */
async function existing({ config, services }: CommandContext): Promise<CliServices> {
  const { dataDir } = config()
  if (!existsSync(databaseFile(dataDir)))
    throw new AppError('NOT_FOUND', { public: `There is no database in ${dataDir} yet.` })
  return services()
}

export const backupCreate: Command = {
  name: 'backup create',
  group: 'Look after',
  summary: 'Make a backup and try it',
  details:
    'Mail flows meanwhile. One encrypted file with the database, large bodies and the master key goes to backup.folder or\nbackup.s3; a restore of it is tried in a scratch folder right away. Ends with code 1 when that did not work. To restore it on\nanother machine you need the recovery key: posthorn backup recovery-key\n\nExamples\n  posthorn backup create\n  posthorn backup create --backup.folder=/mnt/backups',
  async run(context) {
    const { backups } = await existing(context)
    const info = await backups.create(cliActor(), { progress: stepsTo(context.io) })
    const whole = info.error === undefined
    const facts = list([
      ['in', info.target],
      ['size', bytesText(info.bytes ?? 0)],
      ['messages', countText(info.messages ?? 0)],
      ['deliveries', countText(info.deliveries ?? 0)],
      ['tried', info.error ?? 'a restore of it works'],
    ])
    return {
      text: `${info.name}\n\n${facts}`,
      data: dataOf(info),
      ...(whole ? {} : { exit: EXIT.failed }),
    }
  },
}

function stateText(info: BackupInfo): string {
  if (info.state !== 'done')
    return `${info.state}${info.error === undefined ? '' : `: ${info.error}`}`
  if (!info.isThere) return 'the file is not there'
  if (info.verifiedAt !== undefined) return `tried ${timeText(info.verifiedAt)}`
  return info.error ?? 'not tried'
}

export const backupList: Command = {
  name: 'backup list',
  group: 'Look after',
  summary: 'List the backups there are, newest first',
  async run(context) {
    const { backups } = await existing(context)
    const infos = await backups.list()
    const text = table<BackupInfo>(
      [
        { title: 'BACKUP', value: ({ name }) => name },
        {
          title: 'SIZE',
          value: ({ bytes }) => (bytes === undefined ? undefined : bytesText(bytes)),
        },
        { title: 'MESSAGES', value: ({ messages }) => messages },
        { title: 'STATE', value: stateText },
        { title: 'IN', value: ({ target }) => target },
      ],
      infos,
    )
    return { text, data: { backups: infos.map(dataOf) } }
  },
}

const NAME = [{ name: 'name', summary: 'A backup, as "posthorn backup list" shows it' }] as const

export const backupVerify: Command = {
  name: 'backup verify',
  group: 'Look after',
  summary: 'Try a restore of a backup in a scratch folder',
  details: 'Ends with code 1 when it cannot be restored.',
  arguments: NAME,
  async run(context) {
    const { backups } = await existing(context)
    const progress = stepsTo(context.io)
    const found = await backups.verify(cliActor(), argument(context.input, 'name'), { progress })
    const { name, error, messages = 0, deliveries = 0 } = found
    if (error !== undefined)
      return { text: error, data: { name, whole: false, error }, exit: EXIT.failed }
    return {
      text: `It can be restored: ${countText(messages)} messages, ${countText(deliveries)} deliveries.`,
      data: { name, whole: true, messages, deliveries },
    }
  },
}

export const backupDelete: Command = {
  name: 'backup delete',
  group: 'Look after',
  summary: 'Delete a backup',
  arguments: NAME,
  async run(context) {
    const { backups } = await existing(context)
    const name = argument(context.input, 'name')
    await backups.remove(cliActor(), name)
    return { text: `${name} is deleted.`, data: { name, deleted: true } }
  },
}

export const backupRecoveryKey: Command = {
  name: 'backup recovery-key',
  group: 'Look after',
  summary: 'Show the code that opens the backups on another machine',
  details:
    'Keep it apart from the backups: on paper, or in a password manager. Without it and without master.key nobody can open\nthem, not even you. It never changes. That it was shown is in the audit log.',
  async run(context) {
    const { backups } = await existing(context)
    const recoveryKey = await backups.recoveryKey(cliActor())
    return { text: recoveryKey, data: { recoveryKey } }
  },
}
