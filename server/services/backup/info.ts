/** Rows and files of backups as callers see them. */
import type { BackupRow } from '../../store/backups.ts'
import type { BackupInfo } from './contract.ts'
import { backupTime } from './target.ts'
import type { StoredBackup } from './target.ts'

/** Rows that were deleted are not listed. */
export const infoOf = (row: BackupRow, isThere: boolean): BackupInfo => ({
  name: row.name,
  target: row.target,
  trigger: row.trigger,
  state: row.state === 'deleted' ? 'done' : row.state,
  startedAt: row.started_at,
  finishedAt: row.finished_at ?? undefined,
  bytes: row.bytes ?? undefined,
  messages: row.messages ?? undefined,
  deliveries: row.deliveries ?? undefined,
  verifiedAt: row.verified_at ?? undefined,
  error: row.error ?? undefined,
  isThere,
})

/** A file that no row tells of. */
export const unknownInfo = ({ name, bytes }: StoredBackup, target: string): BackupInfo => ({
  name,
  target,
  trigger: undefined,
  state: 'done',
  startedAt: backupTime(name) ?? 0,
  finishedAt: undefined,
  bytes,
  messages: undefined,
  deliveries: undefined,
  verifiedAt: undefined,
  error: undefined,
  isThere: true,
})
