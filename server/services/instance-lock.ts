/**
 * One server per data directory: the file `serve.lock` holds the process id of the running server and the moment that
 * process started, because process ids are used again. A lock whose process is gone is no lock. Files only: it must
 * not depend on a database that may be the thing that is broken.
 */
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface InstanceLock {
  /** Idempotent; leaves a lock that another process took meanwhile alone. */
  release(): void
}

interface Holder {
  readonly pid: number
  /** Opaque; undefined where the system does not tell. */
  readonly startedAt: string | undefined
}

const lockFile = (dataDir: string): string => join(dataDir, 'serve.lock')

/** Start time of a process in clock ticks since boot: field 22 of Linux' /proc/<pid>/stat; undefined elsewhere. */
function startOf(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`)
  // The name in field 2 may hold spaces and parentheses, so counting starts behind its last parenthesis.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Not allowed to signal it: then it is there.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function holderOf(dataDir: string): Holder | undefined {
  const [pid = '', startedAt = ''] = (readText(lockFile(dataDir)) ?? '').trim().split(' ')
  if (!/^[1-9]\d{0,9}$/.test(pid)) return undefined
  return { pid: Number(pid), startedAt: startedAt === '' ? undefined : startedAt }
}

function isHeld(holder: Holder): boolean {
  if (!isAlive(holder.pid)) return false
  const startedAt = startOf(holder.pid)
  return holder.startedAt === undefined || startedAt === undefined || startedAt === holder.startedAt
}

/** The process id of the server that works on this data directory. */
export function instanceHolder(dataDir: string): number | undefined {
  const holder = holderOf(dataDir)
  return holder !== undefined && isHeld(holder) ? holder.pid : undefined
}

/** Takes the lock of a data directory that exists. Throws the system's error when the file cannot be written. */
export function acquireInstanceLock(dataDir: string): InstanceLock | { readonly heldBy: number } {
  const file = lockFile(dataDir)
  // Written aside and linked into place: nobody ever reads a lock that is half there.
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, `${process.pid} ${startOf(process.pid) ?? ''}\n`, { mode: 0o600 })
  try {
    for (;;) {
      if (tryLink(draft, file)) break
      const heldBy = instanceHolder(dataDir)
      if (heldBy !== undefined) return { heldBy }
      rmSync(file, { force: true })
    }
  } finally {
    rmSync(draft, { force: true })
  }
  return {
    release() {
      if (holderOf(dataDir)?.pid === process.pid) rmSync(file, { force: true })
    },
  }
}

/** False when there is a lock already. */
function tryLink(draft: string, file: string): boolean {
  try {
    linkSync(draft, file)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}
