/** Rows of backups: what was made, by whom it is wanted, and which one is being made just now. */
import { asId } from '../core/ids.ts'
import type { Id } from '../core/ids.ts'
import type { AuditDraft, Unaudited } from '../core/audit.ts'
import type { Store } from './open.ts'
import { nextId, returnedId } from './rows.ts'
import type { BackupsTable } from './schema-control.ts'
import type { Change } from './writer.ts'

export type BackupId = Id<'backup'>
export type BackupRow = BackupsTable

export interface NewBackup {
  readonly name: string
  readonly target: string
  readonly trigger: 'schedule' | 'demand'
}

const BOOKKEEPING: Unaudited = {
  unaudited: 'progress of a backup; its making is audited when it is done',
}

/**
 * Begins one, unless one is running: the index over running rows lets only one be, whichever process makes it. One
 * without a sign of life since `deadBefore` (epoch ms) counts as failed. Rejects with NAME_TAKEN.
 */
export async function beginBackup(
  store: Store,
  backup: NewBackup,
  { now, deadBefore }: { readonly now: number; readonly deadBefore: number },
): Promise<BackupId> {
  const bury = store.build
    .updateTable('backups')
    .set({ state: 'failed', finished_at: now, error: 'The process that made it has ended.' })
    .where('state', '=', 'running')
    .where('heartbeat_at', '<', deadBefore)
    .compile()
  const insert = store.build
    .insertInto('backups')
    .values({
      id: nextId,
      ...backup,
      state: 'running',
      started_at: now,
      heartbeat_at: now,
      finished_at: null,
      bytes: null,
      messages: null,
      deliveries: null,
      verified_at: null,
      error: null,
    })
    .returning('id')
    .compile()
  const [, inserted] = await store.writer.write([{ query: bury }, { query: insert }], BOOKKEEPING)
  return asId('backup', returnedId(inserted?.rows))
}

const change = (
  store: Store,
  id: BackupId,
  set: Partial<Omit<BackupsTable, 'id'>>,
  from?: BackupsTable['state'],
): Change => {
  const query = store.build.updateTable('backups').set(set).where('id', '=', id)
  return from === undefined
    ? { query: query.compile() }
    : {
        query: query.where('state', '=', from).compile(),
        expect: { changes: 1, orElse: 'STATE_CONFLICT' },
      }
}

/** A sign of life. Rejects with STATE_CONFLICT when somebody has given it up. */
export async function beatBackup(store: Store, id: BackupId, now: number): Promise<void> {
  await store.writer.write([change(store, id, { heartbeat_at: now }, 'running')], BOOKKEEPING)
}

export interface BackupResult {
  readonly bytes: number
  readonly messages: number
  readonly deliveries: number
  readonly finishedAt: number
  /** Undefined: it was made, and `error` says why it did not prove itself. */
  readonly verifiedAt: number | undefined
  readonly error: string | undefined
}

export async function endBackup(
  store: Store,
  id: BackupId,
  result: BackupResult,
  record: AuditDraft,
): Promise<void> {
  const set = {
    state: 'done',
    finished_at: result.finishedAt,
    bytes: result.bytes,
    messages: result.messages,
    deliveries: result.deliveries,
    verified_at: result.verifiedAt ?? null,
    error: result.error ?? null,
  } as const
  await store.writer.write([change(store, id, set, 'running')], record)
}

export async function failBackup(
  store: Store,
  id: BackupId,
  error: string,
  now: number,
): Promise<void> {
  await store.writer.write(
    [change(store, id, { state: 'failed', finished_at: now, error })],
    BOOKKEEPING,
  )
}

/** What a later trial found; `error` undefined when it was whole. */
export async function markVerified(
  store: Store,
  id: BackupId,
  trial: { readonly at: number; readonly error: string | undefined },
  record: AuditDraft,
): Promise<void> {
  const set =
    trial.error === undefined
      ? { verified_at: trial.at, error: null }
      : { verified_at: null, error: trial.error }
  await store.writer.write([change(store, id, set)], record)
}

export async function markDeleted(
  store: Store,
  ids: readonly BackupId[],
  record: AuditDraft,
): Promise<void> {
  await store.writer.write(
    ids.map((id) => change(store, id, { state: 'deleted' })),
    record,
  )
}

/** Takes note of a backup that this database did not know, such as one made after it was itself restored from one. */
export async function adoptBackup(
  store: Store,
  backup: NewBackup & BackupResult & { readonly startedAt: number },
  record: AuditDraft,
): Promise<void> {
  const query = store.build
    .insertInto('backups')
    .values({
      id: nextId,
      name: backup.name,
      target: backup.target,
      trigger: backup.trigger,
      state: 'done',
      started_at: backup.startedAt,
      heartbeat_at: backup.finishedAt,
      finished_at: backup.finishedAt,
      bytes: backup.bytes,
      messages: backup.messages,
      deliveries: backup.deliveries,
      verified_at: backup.verifiedAt ?? null,
      error: backup.error ?? null,
    })
    .compile()
  await store.writer.write([{ query }], record)
}

/** Newest first, those that were deleted left out. */
export function listBackupRows(store: Store, limit = 1_000): Promise<BackupRow[]> {
  return store.read
    .selectFrom('backups')
    .selectAll()
    .where('state', '!=', 'deleted')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
}
