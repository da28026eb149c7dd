import { describe, expect, test } from 'vitest'
import type { Config } from '../../../server/config/schema.ts'
import { AppError } from '../../../server/core/errors.ts'
import { UsageError, type Command, type CommandContext } from '../../../server/cli/command.ts'
import { configDescribe } from '../../../server/cli/config.ts'
import { COMMANDS } from '../../../server/cli/registry.ts'
import type { CliServices } from '../../../server/cli/services.ts'
import { runCli } from '../../../server/cli/run.ts'
import { realPorts } from '../../../server/ports.ts'

/** Tells what it was given. */
const echo: Command = {
  name: 'key create',
  group: 'Set up',
  summary: 'Make a key',
  arguments: [
    { name: 'tenant', summary: 'whose key' },
    { name: 'words', summary: 'a remark', optional: true, many: true },
  ],
  options: {
    name: { summary: 'what it is called', value: 'NAME', required: true, short: 'n' },
    scope: { summary: 'what it may do', value: 'SCOPE', many: true },
    force: { summary: 'do not ask' },
  },
  run: async ({ input, config }) => {
    const data = {
      tenant: input.argument('tenant'),
      words: input.rest('words'),
      name: input.text('name'),
      scopes: input.texts('scope'),
      force: input.flag('force'),
      level: config().log.level,
      port: config().delivery.port,
    }
    return { text: `key of ${data.tenant ?? ''}`, data }
  },
}

const command = (name: string, run: (context: CommandContext) => Promise<void>): Command => ({
  name,
  group: 'Run',
  summary: 'Do it',
  run: async (context) => {
    await run(context)
    return { text: 'done', data: { done: true } }
  },
})

interface World {
  readonly files?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  readonly commands?: readonly Command[]
  readonly opened?: string[]
}

async function cli(line: readonly string[], world: World = {}) {
  const files = new Map(Object.entries(world.files ?? {}))
  let out = ''
  let err = ''
  const exit = await runCli(line, {
    io: { out: (text) => void (out += text), err: (text) => void (err += text) },
    files: { read: (path) => files.get(path), write: (path, text) => void files.set(path, text) },
    ports: realPorts('silent'),
    env: world.env ?? {},
    hostname: 'box.example',
    version: '1.2.3',
    commands: world.commands ?? [configDescribe, echo],
    openServices: async (config: Config) => {
      world.opened?.push(`open ${config.dataDir}`)
      // The frame opens and closes; what commands find inside is no matter of its own.
      const services: Pick<CliServices, 'close'> = {
        close: async () => void world.opened?.push('close'),
      }
      return services as CliServices
    },
  })
  return { exit, out, err, files }
}

const words = (line: string): string[] => line.split(' ').filter((word) => word !== '')

describe('a command gets what was typed', () => {
  test('arguments, options, settings and the file', async () => {
    const line = 'key create acme a b --name=x --scope s1 --scope s2 --log.level=warn --json'
    const { exit, out } = await cli(words(line), {
      files: { 'config.json': '{"log":{"level":"debug"},"delivery":{"port":2500}}' },
    })
    expect(exit).toBe(0)
    expect(JSON.parse(out)).toEqual({
      tenant: 'acme',
      words: ['a', 'b'],
      name: 'x',
      scopes: ['s1', 's2'],
      force: false,
      level: 'warn',
      port: 2500,
    })
  })

  test('text for people, without --json', async () => {
    expect(await cli(words('key create acme -n x'))).toMatchObject({
      out: 'key of acme\n',
      err: '',
    })
  })

  test.each([
    [
      '--delivery.allowPrivateNetworks key create acme -n x',
      'a switch among the settings, before the command',
    ],
    [
      '--config other.json key create acme -n x',
      'the value of an option before the command is no command',
    ],
    ['key create acme -n x --delivery.allowPrivateNetworks=false', 'a switch with a value'],
    ['key create acme --name=--json', 'a value that looks like an option'],
    ['key create -n x -- --acme', 'an argument that looks like an option'],
  ])('%s works: %s', async (line, _why) => {
    expect(await cli(words(line), { files: { 'other.json': '{}' } })).toMatchObject({
      exit: 0,
      err: '',
    })
  })
})

describe('what is not understood ends with 2', () => {
  test.each([
    ['key', '"key" needs one more word: key create', 'half a command'],
    ['key creat acme', 'there is no command "key creat" (did you mean "key create"?)', 'a slip'],
    [
      'confg describe',
      'there is no command "confg describe" (did you mean "config describe"?)',
      'a slip in the first word',
    ],
    ['fly', 'there is no command "fly"', 'nothing like it'],
    ['key create -n x', '<tenant> is missing: whose key', 'an argument is missing'],
    ['key create acme', '--name is missing', 'a required option is missing'],
    ['key create acme --name', '--name needs a value', 'a value is missing'],
    ['key create acme --name --json', '--name needs a value', 'a value was forgotten'],
    ['key create acme -n x -n y', '--name may be given only once', 'twice'],
    ['key create acme -n x --force=yes', '--force takes no value', 'a switch with a value'],
    [
      'key create acme -n x --nmae y',
      'there is no option --nmae (did you mean "name"?)',
      'an unknown option',
    ],
    [
      'key create acme -n x --log.levl=y',
      'there is no option --log.levl (did you mean "log.level"?)',
      'an unknown setting',
    ],
    ['key create acme -n x --log.level', '--log.level needs a value', 'a setting without a value'],
    ['config describe http log', '"log" is one word too many', 'an argument too many'],
    [
      'config describe htpp',
      'there is no setting "htpp" (did you mean "http"?)',
      'refused by the command itself',
    ],
  ])('%s: %s (%s)', async (line, message) => {
    const { exit, out, err } = await cli(words(line))
    const expected = err.startsWith('{') ? message.replaceAll('"', '\\"') : message
    expect(err).toContain(expected)
    expect({ exit, out }).toEqual({ exit: 2, out: '' })
  })
})

