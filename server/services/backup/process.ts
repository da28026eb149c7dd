/**
 * The process in which backups are made and tried, so that neither the copying of the database nor compressing and
 * encrypting takes a moment from the one that speaks SMTP. It takes one job, tells how far it is, answers, and ends.
 * Keys come over the channel to its parent: never by argument or environment.
 */
import { mkdirSync } from 'node:fs'
import { setPriority } from 'node:os'
import { AppError } from '../../core/errors.ts'
import { writeBackup } from './make.ts'
import { openTarget } from './open-target.ts'
import type { Job, Report } from './run-job.ts'
import { tryBackup } from './try.ts'

/** Mail first. */
const NICE = 10
const TELL_EVERY_BYTES = 4 * 1024 * 1024

const tell = (report: Report): void => {
  if (process.connected) process.send?.(report)
}

async function run(job: Job): Promise<Report> {
  let told = -Infinity
  let phase = ''
  const progress = (now: Extract<Report, { kind: 'progress' }>['progress']): void => {
    if (now.phase === phase && now.done - told < TELL_EVERY_BYTES) return
    phase = now.phase
    told = now.done
    tell({ kind: 'progress', progress: now })
  }
  if (job.kind === 'make') return { kind: 'made', result: await writeBackup(job, progress) }
  const target = await openTarget(job.target)
  try {
    mkdirSync(job.folder, { recursive: true, mode: 0o700 })
    const source = await target.get(job.name)
    const recoveryKey = Buffer.from(job.recoveryKey)
    const options = { recoveryKey, folder: job.folder, durable: false, progress }
    return { kind: 'tried', result: await tryBackup(source, options) }
  } finally {
    target.close()
  }
}

const reportOf = (error: unknown): Report => ({
  kind: 'failed',
  code: error instanceof AppError ? error.code : codeOf(error),
  public: error instanceof AppError ? error.public : undefined,
  detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
})

const codeOf = (error: unknown): 'STORE_FULL' | 'INTERNAL' =>
  error instanceof Error &&
  'code' in error &&
  ['ENOSPC', 'SQLITE_FULL'].includes(String(error.code))
    ? 'STORE_FULL'
    : 'INTERNAL'

// Who asked is gone: nobody would take note of the backup.
const orphaned = (): void => void process.kill(process.pid, 'SIGKILL')
process.on('disconnect', orphaned)
try {
  setPriority(NICE)
} catch {
  // Not allowed everywhere, and not needed.
}
process.once('message', (job: Job) => {
  const answered = (report: Report): void => {
    process.off('disconnect', orphaned)
    process.send?.(report, () => process.disconnect())
  }
  run(job).then(answered, (error: unknown) => answered(reportOf(error)))
})
