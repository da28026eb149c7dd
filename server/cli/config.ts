/** `posthorn config …`: the settings explained. Needs neither a configuration nor a database. */
import { configJsonSchema, generatedConfigFiles, settingsText } from '../config/describe.ts'
import { FIELDS } from '../config/fields.ts'
import { didYouMean } from '../config/suggest.ts'
import { UsageError, type Command, type CommandContext, type CommandResult } from './command.ts'

function writeFiles({ files }: CommandContext): CommandResult {
  const generated = generatedConfigFiles()
  // The files belong to the source tree; anywhere else they would be litter.
  if (files.read('package.json') === undefined) {
    throw new UsageError('--write works in the root folder of the project only')
  }
  const changed = Object.entries(generated).filter(([path, text]) => files.read(path) !== text)
  for (const [path, text] of changed) files.write(path, text)
  const written = changed.map(([path]) => path)
  return {
    text: written.length === 0 ? 'Everything is up to date.' : `Wrote ${written.join(', ')}.`,
    data: { written },
  }
}

export const configDescribe: Command = {
  name: 'config describe',
  group: 'Set up',
  summary: 'Explain every setting, or one section of them',
  details: 'With --json: the JSON Schema of the configuration file.',
  arguments: [
    { name: 'setting', summary: 'A setting or section, such as "delivery.retry"', optional: true },
  ],
  options: {
    write: { summary: 'Generate config.example.json and docs/configuration.md anew' },
  },
  async run(context) {
    if (context.input.flag('write')) return writeFiles(context)
    const prefix = context.input.argument('setting') ?? ''
    const text = settingsText(prefix)
    if (text === undefined) {
      const sections = FIELDS.map(({ path }) => path.split('.').slice(0, -1).join('.'))
      const hint = didYouMean(prefix, [...sections, ...FIELDS.map(({ path }) => path)])
      throw new UsageError(`there is no setting "${prefix}"${hint}`)
    }
    return { text, data: configJsonSchema() }
  },
}
