/** Has a backup made or tried by a process of its own, and hands its progress and its answer on. */
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { AppError } from '../../core/errors.ts'
import type { ErrorCode } from '../../core/errors.ts'
import type { Made, MakeJob, Progress } from './make.ts'
import type { TargetSettings } from './target.ts'
import type { Tried } from './try.ts'

export interface TryJob {
  readonly target: TargetSettings
  readonly name: string
  /** Where it is taken apart; the caller removes it. */
  readonly folder: string
  readonly recoveryKey: Buffer
}

export type Job = (MakeJob & { readonly kind: 'make' }) | (TryJob & { readonly kind: 'try' })

/** What the process says. */
export type Report =
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'made'; readonly result: Made }
  | { readonly kind: 'tried'; readonly result: Tried }
  | {
      readonly kind: 'failed'
      readonly code: ErrorCode
      readonly public: string | undefined
      readonly detail: string
    }

export interface JobOptions {
  readonly progress: (progress: Progress) => void
  readonly signal?: AbortSignal | undefined
}

/** Beside this file once built; from sources (tests) the built one is used. */
const processFile = (): string =>
  fileURLToPath(
    import.meta.url.endsWith('.ts')
      ? new URL('../../../dist/server/services/backup/process.js', import.meta.url)
      : new URL('./process.js', import.meta.url),
  )

/** Rejects with what the job rejected with, and with SHUTTING_DOWN when the signal ended it. */
export async function makeBackupFile(job: MakeJob, options: JobOptions): Promise<Made> {
  const report = await run({ ...job, kind: 'make' }, options)
  if (report.kind !== 'made') throw new Error('The process answered something else.')
  return report.result
}

/** The same for a trial; see `tryBackup`. */
export async function tryBackupFile(job: TryJob, options: JobOptions): Promise<Tried> {
  const report = await run({ ...job, kind: 'try' }, options)
  if (report.kind !== 'tried') throw new Error('The process answered something else.')
  return report.result
}

type Answer = Exclude<Report, { kind: 'progress' }>

async function run(job: Job, { progress, signal }: JobOptions): Promise<Answer> {
  const isAborted = (): boolean => signal?.aborted === true
  if (isAborted()) throw new AppError('SHUTTING_DOWN')
  const child = fork(processFile(), [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // Not those of the parent, such as a debugger's port; and the log is no place for advice about versions of Node.
    execArgv: ['--no-warnings'],
  })
  const kill = (): void => void child.kill('SIGKILL')
  signal?.addEventListener('abort', kill)
  try {
    const answer = await answerOf(child, job, progress)
    if (answer.kind !== 'failed') return answer
    throw new AppError(answer.code, {
      detail: answer.detail,
      ...(answer.public === undefined ? {} : { public: answer.public }),
    })
  } catch (error) {
    throw isAborted() ? new AppError('SHUTTING_DOWN', { cause: error }) : error
  } finally {
    signal?.removeEventListener('abort', kill)
  }
}

function answerOf(
  child: ChildProcess,
  job: Job,
  progress: (progress: Progress) => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let answer: Answer | undefined
    let end: string | undefined
    let isDisconnected = false
    /** The last message may come after the exit; it never comes after the channel's end. */
    const settle = (): void => {
      if (end === undefined || !isDisconnected) return
      if (answer !== undefined) resolve(answer)
      else reject(new Error(`The process of the backup ended with ${end}.`))
    }
    child.on('message', (report: Report) => {
      if (report.kind === 'progress') progress(report.progress)
      else answer = report
    })
    child.once('error', reject)
    child.once('disconnect', () => {
      isDisconnected = true
      settle()
    })
    child.once('exit', (code, signal) => {
      end = signal ?? `code ${code ?? 0}`
      settle()
    })
    child.send(job, (error) => {
      if (error !== null) reject(error)
    })
  })
}
