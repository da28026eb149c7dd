/**
 * What lies inside a backup file, before compression: files one after the other, each with its name and size in front,
 * and an end mark. Only the files of a data directory have a name here, so no archive can write anywhere else.
 */
import { createWriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError } from '../../core/errors.ts'
import { byteReader } from './bytes.ts'
import type { ByteReader } from './bytes.ts'

export interface ArchiveFile {
  /** Path inside the data directory. */
  readonly name: string
  readonly size: number
  /** Exactly `size` bytes. */
  readonly content: AsyncIterable<Buffer>
}

const NAME = /^(?:posthorn\.sqlite|master\.key|spool\/[\w-][\w.-]{0,200})$/
const HEAD_BYTES = 4
const MAX_HEAD = 4096
const READ_BYTES = 256 * 1024
/** A head of no length ends the archive. */
const END = Buffer.alloc(HEAD_BYTES)

/** The archive as a stream. Throws INTERNAL when a file's content is not of the size it was announced with. */
export async function* pack(files: AsyncIterable<ArchiveFile>): AsyncGenerator<Buffer> {
  for await (const { name, size, content } of files) {
    const head = Buffer.from(JSON.stringify({ name, size }))
    const length = Buffer.alloc(HEAD_BYTES)
    length.writeUInt32BE(head.length)
    yield Buffer.concat([length, head])
    let sent = 0
    for await (const piece of content) {
      sent += piece.length
      yield piece
    }
    if (sent !== size)
      throw new AppError('INTERNAL', {
        detail: `${name} changed while it was read: ${size} bytes became ${sent}.`,
      })
  }
  yield END
}

const damaged = (): AppError =>
  new AppError('BACKUP_DAMAGED', { public: 'The content of the backup is not whole.' })

export interface UnpackOptions {
  /** Has a folder `spool`, and nothing in it that the archive would write. */
  readonly folder: string
  /** Everything is on the disk when it resolves, not only in its cache. */
  readonly durable: boolean
  /** Bytes written so far. */
  readonly wrote: (bytes: number) => void
}

/** Writes the files of an archive. Throws BACKUP_DAMAGED, or what the file system says. */
export async function unpack(
  archive: AsyncIterable<Buffer>,
  { folder, durable, wrote }: UnpackOptions,
): Promise<void> {
  let written = 0
  const reader = byteReader(archive)
  try {
    for (;;) {
      const length = await reader.read(HEAD_BYTES)
      if (length.length < HEAD_BYTES) throw damaged()
      const bytes = length.readUInt32BE()
      if (bytes === 0) break
      const head = bytes <= MAX_HEAD ? parseHead(await reader.read(bytes)) : undefined
      if (head === undefined) throw damaged()
      await pipeline(
        Readable.from(contentOf(reader, head.size)),
        // wx: two files of one name are damage too.
        createWriteStream(join(folder, head.name), { flags: 'wx', mode: 0o600, flush: durable }),
      )
      written += head.size
      wrote(written)
    }
    // What follows the end mark would have been put there by somebody else.
    if ((await reader.read(1)).length > 0) throw damaged()
  } finally {
    await reader.close()
  }
}

function parseHead(bytes: Buffer): { name: string; size: number } | undefined {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const name: unknown = Reflect.get(value, 'name')
  const size: unknown = Reflect.get(value, 'size')
  if (typeof name !== 'string' || !NAME.test(name)) return undefined
  return typeof size === 'number' && Number.isSafeInteger(size) && size >= 0
    ? { name, size }
    : undefined
}

async function* contentOf(reader: ByteReader, size: number): AsyncGenerator<Buffer> {
  for (let left = size; left > 0;) {
    const piece = await reader.some(Math.min(left, READ_BYTES))
    if (piece.length === 0) throw damaged()
    left -= piece.length
    yield piece
  }
}

/** Opens a file for the archive; undefined when it is not there (any more). It stays readable when it is removed. */
export async function fileForArchive(path: string, name: string): Promise<ArchiveFile | undefined> {
  let file
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const { size } = await file.stat()
  return {
    name,
    size,
    content: file.createReadStream({ highWaterMark: READ_BYTES }),
  }
}
