/** A Log that keeps its lines for assertions. Silent, unless it is asked to echo. */
import type { Log, LogFields } from '../../server/core/ports.ts'

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** With the fields of the parents that made the logger. */
  readonly fields: LogFields
  readonly message: string
}

export interface RecordingLog extends Log {
  /** In order, those of children included. */
  readonly lines: readonly LogLine[]
  /** Lines whose `evt` field is `evt`. */
  of(evt: string): readonly LogLine[]
  clear(): void
}

/** `echo` also prints each line, for a look at a failing test. */
export function recordingLog(options: { echo?: boolean } = {}): RecordingLog {
  const lines: LogLine[] = []
  const under = (parent: LogFields): Log => {
    const write =
      (level: LogLine['level']) =>
      (fields: LogFields, message: string): void => {
        const line = { level, fields: { ...parent, ...fields }, message }
        lines.push(line)
        if (options.echo) console.log(level, message, line.fields)
      }
    return {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: (fields) => under({ ...parent, ...fields }),
    }
  }
  return {
    ...under({}),
    lines,
    of: (evt) => lines.filter(({ fields }) => fields['evt'] === evt),
    clear: () => void lines.splice(0),
  }
}
