/** Opens the target that the configuration or a command names. */
import { folderTarget } from './folder-target.ts'
import { targetUrl } from './target.ts'
import type { BackupTarget, TargetSettings } from './target.ts'

export async function openTarget(settings: TargetSettings): Promise<BackupTarget> {
  if (settings.kind === 'folder') return folderTarget(targetUrl(settings))
  // Loaded only where it is used: the client of S3 is large.
  const { s3Target } = await import('./s3-target.ts')
  return s3Target(settings)
}
