/**
 * Makes one backup file: a consistent copy of the database, the spool files it names, and the master key, packed,
 * compressed, encrypted and stored, all as one stream. Runs in a process of its own (see process.ts): it blocks.
 */
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createBrotliCompress } from 'node:zlib'
import { bytesToCopy, copyDatabase, openSnapshot } from '../../store/snapshot.ts'
import type { Snapshot, SnapshotFacts } from '../../store/snapshot.ts'
import { databaseFile } from '../../store/open.ts'
import { masterKeyFile } from '../auth/master-key.ts'
import { fileForArchive, pack } from './archive.ts'
import type { ArchiveFile } from './archive.ts'
import { encrypt } from './cipher.ts'
import type { MadeHeader } from './header.ts'
import { openTarget } from './open-target.ts'
import type { TargetSettings } from './target.ts'

export interface Progress {
  readonly phase: 'copy' | 'pack' | 'unpack' | 'check'
  /** Bytes. */
  readonly done: number
  /** The most there may be; undefined when nobody knows. */
  readonly total: number | undefined
}

export interface MakeJob {
  readonly dataDir: string
  /** An empty folder for the copy of the database. */
  readonly work: string
  readonly name: string
  readonly header: MadeHeader
  readonly target: TargetSettings
  /** Epoch ms. */
  readonly now: number
}

export interface Made {
  /** Of the file. */
  readonly bytes: number
  readonly facts: SnapshotFacts
  /** Messages whose body was gone before it could be read: retention took it, or it was lost before. */
  readonly bodiesGone: number
}

const PAGE = 1_000
/** Fast rather than small, since the processor has mail to send: as small as the fastest gzip in a sixth of its time. */
const COMPRESSION = {
  params: { [constants.BROTLI_PARAM_QUALITY]: 1 },
  chunkSize: 256 * 1024,
}

export async function writeBackup(
  job: MakeJob,
  progress: (progress: Progress) => void,
): Promise<Made> {
  const source = databaseFile(job.dataDir)
  const copy = databaseFile(job.work)
  const sizes = bytesToCopy(source)
  const total = sizes.database + sizes.spool
  progress({ phase: 'copy', done: 0, total: sizes.database })
  copyDatabase(source, copy)
  const snapshot = openSnapshot(copy, { writable: true })
  const target = await openTarget(job.target)
  try {
    snapshot.endRunningBackups(job.now)
    const facts = snapshot.facts()
    const content = { job, snapshot, copy, bodiesGone: 0 }
    let done = 0
    const archive = counted(pack(filesOf(content)), (bytes) => {
      done += bytes
      progress({ phase: 'pack', done, total })
    })
    const compressed = createBrotliCompress(COMPRESSION)
    const feeding = pipeline(Readable.from(archive), compressed)
    // Its failure arrives through the stream, too; this one only must not go unhandled.
    feeding.catch(() => undefined)
    try {
      const options = { sizeHint: total + total / 8 }
      const bytes = await target.put(job.name, encrypt(compressed, job.header), options)
      await feeding
      return { bytes, facts, bodiesGone: content.bodiesGone }
    } finally {
      // A target that refuses may not have read a byte.
      compressed.destroy()
      await feeding.catch(() => undefined)
    }
  } finally {
    snapshot.close()
    target.close()
    for (const suffix of ['', '-wal', '-shm']) rmSync(copy + suffix, { force: true })
  }
}

async function* counted(
  source: AsyncIterable<Buffer>,
  count: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const piece of source) {
    count(piece.length)
    yield piece
  }
}

/** The database last: what was found missing on the way is written into it first. */
async function* filesOf(content: {
  readonly job: MakeJob
  readonly snapshot: Snapshot
  readonly copy: string
  bodiesGone: number
}): AsyncGenerator<ArchiveFile> {
  const { job, snapshot, copy } = content
  // A file was on the disk before the row that names it, so each that the copy names is there, or is gone for good.
  let after = ''
  for (;;) {
    const rows = snapshot.spool(after, PAGE)
    if (rows.length === 0) break
    const gone: number[] = []
    for (const { message, name } of rows) {
      const path = join(job.dataDir, 'spool', name)
      const file = await fileForArchive(path, `spool/${name}`)
      if (file === undefined) gone.push(message)
      else yield file
    }
    snapshot.forgetBodies(gone)
    content.bodiesGone += gone.length
    after = rows.at(-1)!.name
  }
  snapshot.close()
  // After the copy: each version that a sealed text in it needs has been in this file since before that text.
  const key = readFileSync(masterKeyFile(job.dataDir))
  yield { name: 'master.key', size: key.length, content: Readable.from([key]) }
  const database = await fileForArchive(copy, 'posthorn.sqlite')
  if (database === undefined) throw new Error('The copy of the database has gone.')
  yield database
}
