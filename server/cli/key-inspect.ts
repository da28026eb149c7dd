/**
 * `posthorn key inspect`: whether a text, a file or a leak holds keys of Posthorn, and whose they are. What was found is
 * never printed whole: the output of this command ends up in tickets.
 */
import { AppError } from '../core/errors.ts'
import { encodeId } from '../core/ids.ts'
import { findApiKeys } from '../services/auth/secret.ts'
import type { FoundKey } from '../services/auth/secret.ts'
import type { KeyInfo } from '../services/keys.ts'
import type { TenantRecord } from '../store/catalog.ts'
import { stateText, useText } from './access-options.ts'
import { cliActor } from './actor.ts'
import { EXIT, UsageError, type Command, type CommandContext } from './command.ts'
import { keyData, keyFacts } from './key.ts'
import type { CliServices } from './services.ts'

interface Owned {
  readonly key: KeyInfo
  readonly tenant: TenantRecord
}
interface Finding {
  readonly found: FoundKey
  /** Undefined: not asked, or no key of this installation. */
  readonly owned: Owned | undefined
}

/** `ph_live_ab…f3`: enough to find it again where it was found. */
const masked = ({ text }: FoundKey): string => `${text.slice(0, 10)}…${text.slice(-2)}`

function textOf({ input, files }: CommandContext): string {
  const given = input.argument('text')
  const file = input.text('file')
  if ((given === undefined) === (file === undefined))
    throw new UsageError('give a text or --file, one of the two')
  if (file === undefined) return given ?? ''
  const text = files.read(file)
  if (text === undefined) throw new AppError('NOT_FOUND', { public: `There is no file ${file}.` })
  return text
}

async function ownedKey(opened: CliServices, found: FoundKey): Promise<Owned | undefined> {
  const key = await opened.access.keys.recognise(found.text)
  const tenant = opened.tenants.list().find(({ id }) => id === key?.tenant)
  return key === undefined || tenant === undefined ? undefined : { key, tenant }
}

async function revoke(opened: CliServices, { key, tenant }: Owned): Promise<Owned> {
  return { key: await opened.access.keys.revoke(cliActor(), tenant.id, key.id), tenant }
}

function describe({ found, owned }: Finding, now: number | undefined): string {
  const head = masked(found)
  if (!found.isGenuine) return `${head} looks like a ${found.mode} key, but its check is wrong.`
  if (now === undefined) return `${head} is a ${found.mode} key of Posthorn.`
  if (owned === undefined)
    return `${head} is a ${found.mode} key of Posthorn, but not of this installation.`
  const { key, tenant } = owned
  const state = `${stateText(key, now)}, last used ${useText(key.lastUse, now)}`
  const advice =
    key.state === 'live' ? `\nTo revoke it: posthorn key revoke ${encodeId('key', key.id)}` : ''
  return `${head} is a ${found.mode} key of this installation: ${state}.\n${keyFacts(key, tenant, now)}${advice}`
}

export const keyInspect: Command = {
  name: 'key inspect',
  group: 'Set up',
  summary: 'Tell whether a text holds API keys, and whose they are',
  details:
    'Succeeds when no key of this installation that is still good was found. A shell keeps what is typed: rather give a file, or /dev/stdin.\n\nExamples\n  posthorn key inspect --file leak.txt\n  git log -p | posthorn key inspect --file /dev/stdin --revoke\n  posthorn key inspect ph_live_… --offline',
  arguments: [{ name: 'text', summary: 'Where to look for keys', optional: true }],
  options: {
    file: { summary: 'Look for keys in this file', value: 'FILE' },
    offline: { summary: 'Only look at the form and the check; opens no database' },
    revoke: { summary: 'Revoke every key of this installation that is found' },
  },
  async run(context) {
    const { input, services } = context
    const isOffline = input.flag('offline')
    const wantsRevoking = input.flag('revoke')
    if (isOffline && wantsRevoking) throw new UsageError('--revoke needs the database')
    const keys = findApiKeys(textOf(context))
    const opened =
      isOffline || !keys.some(({ isGenuine }) => isGenuine) ? undefined : await services()
    const findings: Finding[] = []
    for (const found of keys) {
      const owned =
        opened === undefined || !found.isGenuine ? undefined : await ownedKey(opened, found)
      const isToGo = opened !== undefined && owned !== undefined && wantsRevoking
      findings.push({ found, owned: isToGo ? await revoke(opened, owned) : owned })
    }
    const now = opened?.clock.now()
    const text = findings.map((finding) => describe(finding, now)).join('\n\n')
    const isDanger = findings.some(({ owned }) => owned?.key.state === 'live')
    return {
      text: text === '' ? 'There is no key of Posthorn in it.' : text,
      data: {
        keys: findings.map(({ found, owned }) => ({
          text: masked(found),
          mode: found.mode,
          genuine: found.isGenuine,
          key: owned === undefined ? null : keyData(owned.key, owned.tenant),
        })),
      },
      ...(isDanger ? { exit: EXIT.failed } : {}),
    }
  },
}
