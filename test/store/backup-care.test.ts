/** Backups over time: the schedule, what is kept, trials of old ones, S3, and a restore that holds its mail. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { afterRestore } from '../../server/services/backup/after-restore.ts'
import type { Backups } from '../../server/services/backup/contract.ts'
import { openTarget } from '../../server/services/backup/open-target.ts'
import { restoreBackup } from '../../server/services/backup/restore.ts'
import { backupName } from '../../server/services/backup/target.ts'
import { makeBackupWorker } from '../../server/workers/backup.ts'
import { aMessage } from '../support/builders.ts'
import { manualClock } from '../support/clock.ts'
import { installation, OPERATOR } from '../support/backup.ts'
import { recordingLog } from '../support/log.ts'
import { s3Double } from '../support/s3.ts'
import { openTestStore } from '../support/store.ts'

const HOUR = 3_600_000

test('after a new one that proved itself the old ones go, those of others stay', async () => {
  const from = await installation()
  const backups = from.backupsWith({ keep: { last: 2 } })
  const foreign = backupName(from.clock.now() - HOUR, 'theirs')
  const names: string[] = []
  for (let i = 0; i < 4; i++) {
    names.push((await backups.create(OPERATOR)).name)
    if (i === 0) writeFileSync(join(from.folder, foreign), 'not ours')
    await from.clock.advance(HOUR)
  }
  expect(readdirSync(from.folder).sort()).toEqual([foreign, ...names.slice(2)].sort())
  expect((await backups.list()).map(({ name }) => name)).toEqual([names[3], names[2], foreign])
  expect(backups.counts).toMatchObject({ made: 4, deleted: 2 })
  const log = from.all<{ action: string; actor_name: string }>(
    'select action, actor_name from audit order by id',
  )
  expect(log.filter(({ action }) => action === 'backup.deleted')).toEqual(
    Array.from({ length: 2 }, () => ({ action: 'backup.deleted', actor_name: 'posthorn' })),
  )
})

describe('a trial', () => {
  test('finds damage that came later, tells it, and the record says so', async () => {
    const from = await installation()
    const { name } = await from.backups.create(OPERATOR)
    expect(await from.backups.verify(OPERATOR, name)).toMatchObject({
      error: undefined,
      messages: 21,
    })
    const file = join(from.folder, name)
    const bytes = readFileSync(file)
    bytes[bytes.length - 100]! ^= 1
    writeFileSync(file, bytes)
    const found = await from.backups.verify(OPERATOR, name)
    expect(found.error).toMatch(/altered or cut short/)
    expect(await from.backups.list()).toMatchObject([
      { name, verifiedAt: undefined, error: found.error },
    ])
    expect(from.backups.counts).toMatchObject({ damaged: 1 })
    expect(
      from.all(`select after from audit where action = 'backup.verified' order by id`),
    ).toEqual([{ after: '{"whole":true}' }, { after: '{"whole":false}' }])
  })

  test('of one that nobody has a record of takes it into the care of the policy', async () => {
    const from = await installation()
    const { name } = await from.backups.create(OPERATOR)
    const other = await installation({ kind: 'folder', folder: from.folder })
    expect(await other.backups.list()).toMatchObject([{ name, trigger: undefined, isThere: true }])
    await other.backups.verify(OPERATOR, name)
    expect(await other.backups.list()).toMatchObject([{ name, trigger: 'demand', messages: 21 }])
    await expect(other.backups.verify(OPERATOR, 'x')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  test('that is not there any more is told in the list, and can be deleted from it', async () => {
    const from = await installation()
    const { name } = await from.backups.create(OPERATOR)
    rmSync(join(from.folder, name))
    expect(await from.backups.list()).toMatchObject([{ name, isThere: false }])
    await from.backups.remove(OPERATOR, name)
    expect(await from.backups.list()).toEqual([])
    await expect(from.backups.remove(OPERATOR, name)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

test('S3: made, tried, listed, restored from there; a store that is down is told', async () => {
  const s3 = await s3Double()
  onTestFinished(() => s3.close())
  const from = await installation(s3.settings)
  const info = await from.backups.create(OPERATOR)
  expect(info).toMatchObject({ target: 's3://backups/mail/', error: undefined, isThere: true })
  expect([...s3.objects.keys()]).toEqual([`mail/${info.name}`])
  const target = await openTarget(s3.settings)
  const dataDir = join(from.root, 'restored')
  await restoreBackup(await target.get(info.name), {
    dataDir,
    recoveryKey: from.masterKey.derive('backup'),
    replace: false,
    now: from.clock.now(),
  })
  target.close()
  const copy = await openTestStore({ dataDir })
  expect(copy.all('select * from messages')).toEqual(from.all('select * from messages'))
  s3.fail = () => ({ status: 403, code: 'AccessDenied' })
  await from.clock.advance(1_000)
  await expect(from.backups.create(OPERATOR)).rejects.toMatchObject({
    code: 'BACKUP_TARGET_FAILED',
    public: expect.stringContaining('AccessDenied') as string,
  })
  expect(from.all('select state, error from backups order by id desc limit 1')).toEqual([
    { state: 'failed', error: expect.stringContaining('AccessDenied') as string },
  ])
})

describe('the schedule', () => {
  /** Everything but the making itself, which takes seconds. */
  function worker(outcome: () => 'made' | 'failed') {
    const clock = manualClock()
    const log = recordingLog()
    const made: number[] = []
    const last = {
      madeAt: undefined as number | undefined,
      failedAt: undefined as number | undefined,
    }
    const backups: Pick<Backups, 'create' | 'lastRuns'> = {
      lastRuns: async () => ({ ...last }),
      async create(actor, options) {
        expect(actor).toBe(SYSTEM_ACTOR)
        expect(options?.trigger).toBe('schedule')
        made.push(clock.now())
        if (outcome() === 'failed') {
          last.failedAt = clock.now()
          throw new Error('the folder is not there')
        }
        last.madeAt = clock.now()
        return { name: 'x' } as Awaited<ReturnType<Backups['create']>>
      },
    }
    return { clock, log, made, backups }
  }

  test('makes the missed one at the start, then one every day', async () => {
    const { clock, log, made, backups } = worker(() => 'made')
    const schedule = { kind: 'daily', minute: 195 } as const
    const running = makeBackupWorker({ backups, schedule, clock, log })
    running.start()
    await clock.advance(49 * HOUR)
    await running.stop()
    const start = Date.UTC(2026, 0, 1)
    expect(made.map((time) => (time - start) / HOUR)).toEqual([0, 3.25, 27.25])
    await clock.advance(48 * HOUR)
    expect(made).toHaveLength(3)
    expect(clock.pending()).toBe(0)
  })

  test('tries again half an hour after a failure, and says each time why', async () => {
    let failures = 3
    const { clock, log, made, backups } = worker(() => (failures-- > 0 ? 'failed' : 'made'))
    const running = makeBackupWorker({
      backups,
      schedule: { kind: 'every', ms: 6 * HOUR },
      clock,
      log,
    })
    running.start()
    await clock.advance(5 * HOUR)
    await running.stop()
    const start = Date.UTC(2026, 0, 1)
    expect(made.map((time) => (time - start) / 60_000)).toEqual([0, 30, 60, 90])
    expect(log.lines.filter(({ level }) => level === 'error')).toHaveLength(3)
  })

  test('off makes none', async () => {
    const { clock, log, made, backups } = worker(() => 'made')
    const running = makeBackupWorker({ backups, schedule: { kind: 'off' }, clock, log })
    running.start()
    await clock.advance(48 * HOUR)
    expect(made).toEqual([])
    await running.stop()
  })

  test('stopping ends the one that is being made', async () => {
    const from = await installation()
    const { clock, log } = from
    const running = makeBackupWorker({
      backups: from.backups,
      schedule: { kind: 'every', ms: HOUR },
      clock,
      log,
    })
    running.start()
    await clock.advance(1)
    await expect
      .poll(() => from.all(`select 1 from backups where state = 'running'`))
      .toHaveLength(1)
    await running.stop()
    expect(from.all('select state from backups')).toEqual([{ state: 'failed' }])
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([])
  })
})

