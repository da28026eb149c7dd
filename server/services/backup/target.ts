/**
 * Where backups are kept: a folder, or a bucket of an S3-compatible store. A target knows names and bytes, nothing of
 * what is in them. One contract suite runs against all of them (test/contract/backup-target.contract.ts).
 */
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'

export interface StoredBackup {
  readonly name: string
  readonly bytes: number
}

export interface BackupTarget {
  /** A path, or `s3://bucket/prefix`. */
  readonly url: string
  /**
   * Stores the stream under the name, whole or not at all, and durably; resolves with its bytes. `sizeHint` is the most
   * that may come. A name that is there already is refused with STATE_CONFLICT.
   */
  put(
    name: string,
    stream: AsyncIterable<Buffer>,
    options: { readonly sizeHint: number },
  ): Promise<number>
  /** Rejects with NOT_FOUND. */
  get(name: string): Promise<Readable>
  /** All backups by name, nothing else that may lie there. */
  list(): Promise<readonly StoredBackup[]>
  /** Idempotent. */
  remove(name: string): Promise<void>
  /** Room in bytes; undefined where nobody can tell. */
  freeBytes(): Promise<number | undefined>
  close(): void
}

export interface S3Settings {
  readonly bucket: string
  /** Ends in `/` unless it is empty. */
  readonly prefix: string
  /** Undefined: Amazon's. */
  readonly endpoint: string | undefined
  readonly region: string
  /** Bucket in the path instead of in the host name, as most stores of one's own want it. */
  readonly pathStyle: boolean
  readonly accessKey: string
  readonly secretKey: string
}

export type TargetSettings =
  { readonly kind: 'folder'; readonly folder: string } | ({ readonly kind: 's3' } & S3Settings)

/** `posthorn-2026-01-01T03-15-00-000Z-0002-control-plane.phb`: sorts by time. */
export const backupName = (at: number, schema: string): string =>
  `posthorn-${new Date(at).toISOString().replaceAll(/[:.]/g, '-')}-${schema}.phb`

const NAME = /^posthorn-(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z-[\w-]{1,80}\.phb$/

/** When a backup was begun, epoch ms; undefined when the name is not one of a backup. */
export function backupTime(name: string): number | undefined {
  const [, day, hour, minute, second, ms] = NAME.exec(name) ?? []
  if (day === undefined) return undefined
  const at = Date.parse(`${day}T${hour!}:${minute!}:${second!}.${ms!}Z`)
  return Number.isNaN(at) ? undefined : at
}

/** Also what a row of `backups` says. */
export const targetUrl = (settings: TargetSettings): string =>
  settings.kind === 'folder'
    ? resolve(settings.folder)
    : `s3://${settings.bucket}/${settings.prefix}`
