/** `posthorn restore`: puts a backup into the data directory, while no server works on it. */
import { existsSync, statSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { AppError } from '../core/errors.ts'
import type { Config } from '../config/schema.ts'
import { readMasterKey } from '../services/auth/master-key.ts'
import { readBackupFile } from '../services/backup/folder-target.ts'
import { openTarget } from '../services/backup/open-target.ts'
import { parseRecoveryKey } from '../services/backup/recovery-key.ts'
import { rehearseRestore, restoreBackup } from '../services/backup/restore.ts'
import { backupSettings, s3TargetAt } from '../services/backup/settings.ts'
import type { TargetSettings } from '../services/backup/target.ts'
import type { Tried } from '../services/backup/try.ts'
import { cliActor } from './actor.ts'
import { stepsTo } from './backup.ts'
import { UsageError } from './command.ts'
import type { Command, CommandContext, CommandResult, Input } from './command.ts'
import { list } from './output.ts'
import { countText } from './time.ts'
import { argument } from './values.ts'

/** Where the backup is: a file, an object of a store, or a name in the configured target. */
function placeOf(
  text: string,
  config: Config,
): { readonly file: string } | { readonly target: TargetSettings; readonly name: string } {
  const slash = text.lastIndexOf('/')
  if (text.startsWith('s3://')) {
    const target = s3TargetAt(text.slice(0, slash), config)
    if (target === undefined)
      throw new UsageError(`"${text}" is not an object such as s3://bucket/posthorn-….phb`)
    return { target, name: text.slice(slash + 1) }
  }
  if (existsSync(text) && statSync(text).isFile()) return { file: text }
  if (slash >= 0) throw new AppError('NOT_FOUND', { public: `There is no file ${text}.` })
  return { target: backupSettings(config).target, name: text }
}

async function withSource<T>(
  text: string,
  config: Config,
  work: (source: Readable) => Promise<T>,
): Promise<T> {
  const place = placeOf(text, config)
  const target = 'file' in place ? undefined : await openTarget(place.target)
  const source = 'file' in place ? readBackupFile(place.file) : await target!.get(place.name)
  try {
    return await work(source)
  } finally {
    // It may not have been read, or not to its end.
    source.destroy()
    target?.close()
  }
}

function keyOf(input: Input, dataDir: string): Buffer {
  const code = input.text('key')
  if (code !== undefined) {
    const key = parseRecoveryKey(code)
    if (key !== undefined) return key
    throw new UsageError('--key is not a recovery key; a letter of it may be wrong')
  }
  const key = readMasterKey(dataDir)?.derive('backup')
  if (key !== undefined) return key
  throw new AppError('BACKUP_KEY_WRONG', {
    public: `There is no master key in ${dataDir}. Give the recovery key with --key.`,
  })
}

const facts = ({ header, facts: found, secrets }: Tried): string =>
  list([
    ['made', `${header.createdAt} by Posthorn ${header.program}`],
    ['messages', countText(found.messages)],
    ['deliveries', countText(found.deliveries)],
    ['waiting', countText(found.waiting)],
    ['large bodies', countText(found.spoolFiles)],
    ['sealed secrets', countText(secrets)],
    [
      'schema',
      found.pending.length === 0
        ? found.schema
        : `${found.schema}; the next start migrates to ${found.pending.at(-1) ?? ''}`,
    ],
  ])

const dataOf = ({ header, facts: found, secrets }: Tried): Record<string, unknown> => ({
  createdAt: header.createdAt,
  program: header.program,
  ...found,
  secrets,
})

const warning = ({ header, facts: found }: Tried): string =>
  found.waiting === 0
    ? ''
    : `\n\nCareful: ${countText(found.waiting)} deliveries wait in it. Those that were sent after ${header.createdAt} would be sent again.`

const RELEASE =
  'All mail is held. To look: posthorn queue list. To let it go: posthorn queue resume all, then posthorn queue retry'

async function rehearse(context: CommandContext, config: Config): Promise<CommandResult> {
  const { input, io } = context
  const { dataDir } = config
  const recoveryKey = keyOf(input, dataDir)
  const tried = await withSource(argument(input, 'backup'), config, (source) =>
    rehearseRestore(source, { dataDir, recoveryKey, progress: stepsTo(io) }),
  )
  const next = tried.replaces
    ? `Would move aside what is in ${dataDir} (with --replace) and put this in its place.`
    : `Would put this into ${dataDir}.`
  return {
    text: `The backup is whole.\n\n${facts(tried)}\n\n${next}${warning(tried)}`,
    data: { ...dataOf(tried), dataDir, replaces: tried.replaces, restored: false },
  }
}

export const restore: Command = {
  name: 'restore',
  group: 'Look after',
  summary: 'Put a backup into the data directory',
  details:
    'The server must not run. The backup is taken apart and checked first; only then does what is there go aside (with\n--replace), into the folder before-restore-… of the data directory. Nothing is deleted. Everybody has to sign in again.\nWhat was delivered after the backup was made waits again in it, and is sent twice; with --hold nothing leaves before you\nhave looked.\n\nExamples\n  posthorn restore posthorn-2026-01-01T03-15-00-000Z-0002-control-plane.phb --dry-run\n  posthorn restore /mnt/backups/posthorn-2026-01-01T03-15-00-000Z-0002-control-plane.phb --replace --hold\n  posthorn restore s3://bucket/posthorn-2026-01-01T03-15-00-000Z-0002-control-plane.phb --key 7M3K-…',
  arguments: [
    { name: 'backup', summary: 'A file, s3://bucket/name, or a name in the configured target' },
  ],
  options: {
    key: { summary: 'The recovery key; not needed where master.key is the same', value: 'CODE' },
    'dry-run': { summary: 'Only check, and tell what would be done' },
    replace: { summary: 'Move aside what is in the data directory' },
    hold: { summary: 'Let no mail leave until it is released' },
  },
  async run(context) {
    const { input, io, ports, services } = context
    const config = context.config()
    if (input.flag('dry-run')) return rehearse(context, config)
    const { dataDir } = config
    const recoveryKey = keyOf(input, dataDir)
    const name = argument(input, 'backup')
    const hold = input.flag('hold')
    const restored = await withSource(name, config, (source) =>
      restoreBackup(source, {
        dataDir,
        recoveryKey,
        replace: input.flag('replace'),
        now: ports.clock.now(),
        progress: stepsTo(io),
      }),
    )
    const { createdAt } = restored.header
    const backup = name.slice(name.lastIndexOf('/') + 1)
    const opened = await services()
    const held = await opened.afterRestore(cliActor(), { backup, createdAt, hold })
    const aside = restored.aside === undefined ? '' : `\nWhat was there: ${restored.aside}`
    const mail = hold ? `\n\n${RELEASE}` : warning(restored)
    return {
      text: `Restored into ${dataDir}.${aside}\n\n${facts(restored)}${mail}\n\nKeys and logins that were revoked after ${createdAt} are valid again: revoke them once more.\nNext: posthorn check, then posthorn serve`,
      data: {
        ...dataOf(restored),
        dataDir,
        aside: restored.aside ?? null,
        held: hold ? held : null,
        restored: true,
      },
    }
  },
}
