/**
 * The verbs over backups: make one and prove it, list, try, delete, keep what the policy asks for. Making and trying
 * happen in a process of their own (runner.ts); here they are begun, watched and recorded.
 */
import { SYSTEM_ACTOR } from '../../core/audit.ts'
import type { Actor, AuditDraft, AuditValue } from '../../core/audit.ts'
import { AppError } from '../../core/errors.ts'
import { asId, encodeId } from '../../core/ids.ts'
import type { Clock, Log, Random, Timer } from '../../core/ports.ts'
import {
  adoptBackup,
  beatBackup,
  beginBackup,
  endBackup,
  failBackup,
  listBackupRows,
  markDeleted,
  markVerified,
} from '../../store/backups.ts'
import type { BackupId, BackupRow } from '../../store/backups.ts'
import type { Store } from '../../store/open.ts'
import { schemaOf } from '../../store/snapshot.ts'
import type { MasterKey } from '../auth/master-key.ts'
import type { BackupInfo, Backups, BackupSettings, CreateOptions, Trial } from './contract.ts'
import { infoOf, unknownInfo } from './info.ts'
import { toDelete } from './keep.ts'
import type { Made, Progress } from './make.ts'
import { formatRecoveryKey } from './recovery-key.ts'
import { makeRunner, textOf } from './runner.ts'
import type { JobOptions } from './run-job.ts'
import { backupName, backupTime, targetUrl } from './target.ts'

export interface BackupDeps {
  readonly store: Store
  readonly masterKey: MasterKey
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Version of the program. */
  readonly program: string
  readonly settings: BackupSettings
}

const HEARTBEAT_MS = 15_000
/** A process that has not been heard of for so long has ended. */
const DEAD_MS = 120_000

interface Named {
  readonly name: string
  readonly id: BackupId | undefined
}

