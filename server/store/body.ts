/**
 * Bodies of messages: small ones are rows, large ones are files that were fsynced before the row that names them.
 * A bounded cache keeps what was accepted a moment ago, so that the usual delivery reads no disk.
 */
import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { open, readFile, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../core/errors.ts'
import { firstIdAt } from '../core/ids.ts'
import type { MessageId } from '../core/ids.ts'
import type { Store } from './open.ts'

export interface Bodies {
  /** Writes a spool file and fsyncs it and its folder. */
  spool(raw: Buffer): Promise<{ spool: string; size: number }>
  unspool(name: string): Promise<void>
  /** Undefined when retention has removed it. */
  load(message: MessageId, spool: string | undefined): Promise<Buffer | undefined>
  /** The same for the only delivery of a message: its body does not stay in memory. */
  take(message: MessageId, spool: string | undefined): Promise<Buffer | undefined>
  /** Keeps a body in memory for the delivery that follows. */
  remember(message: MessageId, raw: Buffer): void
  /** Drops from memory what was accepted before this time (epoch ms). */
  forgetBefore(time: number): void
  /** Spool files no message names (a crash between file and row), older than `olderThan`; removed, names returned. */
  sweep(olderThan: number): Promise<string[]>
}

export function openBodies(store: Store, options: { dataDir: string; cacheBytes: number }): Bodies {
  const folder = join(options.dataDir, 'spool')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const cache = new Map<MessageId, Buffer>()
  let cached = 0
  const select = store.reader.prepare<[number], { bytes: Buffer }>(
    'select bytes from bodies where message_id = ?',
  )
  const isNamed = store.reader.prepare('select 1 from messages where spool = ?')

  function remember(message: MessageId, raw: Buffer): void {
    if (raw.length > options.cacheBytes / 8 || cache.has(message)) return
    cache.set(message, raw)
    cached += raw.length
    if (cached <= options.cacheBytes) return
    for (const oldest of cache.keys()) {
      forget(oldest)
      if (cached <= options.cacheBytes) break
    }
  }

  function forget(message: MessageId): void {
    cached -= cache.get(message)?.length ?? 0
    cache.delete(message)
  }

  const read = async (
    message: MessageId,
    spool: string | undefined,
  ): Promise<Buffer | undefined> =>
    spool === undefined ? select.get(message)?.bytes : readSpool(folder, spool)

  return {
    remember,
    forgetBefore(time) {
      const first = firstIdAt(time)
      for (const message of cache.keys()) if (message < first) forget(message)
    },
    async spool(raw) {
      const name = `${randomUUID()}.eml`
      const path = join(folder, name)
      try {
        await writeDurably(folder, path, raw)
      } catch (error) {
        // A part of a file would only take up the room that is missing.
        await rm(path, { force: true })
        if (isCode(error, 'ENOSPC')) throw new AppError('STORE_FULL', { cause: error })
        throw error
      }
      return { spool: name, size: raw.length }
    },
    unspool: (name) => rm(join(folder, name), { force: true }),
    async load(message, spool) {
      const known = cache.get(message)
      if (known !== undefined) return known
      const raw = await read(message, spool)
      if (raw !== undefined) remember(message, raw)
      return raw
    },
    async take(message, spool) {
      const known = cache.get(message)
      if (known === undefined) return read(message, spool)
      forget(message)
      return known
    },
    async sweep(olderThan) {
      const removed: string[] = []
      for (const name of await readdir(folder)) {
        const path = join(folder, name)
        // It may have gone since the folder was read: its message was refused, or is over.
        const facts = await stat(path).catch(() => undefined)
        if (facts === undefined || facts.mtimeMs >= olderThan) continue
        if (isNamed.get(name) !== undefined) continue
        await rm(path, { force: true })
        removed.push(name)
      }
      return removed
    },
  }
}

/** The bytes first, then the folder that names them: only then may a row say where they are. */
async function writeDurably(folder: string, path: string, raw: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(raw)
    await file.sync()
  } finally {
    await file.close()
  }
  const directory = await open(folder, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code

async function readSpool(folder: string, name: string): Promise<Buffer | undefined> {
  try {
    return await readFile(join(folder, name))
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}
