/** `posthorn secrets …`: the master key and what is sealed under it. Works beside a running server. */
import { cliActor } from './actor.ts'
import { EXIT, UsageError } from './command.ts'
import type { Command, CommandResult } from './command.ts'
import { table } from './output.ts'
import type { KeyVersion, RotationResult } from '../services/secrets.ts'
import { countText } from './time.ts'
import { argument } from './values.ts'

export const secretsStatus: Command = {
  name: 'secrets status',
  group: 'Look after',
  summary: 'Show how many secrets need which version of the master key',
  details: 'Ends with code 1 when a secret needs a version that is not there.',
  async run({ services }) {
    const { secrets } = await services()
    const status = await secrets.status()
    const text = table<KeyVersion>(
      [
        { title: 'VERSION', value: ({ version }) => version },
        { title: 'SECRETS', value: ({ secrets: count }) => count },
        {
          title: 'STATE',
          value: ({ version, isThere }) =>
            isThere ? (version === status.current ? 'current' : 'old') : 'MISSING',
        },
      ],
      status.versions,
    )
    const isWhole = status.versions.every(({ isThere }) => isThere)
    return { text, data: status, ...(isWhole ? {} : { exit: EXIT.failed }) }
  },
}

function resultOf({ version, resealed, unreadable }: RotationResult): CommandResult {
  const lost = unreadable === 0 ? '' : ` ${countText(unreadable)} could not be opened; see the log.`
  return {
    text: `${countText(resealed)} secrets are sealed under version ${version} now.${lost}`,
    data: { version, resealed, unreadable },
    ...(unreadable === 0 ? {} : { exit: EXIT.failed }),
  }
}

export const secretsRotate: Command = {
  name: 'secrets rotate',
  group: 'Look after',
  summary: 'Add a version to the master key and seal all secrets under it',
  details:
    'A running server takes notice by itself. If it is cut off, finish it with --continue. Then make a backup: those made\nbefore hold the key as it was then, and stay readable. See docs/operations/rotate-the-master-key.md for what a rotation\ndoes not change.',
  options: { continue: { summary: 'Add no version; finish a rotation that was cut off' } },
  async run({ input, services }) {
    const { secrets } = await services()
    const result = input.flag('continue')
      ? await secrets.reseal(cliActor())
      : await secrets.rotate(cliActor())
    return resultOf(result)
  },
}

export const secretsForget: Command = {
  name: 'secrets forget',
  group: 'Look after',
  summary: 'Take an old version out of the master key for good',
  details: 'Refused while a secret needs it, and always for version 1 and the current one.',
  arguments: [{ name: 'version', summary: 'A version that "posthorn secrets status" calls old' }],
  async run({ input, services }) {
    const text = argument(input, 'version')
    const version = /^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined
    if (version === undefined) throw new UsageError(`"${text}" is not a version`)
    const { secrets } = await services()
    await secrets.forget(cliActor(), version)
    return { text: `Version ${version} is forgotten.`, data: { version, forgotten: true } }
  },
}