describe('failures end with 1', () => {
  test('a wrong configuration tells every field', async () => {
    const env = { POSTHORN_LOG_LEVEL: 'loud', POSTHORN_DELIVERY_PORT: '0' }
    const { exit, err } = await cli(words('key create acme -n x'), { env })
    expect(exit).toBe(1)
    expect(err.split('\n')).toEqual([
      'posthorn: The configuration is not valid.',
      '  delivery.port must be a whole number from 1 to 65535 (set by POSTHORN_DELIVERY_PORT)',
      '  log.level must be one of "debug", "info", "warn", "error", "silent" (set by POSTHORN_LOG_LEVEL)',
      '',
    ])
  })

  test.each([
    ['key create acme -n x --config no.json', '', 'by option'],
    ['key create acme -n x', 'no.json', 'by variable'],
  ])('a file that was named must exist: %s with %j (%s)', async (line, POSTHORN_CONFIG, _why) => {
    expect(await cli(words(line), { env: { POSTHORN_CONFIG } })).toMatchObject({
      exit: 1,
      err: 'posthorn: The configuration is not valid.\n  no.json does not exist\n',
    })
  })

  test('errors are JSON with --json, and results stay apart from them', async () => {
    const fail = command('fail', async () => {
      throw new AppError('NOT_FOUND', {
        detail: 'dlv_1',
        fields: [{ path: 'id', message: 'is gone' }],
      })
    })
    const { exit, out, err } = await cli(['fail', '--json'], { commands: [fail] })
    expect({ exit, out }).toEqual({ exit: 1, out: '' })
    expect(JSON.parse(err)).toEqual({
      error: {
        code: 'NOT_FOUND',
        message: 'There is nothing with this id.',
        detail: 'dlv_1',
        fields: [{ path: 'id', message: 'is gone' }],
      },
    })
  })

  test('a bug shows its stack', async () => {
    const bug = command('bug', async () => {
      throw new TypeError('x is not a function')
    })
    const { exit, err } = await cli(['bug'], { commands: [bug] })
    expect(exit).toBe(1)
    expect(err).toContain('TypeError: x is not a function')
  })

  test('a check that found something prints its result', async () => {
    const check: Command = {
      ...echo,
      name: 'check',
      options: {},
      arguments: [],
      run: async () => ({ text: 'port 25 is closed', data: [], exit: 1 }),
    }
    expect(await cli(['check'], { commands: [check] })).toMatchObject({
      exit: 1,
      out: 'port 25 is closed\n',
    })
  })
})

describe('services', () => {
  test('are opened once, when asked for, and closed', async () => {
    const opened: string[] = []
    const use = command('use', async ({ services }) => {
      await Promise.all([services(), services()])
      opened.push('run')
    })
    await cli(['use', '--dataDir=d'], { commands: [use], opened })
    expect(opened).toEqual(['open d', 'run', 'close'])
    opened.length = 0
    await cli(words('key create acme -n x'), { opened })
    expect(opened).toEqual([])
  })

  test('are closed when the command fails', async () => {
    const opened: string[] = []
    const use = command('use', async ({ services }) => {
      await services()
      throw new UsageError('no')
    })
    expect(await cli(['use'], { commands: [use], opened })).toMatchObject({ exit: 2 })
    expect(opened).toEqual(['open data', 'close'])
  })
})

describe('help', () => {
  test.each([[''], ['--help'], ['help'], ['-h']])(
    'posthorn %s lists the commands',
    async (line) => {
      const { exit, out } = await cli(words(line))
      expect(exit).toBe(0)
      expect(out).toContain('Set up\n  config describe')
      expect(out).toContain('--json')
    },
  )

  test.each(['key create --help', 'help key create', 'key create --help --nonsense'])(
    'posthorn %s explains one, and runs nothing',
    async (line) => {
      const { exit, out } = await cli(words(line))
      expect(exit).toBe(0)
      expect(out).toContain('posthorn key create <tenant> [words…] --name NAME')
      expect(out).toContain('-n, --name NAME')
    },
  )

  test('the version', async () => {
    expect(await cli(['--version'])).toMatchObject({ exit: 0, out: '1.2.3\n' })
  })
})

test('every command of the registry is in order', () => {
  const names = COMMANDS.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  for (const { name, summary, options } of COMMANDS) {
    expect(name).toMatch(/^[a-z-]+(?: [a-z-]+)?$/)
    expect(summary).toMatch(/^[A-Z].*[^.]$/)
    expect(Object.keys(options ?? {})).not.toEqual(
      expect.arrayContaining(['help', 'json', 'config']),
    )
  }
})

describe('config describe', () => {
  test('prints one section', async () => {
    const { exit, out } = await cli(words('config describe log'))
    expect(exit).toBe(0)
    expect(out).toContain('POSTHORN_LOG_LEVEL')
  })

  test('prints the JSON Schema for machines', async () => {
    const { out } = await cli(words('config describe --json'))
    expect(JSON.parse(out)).toHaveProperty('properties.http.properties.listen')
  })

  test('--write brings the generated files up to date, and only those', async () => {
    const files = { 'package.json': '{}' }
    const first = await cli(words('config describe --write'), { files })
    expect(first.out).toBe('Wrote config.example.json, docs/configuration.md.\n')
    const second = await cli(words('config describe --write'), {
      files: Object.fromEntries(first.files),
    })
    expect(second.out).toBe('Everything is up to date.\n')
    expect(await cli(words('config describe --write'))).toMatchObject({ exit: 2 })
  })
})
