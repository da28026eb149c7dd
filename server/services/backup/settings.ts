/** From the configuration to what backups need: which target, where to work. */
import { join } from 'node:path'
import type { Config } from '../../config/schema.ts'
import { AppError } from '../../core/errors.ts'
import type { BackupSettings } from './contract.ts'
import type { S3Settings, TargetSettings } from './target.ts'

/** Throws CONFIG_INVALID when a bucket is named and its access key is not. */
export function backupSettings(config: Config): BackupSettings {
  const { folder = join(config.dataDir, 'backups'), keep, workFolder, s3 } = config.backup
  const target: TargetSettings =
    s3.bucket === undefined
      ? { kind: 'folder', folder }
      : { kind: 's3', ...s3Settings(config, s3.bucket, s3.prefix ?? '') }
  return {
    target,
    keep,
    workFolder: workFolder ?? join(config.dataDir, 'backup-work'),
    minFreeBytes: config.store.minFreeDisk,
  }
}

/** The target that `s3://bucket/prefix` names, with the access of the configuration; undefined for another text. */
export function s3TargetAt(url: string, config: Config): TargetSettings | undefined {
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)(?:\/(.*))?$/.exec(url) ?? []
  return bucket === undefined ? undefined : { kind: 's3', ...s3Settings(config, bucket, prefix) }
}

function s3Settings({ backup }: Config, bucket: string, prefix: string): S3Settings {
  const { endpoint, region, pathStyle, accessKey, secretKey } = backup.s3
  if (accessKey === undefined || secretKey === undefined)
    throw new AppError('CONFIG_INVALID', {
      fields: [
        { path: 'backup.s3.accessKey', message: 'must be set, with backup.s3.secretKey, for S3' },
      ],
    })
  return {
    bucket,
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
    endpoint,
    region,
    pathStyle,
    accessKey,
    secretKey,
  }
}