export function makeBackups(deps: BackupDeps): Backups {
  const { store, clock, log, settings } = deps
  const url = targetUrl(settings.target)
  const recoveryKey = deps.masterKey.derive('backup')
  const runner = makeRunner({ ...deps, recoveryKey })
  const counts = { made: 0, failed: 0, damaged: 0, deleted: 0, lastGoodAt: 0, lastBytes: 0 }
  const closing = new AbortController()
  const atWork = new Set<Promise<unknown>>()
  let current: { name: string; progress: Progress } | undefined

  const rowsOf = async (name: string): Promise<BackupRow[]> =>
    (await listBackupRows(store)).filter((row) => row.name === name && row.target === url)

  const jobOptions = (
    { signal, progress }: Pick<CreateOptions, 'signal' | 'progress'>,
    name: string,
  ): JobOptions => ({
    signal: signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]),
    progress(now) {
      current = { name, progress: now }
      progress?.(now)
    },
  })

  /** `close` waits for it. */
  async function tracked<T>(work: Promise<T>): Promise<T> {
    atWork.add(work)
    try {
      return await work
    } finally {
      atWork.delete(work)
      current = undefined
    }
  }

  function heart(id: BackupId): { stop(): void } {
    let timer: Timer | undefined
    const beat = (): void => {
      timer = clock.after(HEARTBEAT_MS, () => {
        beat()
        beatBackup(store, id, clock.now()).catch((error: unknown) =>
          log.warn({ err: error }, 'backup heartbeat failed'),
        )
      })
    }
    beat()
    return { stop: () => timer?.cancel() }
  }

  async function run(
    actor: Actor,
    backup: Named & { readonly id: BackupId; readonly schema: string },
    options: JobOptions,
  ): Promise<BackupInfo> {
    const beating = heart(backup.id)
    try {
      const made = await runner.make(backup.name, backup.schema, options)
      const error = await runner.firstTrial(backup.name, made, options)
      await record(actor, backup, made, error)
      if (error === undefined) await prune()
    } catch (error) {
      counts.failed++
      // With a store that is closed the next backup finds the row without a heartbeat.
      await failBackup(store, backup.id, textOf(error), clock.now()).catch(() => undefined)
      throw error
    } finally {
      beating.stop()
    }
    const row = (await listBackupRows(store)).find(({ id }) => id === backup.id)
    if (row === undefined) throw new Error('The row of the backup has gone.')
    return infoOf(row, true)
  }

  async function record(
    actor: Actor,
    backup: Named & { readonly id: BackupId },
    { bytes, bodiesGone, facts }: Made,
    error: string | undefined,
  ): Promise<void> {
    const finishedAt = clock.now()
    const verifiedAt = error === undefined ? finishedAt : undefined
    const { messages, deliveries } = facts
    await endBackup(
      store,
      backup.id,
      { bytes, messages, deliveries, finishedAt, verifiedAt, error },
      draft(actor, 'backup.created', backup, {
        target: url,
        bytes,
        messages,
        deliveries,
        bodiesGone,
        whole: error === undefined,
      }),
    )
    counts.made++
    counts.lastBytes = bytes
    if (error === undefined) counts.lastGoodAt = finishedAt
    else counts.damaged++
  }

  /** Deletes what the policy does not ask for; only what this installation has a record of. */
  async function prune(): Promise<void> {
    try {
      const rows = (await listBackupRows(store)).filter(
        (row) => row.state === 'done' && row.target === url,
      )
      const kept = rows.map((row) => ({
        name: row.name,
        at: row.started_at,
        verified: row.verified_at !== null,
      }))
      for (const name of toDelete(kept, settings.keep, clock.now())) {
        await runner.withTarget((target) => target.remove(name))
        await forget(SYSTEM_ACTOR, name, { because: 'policy' })
        counts.deleted++
      }
    } catch (error) {
      log.error({ err: error }, 'old backups could not be deleted')
    }
  }

  async function forget(actor: Actor, name: string, after?: AuditValue): Promise<void> {
    const ids = (await rowsOf(name)).map((row) => asId('backup', row.id))
    await markDeleted(store, ids, draft(actor, 'backup.deleted', { name, id: ids[0] }, after))
  }

  async function begin(
    actor: Actor,
    options: CreateOptions = {},
  ): Promise<{ name: string; finished: Promise<BackupInfo> }> {
    const now = clock.now()
    const schema = schemaOf(store.file)
    const name = backupName(now, schema)
    const row = { name, target: url, trigger: options.trigger ?? 'demand' }
    const id = await beginBackup(store, row, { now, deadBefore: now - DEAD_MS }).catch(
      (error: unknown) => {
        if (error instanceof AppError && error.code === 'NAME_TAKEN')
          throw new AppError('STATE_CONFLICT', { public: 'A backup is being made already.' })
        throw error
      },
    )
    const finished = tracked(run(actor, { id, name, schema }, jobOptions(options, name)))
    // Whoever does not wait for it must not end the program by its failure, which is in its row.
    finished.catch(() => undefined)
    return { name, finished }
  }

  /** It opened with our key, so it is ours; from now on the policy knows it. */
  async function adopt({ name, messages = 0, deliveries = 0 }: Trial, draft: AuditDraft) {
    const stored = await runner.withTarget((target) => target.list())
    const at = clock.now()
    const backup = {
      name,
      target: url,
      trigger: 'demand' as const,
      startedAt: backupTime(name) ?? at,
      finishedAt: at,
      bytes: stored.find((one) => one.name === name)?.bytes ?? 0,
      messages,
      deliveries,
      verifiedAt: at,
      error: undefined,
    }
    await adoptBackup(store, backup, draft)
  }

  return {
    counts,
    begin,
    create: async (actor, options) => (await begin(actor, options)).finished,
    progress: () => current,
    async list() {
      const rows = await listBackupRows(store)
      const stored = await runner.withTarget((target) => target.list())
      const there = new Set(stored.map(({ name }) => name))
      const infos = rows.map((row) => infoOf(row, row.target === url && there.has(row.name)))
      const known = new Set(infos.filter(({ target }) => target === url).map(({ name }) => name))
      const unknown = stored.filter(({ name }) => !known.has(name))
      return [...infos, ...unknown.map((backup) => unknownInfo(backup, url))].sort(
        (a, b) => b.startedAt - a.startedAt,
      )
    },
    async verify(actor, name, options = {}) {
      const found = await tracked(runner.trial(name, jobOptions(options, name)))
      const { error } = found
      if (error !== undefined) counts.damaged++
      const [row] = await rowsOf(name)
      const id = row === undefined ? undefined : asId('backup', row.id)
      const record = draft(actor, 'backup.verified', { name, id }, { whole: error === undefined })
      if (id !== undefined) await markVerified(store, id, { at: clock.now(), error }, record)
      else if (error === undefined) await adopt(found, record)
      return found
    },
    async remove(actor, name) {
      const rows = await rowsOf(name)
      if (rows.some(({ state }) => state === 'running'))
        throw new AppError('STATE_CONFLICT', { public: `${name} is being made just now.` })
      await runner.withTarget(async (target) => {
        const isThere = (await target.list()).some((backup) => backup.name === name)
        if (!isThere && rows.length === 0)
          throw new AppError('NOT_FOUND', { public: `There is no backup ${name} in ${url}.` })
        await target.remove(name)
      })
      await forget(actor, name)
    },
    async recoveryKey(actor) {
      const key = { name: 'recovery key', id: undefined }
      await store.writer.write([], draft(actor, 'backup.key-shown', key))
      return formatRecoveryKey(recoveryKey)
    },
    async lastRuns() {
      const rows = await listBackupRows(store)
      const newest = (state: BackupRow['state']): number | undefined =>
        rows.find((row) => row.state === state)?.started_at
      return { madeAt: newest('done'), failedAt: newest('failed') }
    },
    async close() {
      closing.abort()
      await Promise.allSettled(atWork)
    },
  }
}

const draft = (
  actor: Actor,
  action: string,
  { name, id }: Named,
  after?: AuditValue,
): AuditDraft => ({
  actor,
  tenant: undefined,
  action,
  target: { kind: 'backup', id: id === undefined ? name : encodeId('backup', id), name },
  after,
})
