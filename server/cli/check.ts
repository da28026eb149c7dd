/** `posthorn check`: everything an installation stands on, line by line, with what to mend. Opens and changes nothing. */
import type { Config } from '../config/schema.ts'
import { AppError } from '../core/errors.ts'
import { runChecks, type Finding, type FindingState } from '../services/check.ts'
import { EXIT, type Command, type CommandContext, type CommandResult } from './command.ts'
import { visible } from './output.ts'

/** A wrong configuration is the first finding, and then the only one. */
function configFindings({ config }: CommandContext): Config | readonly Finding[] {
  try {
    return config()
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return error.fields.map(({ path, message }) => ({
      topic: 'configuration',
      state: 'fail',
      says: `${path} ${message}`,
      fix: 'posthorn config describe explains every setting',
    }))
  }
}

function line({ topic, state, says, fix }: Finding, width: number): string {
  const first = `${state.padEnd(7)}  ${topic.padEnd(width)}  ${visible(says)}`
  return fix === undefined ? first : `${first}\n${' '.repeat(11 + width)}→ ${visible(fix)}`
}

function resultOf(findings: readonly Finding[]): CommandResult {
  const count = (state: FindingState): number =>
    findings.filter((finding) => finding.state === state).length
  const counts = {
    ok: count('ok'),
    warn: count('warn'),
    fail: count('fail'),
    unknown: count('unknown'),
  }
  const width = Math.max(...findings.map(({ topic }) => topic.length))
  const sum = `${counts.ok} ok, ${counts.warn} to look at, ${counts.fail} to mend, ${counts.unknown} unknown`
  return {
    text: `${findings.map((finding) => line(finding, width)).join('\n')}\n\n${sum}`,
    data: { ...counts, checks: findings.map((finding) => ({ fix: null, ...finding })) },
    exit: counts.fail === 0 ? EXIT.ok : EXIT.failed,
  }
}

export const check: Command = {
  name: 'check',
  group: 'Look after',
  summary: 'Look at everything the server stands on, and say what to mend',
  details:
    'Configuration, ports, data directory, disk, database, Redis, clock, certificate, name servers, reverse DNS of\neach source, outbound port 25. Exit code 1 when something must be mended.\n\nExamples\n  posthorn check\n  posthorn check --offline --json',
  options: { offline: { summary: 'Ask no name server and open no connection to the outside' } },
  async run(context) {
    const config = configFindings(context)
    if (!('dataDir' in config)) return resultOf(config)
    const loaded: Finding = { topic: 'configuration', state: 'ok', says: 'is valid' }
    const findings = await runChecks(config, context.ports, {
      offline: context.input.flag('offline'),
    })
    return resultOf([loaded, ...findings])
  },
}
