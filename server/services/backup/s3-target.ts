/**
 * Backups as objects of an S3-compatible store. Parts are uploaded as they come, each with a checksum that the store
 * compares; an upload that does not end is aborted, so that no part of a backup is ever listed or paid for.
 */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { Readable } from 'node:stream'
import { AppError } from '../../core/errors.ts'
import { backupTime, targetUrl } from './target.ts'
import type { BackupTarget, S3Settings, StoredBackup } from './target.ts'

/** S3 takes 10,000 parts of at least 5 MiB. Two are in memory at a time. */
const SMALLEST_PART = 8 * 1024 * 1024
const MOST_PARTS = 9_000
const PARTS_AT_A_TIME = 2

export function s3Target(settings: S3Settings): BackupTarget {
  const { bucket: Bucket, prefix } = settings
  const url = targetUrl({ kind: 's3', ...settings })
  const client = new S3Client({
    region: settings.region,
    forcePathStyle: settings.pathStyle,
    credentials: { accessKeyId: settings.accessKey, secretAccessKey: settings.secretKey },
    // Only what we ask for: not every compatible store knows the newer checksums that are the default.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: 10_000, socketTimeout: 60_000 },
    ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
  })
  const notFound = (name: string): AppError =>
    new AppError('NOT_FOUND', { public: `There is no backup ${name} in ${url}.` })
  const keyOf = (name: string): string => {
    if (backupTime(name) === undefined) throw notFound(name)
    return prefix + name
  }

  const translated = (error: unknown): unknown =>
    error instanceof AppError
      ? error
      : new AppError('BACKUP_TARGET_FAILED', {
          public: `${url} does not work: ${reasonOf(error)}.`,
          cause: error,
        })
  async function failing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw translated(error)
    }
  }

  /** By a list, not by HEAD: only an answer with a body says what is wrong. */
  async function isThere(name: string): Promise<boolean> {
    const Prefix = keyOf(name)
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket, Prefix, MaxKeys: 1 }))
    return Contents?.[0]?.Key === Prefix
  }

  return {
    url,
    put: (name, stream, { sizeHint }) =>
      failing(async () => {
        const Key = keyOf(name)
        if (await isThere(name))
          throw new AppError('STATE_CONFLICT', { public: `There is a backup ${name} already.` })
        let bytes = 0
        async function* counted(): AsyncGenerator<Buffer> {
          for await (const piece of stream) {
            bytes += piece.length
            yield piece
          }
        }
        const upload = new Upload({
          client,
          params: { Bucket, Key, Body: Readable.from(counted()), ChecksumAlgorithm: 'CRC32' },
          partSize: Math.max(SMALLEST_PART, Math.ceil(sizeHint / MOST_PARTS)),
          queueSize: PARTS_AT_A_TIME,
        })
        await upload.done()
        return bytes
      }),
    get: (name) =>
      failing(async () => {
        try {
          const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: keyOf(name) }))
          if (!(Body instanceof Readable)) throw new Error('The store sent no body.')
          return Readable.from(pieces(Body, translated))
        } catch (error) {
          throw statusOf(error) === 404 ? notFound(name) : error
        }
      }),
    list: () =>
      failing(async () => {
        const found: StoredBackup[] = []
        let token: string | undefined
        do {
          const page = await client.send(
            new ListObjectsV2Command({ Bucket, Prefix: prefix, ContinuationToken: token }),
          )
          for (const { Key = '', Size = 0 } of page.Contents ?? []) {
            const name = Key.slice(prefix.length)
            if (backupTime(name) !== undefined) found.push({ name, bytes: Size })
          }
          token = page.IsTruncated === true ? page.NextContinuationToken : undefined
        } while (token !== undefined)
        return found
      }),
    remove: (name) =>
      failing(async () => {
        if (backupTime(name) === undefined) return
        await client.send(new DeleteObjectCommand({ Bucket, Key: prefix + name }))
      }),
    freeBytes: async () => undefined,
    close: () => client.destroy(),
  }
}

/** A connection that breaks in the middle is the store's failure, not damage of the backup. */
async function* pieces(
  body: Readable,
  translated: (error: unknown) => unknown,
): AsyncGenerator<Buffer> {
  try {
    // An HTTP body without an encoding gives buffers.
    for await (const piece of body as AsyncIterable<Buffer>) yield piece
  } catch (error) {
    throw translated(error)
  }
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined
  const metadata = error.$metadata
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata))
    return undefined
  return Number(metadata.httpStatusCode)
}

/** `AccessDenied`, `NoSuchBucket`, `ECONNREFUSED`: the store's own word where there is one. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const status = statusOf(error)
  return code ?? (status === undefined ? error.message : `${error.name} (HTTP ${status})`)
}
