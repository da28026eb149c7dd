/** Whether this process can do its work now, check by check; what /readyz answers. */
import type { Clock } from '../core/ports.ts'
import type { Jobs } from '../queue/jobs.ts'
import type { Store } from '../store/open.ts'
import type { DiskGuard } from './disk.ts'

export interface HealthCheck {
  readonly name: string
  readonly ok: boolean
  /** For the machine itself and for monitoring; strangers do not see it. */
  readonly detail?: string | undefined
}
export interface Health {
  readonly ready: boolean
  readonly checks: readonly HealthCheck[]
}

const WRITER_PATIENCE_MS = 5_000

export async function healthOf(parts: {
  store: Store
  jobs: Pick<Jobs, 'problem'>
  disk: DiskGuard
  clock: Clock
  isClosing: () => boolean
}): Promise<Health> {
  const problem = parts.jobs.problem()
  const checks: HealthCheck[] = [
    await writerCheck(parts.store, parts.clock),
    { name: 'disk', ok: !parts.disk.isFull, detail: `${parts.disk.freeBytes} bytes free` },
    { name: 'queue engine', ok: problem === undefined, detail: problem },
    { name: 'running', ok: !parts.isClosing(), detail: parts.isClosing() ? 'shutting down' : '' },
  ]
  return { ready: checks.every((check) => check.ok), checks }
}

/** An empty write has to come back through the writer thread. */
async function writerCheck(store: Store, clock: Clock): Promise<HealthCheck> {
  const late = new AbortController()
  const answered = store.writer.write([], { unaudited: 'a look whether the writer answers' }).then(
    () => ({ name: 'database', ok: true }),
    (error: unknown) => ({
      name: 'database',
      ok: false,
      detail: error instanceof Error ? error.message : String(error),
    }),
  )
  const waited = clock
    .sleep(WRITER_PATIENCE_MS, late.signal)
    .then(() => ({ name: 'database', ok: false, detail: 'the writer does not answer' }))
  const check = await Promise.race([answered, waited])
  late.abort()
  return check
}
