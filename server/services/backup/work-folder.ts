/** Folders for one making or one trial, and what remains of them when a process is killed: gigabytes, possibly. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Those of this process: in a container every process that ever ran here may have had our id. */
const own = new Set<string>()

/** Runs `work` with a new folder inside `parent`, and removes it afterwards. */
export async function inWorkFolder<T>(
  parent: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  mkdirSync(parent, { recursive: true, mode: 0o700 })
  const folder = mkdtempSync(join(parent, `backup-work-${process.pid}-`))
  own.add(folder)
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
    own.delete(folder)
  }
}

/** Removes what processes that are gone have left. */
export function sweepWorkFolders(parent: string): void {
  mkdirSync(parent, { recursive: true, mode: 0o700 })
  for (const name of readdirSync(parent)) {
    const pid = Number(/^backup-work-(\d+)-/.exec(name)?.[1] ?? NaN)
    const folder = join(parent, name)
    if (Number.isNaN(pid) || own.has(folder)) continue
    if (pid === process.pid || !isAlive(pid)) rmSync(folder, { recursive: true, force: true })
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
