/** The command line against a data directory of its own: real store, real files, the clock of the test. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openCliServices } from '../../server/cli/open-services.ts'
import { COMMANDS } from '../../server/cli/registry.ts'
import { runCli } from '../../server/cli/run.ts'
import type { ExitCode } from '../../server/cli/command.ts'
import type { Clock, Ports } from '../../server/core/ports.ts'
import { realClock, realDialer, realRandom } from '../../server/ports.ts'
import { recordingLog } from './log.ts'

export interface CliRun {
  readonly exit: ExitCode
  readonly out: string
  readonly err: string
}

export interface TestCli {
  readonly dataDir: string
  readonly ports: Ports
  /** One command line; words are split at spaces, `"two words"` stay together. */
  run(line: string): Promise<CliRun>
  /** The same with `--json`, parsed. Throws with what was printed when the command failed. */
  json<T>(line: string): Promise<T>
}

/** `config` is the content of the configuration file beside the data directory, which does not exist yet. */
export function testCli(
  options: { readonly config?: Readonly<Record<string, unknown>>; readonly clock?: Clock } = {},
): TestCli {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-cli-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const dataDir = join(folder, 'data')
  const file = join(folder, 'config.json')
  const ports: Ports = {
    clock: options.clock ?? realClock,
    random: realRandom,
    log: recordingLog(),
    dial: realDialer,
  }
  writeFileSync(file, JSON.stringify({ dataDir, hostname: 'mta.example', ...options.config }))

  async function run(line: string): Promise<CliRun> {
    let out = ''
    let err = ''
    const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!)
    const exit = await runCli([...words, '--config', file], {
      io: { out: (text) => void (out += text), err: (text) => void (err += text) },
      files: {
        read: (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined),
        write: (path, text) => writeFileSync(path, text),
      },
      ports,
      env: {},
      hostname: 'box.example',
      version: '1.2.3',
      commands: COMMANDS,
      openServices: (config) => openCliServices(config, ports),
    })
    return { exit, out, err }
  }

  return {
    dataDir,
    ports,
    run,
    async json<T>(line: string) {
      const { exit, out, err } = await run(`${line} --json`)
      if (exit !== 0) throw new Error(`${line}: exit ${exit}\n${err}${out}`)
      return JSON.parse(out) as T
    },
  }
}
