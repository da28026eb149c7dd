/** Backups as files in a folder. A file has its name only once it is whole and on the disk. */
import { createReadStream, createWriteStream } from 'node:fs'
import { link, mkdir, open, readdir, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError } from '../../core/errors.ts'
import { backupTime } from './target.ts'
import type { BackupTarget } from './target.ts'

const DRAFT = '.part'

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : ''

/** The folder is made (0700) when something is put into it. */
export function folderTarget(folder: string): BackupTarget {
  const pathOf = (name: string): string => {
    // A name comes from people, too; it must never lead out of the folder.
    if (backupTime(name) === undefined) throw notFound(name)
    return join(folder, name)
  }
  const notFound = (name: string): AppError =>
    new AppError('NOT_FOUND', { public: `There is no backup ${name} in ${folder}.` })

  async function failing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const code = codeOf(error)
      if (error instanceof AppError || code === '') throw error
      throw new AppError(code === 'ENOSPC' ? 'STORE_FULL' : 'BACKUP_TARGET_FAILED', {
        public: `The folder ${folder} does not take backups: ${code}.`,
        cause: error,
      })
    }
  }

  return {
    url: folder,
    put: (name, stream) =>
      failing(async () => {
        const path = pathOf(name)
        const draft = path + DRAFT
        await mkdir(folder, { recursive: true, mode: 0o700 })
        try {
          await pipeline(
            Readable.from(stream),
            createWriteStream(draft, { mode: 0o600, flush: true }),
          )
          // Not a rename: that would replace a backup of the same name.
          await link(draft, path)
          await syncFolder(folder)
          return (await stat(path)).size
        } catch (error) {
          if (codeOf(error) === 'EEXIST')
            throw new AppError('STATE_CONFLICT', { public: `There is a backup ${name} already.` })
          throw error
        } finally {
          await rm(draft, { force: true })
        }
      }),
    get: (name) =>
      failing(async () => {
        try {
          const file = await open(pathOf(name), 'r')
          return file.createReadStream({ highWaterMark: 1024 * 1024 })
        } catch (error) {
          throw codeOf(error) === 'ENOENT' ? notFound(name) : error
        }
      }),
    list: () =>
      failing(async () => {
        const names = await readdir(folder).catch((error: unknown) => {
          if (codeOf(error) === 'ENOENT') return []
          throw error
        })
        const found = names.filter((name) => backupTime(name) !== undefined).sort()
        return Promise.all(
          found.map(async (name) => ({ name, bytes: (await stat(join(folder, name))).size })),
        )
      }),
    remove: (name) =>
      failing(async () => {
        if (backupTime(name) === undefined) return
        await rm(join(folder, name), { force: true })
        await syncFolder(folder)
      }),
    freeBytes: () =>
      failing(async () => {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        const { bavail, bsize } = await statfs(folder)
        return bavail * bsize
      }),
    close: () => undefined,
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  })
  try {
    await handle?.sync()
  } finally {
    await handle?.close()
  }
}

/** A backup that lies somewhere by itself, whatever it is called. */
export const readBackupFile = (path: string): Readable =>
  createReadStream(path, { highWaterMark: 1024 * 1024 })