test('after a restore nobody is signed in, it is in the audit log, and with hold no mail is due', async () => {
  const from = await installation()
  const lane = await from.lane()
  await from.accept(aMessage({ lane }))
  const now = from.clock.now()
  const session = {
    id: 1,
    user_id: 1,
    token_hash: 'x',
    stage: 'open' as const,
    method: 'password',
    created_at: now,
    last_used_at: now,
    expires_at: now + HOUR,
    confirmed_at: null,
    user_agent: '',
    ip: '192.0.2.1',
    place: '{}',
    ended_at: null,
    ended_because: null,
  }
  const query = from.store.build.insertInto('sessions').values(session).compile()
  await from.store.writer.write([{ query }], { unaudited: 'a test' })
  const facts = { backup: 'x.phb', createdAt: '2026-01-01T00:00:00.000Z' }
  await afterRestore(from.store, OPERATOR, { ...facts, hold: false }, now)
  expect(from.all('select ended_because from sessions')).toEqual([{ ended_because: 'restored' }])
  expect(from.all('select suspended_until from lanes')).toEqual([{ suspended_until: 0 }])

  const held = await afterRestore(from.store, OPERATOR, { ...facts, hold: true }, now)
  expect(held).toEqual({ lanes: 1, unrouted: 41 })
  await expect(from.lease(lane)).rejects.toThrow(/suspended/)
  expect(from.all('select suspended_because as because from lanes')).toEqual([
    { because: expect.stringContaining('restored from a backup of 2026-01-01') as string },
  ])
  expect(
    from.all<{ n: number }>(
      'select count(*) as n from deliveries where lane_id is null and next_at <= ?',
      now + 300 * 24 * HOUR,
    ),
  ).toEqual([{ n: 0 }])
  expect(from.all(`select actor_name, after from audit where action = 'backup.restored'`)).toEqual([
    { actor_name: 'anna', after: '{"createdAt":"2026-01-01T00:00:00.000Z","held":false}' },
    { actor_name: 'anna', after: '{"createdAt":"2026-01-01T00:00:00.000Z","held":true}' },
  ])
})
