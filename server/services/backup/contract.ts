/** Backups as the rest of the program sees them. */
import type { Actor } from '../../core/audit.ts'
import type { KeepPolicy } from './keep.ts'
import type { Progress } from './make.ts'
import type { LastRuns } from './schedule.ts'
import type { TargetSettings } from './target.ts'

export interface BackupSettings {
  readonly target: TargetSettings
  readonly keep: KeepPolicy
  /** Where copies are made and tried; made when it is missing. */
  readonly workFolder: string
  /** Free bytes that a backup must leave. */
  readonly minFreeBytes: number
}

export interface BackupInfo {
  readonly name: string
  /** A folder, or `s3://bucket/prefix`. */
  readonly target: string
  /** Undefined: this installation has no record of it, such as after it was itself restored. */
  readonly trigger: 'schedule' | 'demand' | undefined
  readonly state: 'running' | 'done' | 'failed'
  /** Epoch ms. */
  readonly startedAt: number
  readonly finishedAt: number | undefined
  readonly bytes: number | undefined
  readonly messages: number | undefined
  readonly deliveries: number | undefined
  /** The last time that a restore of it was tried and worked. */
  readonly verifiedAt: number | undefined
  /** Why it could not be made, or did not prove itself. */
  readonly error: string | undefined
  /** The file is where it should be. */
  readonly isThere: boolean
}

export interface Trial {
  readonly name: string
  /** What is wrong with it; undefined when it can be restored. */
  readonly error: string | undefined
  /** Of a whole one. */
  readonly messages: number | undefined
  readonly deliveries: number | undefined
}

export interface BackupCounts {
  readonly made: number
  readonly failed: number
  /** Made, or tried later, and not whole. */
  readonly damaged: number
  readonly deleted: number
  /** Epoch ms of the last that was made and proved itself; 0: none since the start. */
  readonly lastGoodAt: number
  readonly lastBytes: number
}

export interface CreateOptions {
  readonly trigger?: 'schedule' | 'demand'
  readonly progress?: (progress: Progress) => void
  /** Ends it; it rejects with SHUTTING_DOWN then. */
  readonly signal?: AbortSignal
}

export interface Backups {
  /**
   * Begins one and resolves at once; `finished` resolves when it was made, tried and recorded, whether it proved itself
   * or not (`verifiedAt`, `error`), and rejects when it could not be made: STORE_FULL, BACKUP_TARGET_FAILED.
   * Rejects with STATE_CONFLICT while another is being made, by whichever process.
   */
  begin(
    actor: Actor,
    options?: CreateOptions,
  ): Promise<{ readonly name: string; readonly finished: Promise<BackupInfo> }>
  /** The same in one step. */
  create(actor: Actor, options?: CreateOptions): Promise<BackupInfo>
  /** Newest first. Rejects with BACKUP_TARGET_FAILED. */
  list(): Promise<readonly BackupInfo[]>
  /** How far the one is that this process makes. */
  progress(): { readonly name: string; readonly progress: Progress } | undefined
  /** Takes one apart as a restore would. NOT_FOUND, BACKUP_KEY_WRONG, BACKUP_TARGET_FAILED. */
  verify(
    actor: Actor,
    name: string,
    options?: Pick<CreateOptions, 'progress' | 'signal'>,
  ): Promise<Trial>
  /** NOT_FOUND; STATE_CONFLICT while it is being made. */
  remove(actor: Actor, name: string): Promise<void>
  /** The code that opens every backup of this installation, on any machine. That somebody saw it is audited. */
  recoveryKey(actor: Actor): Promise<string>
  /** For the schedule. */
  lastRuns(): Promise<LastRuns>
  /** Since the start, for metrics. */
  readonly counts: BackupCounts
  /** Ends what this process is about, and waits for its end. */
  close(): Promise<void>
}
