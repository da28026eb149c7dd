/** The drill: a backup made while mail comes in, restored elsewhere, holds all that was acknowledged before it began. */
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { acquireInstanceLock } from '../../server/services/instance-lock.ts'
import { addKeyVersion, masterKeyFile } from '../../server/services/auth/master-key.ts'
import { readBackupFile } from '../../server/services/backup/folder-target.ts'
import { rehearseRestore, restoreBackup } from '../../server/services/backup/restore.ts'
import { databaseFile } from '../../server/store/open.ts'
import { aMessage } from '../support/builders.ts'
import { installation, OPERATOR, sealDkimKey } from '../support/backup.ts'
import type { Installation } from '../support/backup.ts'
import { openTestStore } from '../support/store.ts'

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

async function backupOf(from: Installation): Promise<string> {
  const { name, error } = await from.backups.create(OPERATOR)
  expect(error).toBeUndefined()
  return join(from.folder, name)
}

/** The backup in a new data directory. */
async function restored(from: Installation, file: string, to = 'restored'): Promise<string> {
  const dataDir = join(from.root, to)
  await restoreBackup(readBackupFile(file), {
    dataDir,
    recoveryKey: from.masterKey.derive('backup'),
    replace: false,
    now: from.clock.now(),
  })
  return dataDir
}

describe('making one', () => {
  test('tells what it holds, tries it, and leaves one file for its owner only', async () => {
    const from = await installation()
    const steps = new Set<string>()
    const progress = ({ phase }: { phase: string }): void => void steps.add(phase)
    const info = await from.backups.create(OPERATOR, { progress })
    expect(info).toMatchObject({
      state: 'done',
      trigger: 'demand',
      messages: 21,
      deliveries: 41,
      verifiedAt: from.clock.now(),
      error: undefined,
      isThere: true,
    })
    expect(info.name).toMatch(/^posthorn-2026-01-01T00-00-00-000Z-\d{4}-[\w-]+\.phb$/)
    expect([...steps]).toEqual(['copy', 'pack', 'unpack', 'check'])
    expect(readdirSync(from.folder)).toEqual([info.name])
    expect(statSync(join(from.folder, info.name)).mode & 0o077).toBe(0)
    expect(statSync(join(from.folder, info.name)).size).toBe(info.bytes)
    expect(readdirSync(join(from.root, 'work'))).toEqual([])
    expect(from.backups.counts).toMatchObject({ made: 1, failed: 0, damaged: 0 })
    expect(await from.backups.list()).toEqual([info])
  })

  test('shows nothing of what is inside', async () => {
    const from = await installation()
    const bytes = readFileSync(await backupOf(from))
    const key = readFileSync(masterKeyFile(from.dataDir))
    for (const secret of [
      'shop@a.test',
      'SQLite format 3',
      'It is on its way',
      key.toString().trim(),
    ])
      expect(bytes.includes(secret), secret).toBe(false)
    expect(bytes.includes(from.masterKey.derive('backup'))).toBe(false)
  })

  test('leaves out spool files that no message names', async () => {
    const from = await installation()
    writeFileSync(join(from.dataDir, 'spool', 'orphan.eml'), 'x')
    const dataDir = await restored(from, await backupOf(from))
    expect(readdirSync(join(dataDir, 'spool'))).toHaveLength(1)
  })

  test('notes bodies that retention took meanwhile instead of failing', async () => {
    const from = await installation()
    const spool = await from.spooled(400_000)
    rmSync(join(from.dataDir, 'spool', spool))
    const dataDir = await restored(from, await backupOf(from))
    const copy = await openTestStore({ dataDir })
    expect(copy.all('select count(*) as n from messages where spool is not null')).toEqual([
      { n: 1 },
    ])
    expect(copy.all('select count(*) as n from messages')).toEqual([{ n: 22 }])
    const [record] = from.all<{ after: string }>(`select after from audit order by id desc limit 1`)
    expect(JSON.parse(record!.after)).toMatchObject({ bodiesGone: 1, whole: true })
  })

  test('says so when the source itself is broken, and keeps what there is', async () => {
    const from = await installation()
    const spool = await from.spooled(400_000)
    truncateSync(join(from.dataDir, 'spool', spool), 1_000)
    const info = await from.backups.create(OPERATOR)
    expect(info).toMatchObject({ state: 'done', verifiedAt: undefined, isThere: true })
    expect(info.error).toContain(`the body ${spool} has 1000 bytes instead of 400000`)
    expect(from.backups.counts).toMatchObject({ made: 1, damaged: 1 })
  })

  test('refuses to fill the disk, and says what is missing', async () => {
    const from = await installation()
    const backups = from.backupsWith({ minFreeBytes: 2 ** 60 })
    await expect(backups.create(OPERATOR)).rejects.toMatchObject({ code: 'STORE_FULL' })
    const [info] = await backups.list()
    expect(info).toMatchObject({ state: 'failed', isThere: false })
    expect(info!.error).toMatch(/needs [\d]+ MiB of free disk/)
    expect(readdirSync(from.folder)).toEqual([])
  })
})

test('a backup under load holds every message acknowledged before it began, large ones too', async () => {
  const from = await installation()
  const state = { stopped: false }
  const acknowledged: number[] = []
  const bodies = new Map<string, string>()
  const accepting = Array.from({ length: 8 }, async () => {
    while (!state.stopped) acknowledged.push((await from.accept(aMessage())).id)
  })
  const spooling = (async () => {
    for (let i = 0; !state.stopped; i++) {
      const raw = Buffer.alloc(280_000 + i, i)
      const body = await from.bodies.spool(raw)
      const { id } = await from.accept(aMessage({ body }))
      bodies.set(body.spool, digest(raw))
      acknowledged.push(id)
    }
  })()
  try {
    for (let round = 0; round < 3; round++) {
      await expect.poll(() => bodies.size).toBeGreaterThan(5 * (round + 1))
      const before = [...acknowledged]
      const spooled = [...bodies]
      const dataDir = await restored(from, await backupOf(from), `restored-${round}`)
      const copy = await openTestStore({ dataDir })
      const kept = new Set(copy.all<{ id: number }>('select id from messages').map(({ id }) => id))
      expect(kept.size).toBeGreaterThan(0)
      expect(before.filter((id) => !kept.has(id))).toEqual([])
      for (const [name, hash] of spooled)
        expect(digest(readFileSync(join(dataDir, 'spool', name)))).toBe(hash)
      expect(
        copy.all(`select 1 from messages m where spool is null
          and not exists (select 1 from bodies where message_id = m.id)`),
      ).toEqual([])
      await copy.close()
      await from.clock.advance(1_000)
    }
  } finally {
    state.stopped = true
    await Promise.all([...accepting, spooling])
  }
}, 60_000)

describe('one at a time', () => {
  test('a second one is refused while the first is made', async () => {
    const from = await installation()
    const first = await from.backups.begin(OPERATOR)
    const elsewhere = from.backupsWith({})
    await expect(elsewhere.create(OPERATOR)).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
    expect(await elsewhere.list()).toMatchObject([{ name: first.name, state: 'running' }])
    await expect(elsewhere.remove(OPERATOR, first.name)).rejects.toMatchObject({
      code: 'STATE_CONFLICT',
    })
    await first.finished
  })

  test('one whose process has died makes room after two minutes, and its remains go', async () => {
    const from = await installation()
    const first = await from.backups.begin(OPERATOR)
    // Cut off without a word, as by a kill: its row stays behind.
    await from.backups.close()
    await expect(first.finished).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
    await from.store.writer.write(
      [
        {
          query: from.store.build.updateTable('backups').set({ state: 'running' }).compile(),
        },
      ],
      { unaudited: 'a test' },
    )
    // In a container the process that died may have had the same id.
    const remains = ['999999999', process.pid, 1].map((pid) =>
      join(from.root, 'work', `backup-work-${pid}-abc`),
    )
    for (const folder of remains) mkdirSync(folder)
    const next = from.backupsWith({})
    await from.clock.advance(119_000)
    await expect(next.create(OPERATOR)).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
    await from.clock.advance(2_000)
    await expect(next.create(OPERATOR)).resolves.toMatchObject({ state: 'done' })
    expect(remains.map((folder) => existsSync(folder))).toEqual([false, false, true])
    expect((await next.list()).map(({ state }) => state)).toEqual(['done', 'failed'])
  })

  test('when the program stops it is ended, and nothing of it stays', async () => {
    const from = await installation()
    const { finished } = await from.backups.begin(OPERATOR)
    await from.backups.close()
    await expect(finished).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
    expect((await from.backupsWith({}).list())[0]).toMatchObject({ state: 'failed' })
    expect(
      existsSync(from.folder) ? readdirSync(from.folder).filter((n) => n.endsWith('.phb')) : [],
    ).toEqual([])
  })
})

describe('putting one back', () => {
  test('gives the same mail, spool file, key and secrets in a new directory', async () => {
    const from = await installation()
    addKeyVersion(from.dataDir, { next: () => 0, bytes: (n) => Buffer.alloc(n, 9) })
    await sealDkimKey(from, from.seal, 'under version 2')
    const dataDir = await restored(from, await backupOf(from))
    const copy = await openTestStore({ dataDir })
    for (const table of ['messages', 'bodies', 'deliveries', 'events', 'dkim_keys'])
      expect(copy.all(`select * from ${table}`)).toEqual(from.all(`select * from ${table}`))
    expect(readFileSync(masterKeyFile(dataDir))).toEqual(readFileSync(masterKeyFile(from.dataDir)))
    expect(copy.all('select state, verified_at from backups')).toEqual([
      { state: 'done', verified_at: null },
    ])
    expect(readdirSync(dataDir).filter((name) => /restor/.test(name))).toEqual([])
  })

  test('a directory with data is refused and untouched; with replace the data goes aside, whole', async () => {
    const from = await installation()
    const file = await backupOf(from)
    const dataDir = await restored(from, file)
    writeFileSync(join(dataDir, 'certificate.pem'), 'mine')
    const before = digest(readFileSync(databaseFile(dataDir)))
    const options = {
      dataDir,
      recoveryKey: from.masterKey.derive('backup'),
      now: from.clock.now(),
    }
    const again = (replace: boolean) => restoreBackup(readBackupFile(file), { ...options, replace })
    await expect(again(false)).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
    expect(digest(readFileSync(databaseFile(dataDir)))).toBe(before)
    const { aside } = await again(true)
    expect(digest(readFileSync(databaseFile(aside!)))).toBe(before)
    expect(readdirSync(aside!).sort()).toEqual(['master.key', 'posthorn.sqlite', 'spool'])
    expect(readdirSync(join(aside!, 'spool'))).toHaveLength(1)
    expect(readFileSync(join(dataDir, 'certificate.pem'), 'utf8')).toBe('mine')
    const copy = await openTestStore({ dataDir })
    expect(copy.all('select count(*) as n from messages')).toEqual([{ n: 21 }])
  })

  test('is refused while a server or any other process works on the directory', async () => {
    const from = await installation()
    const file = await backupOf(from)
    const options = {
      recoveryKey: from.masterKey.derive('backup'),
      now: from.clock.now(),
      replace: true,
    }
    // Open as with Redis, where no lock is taken.
    await expect(
      restoreBackup(readBackupFile(file), { ...options, dataDir: from.dataDir }),
    ).rejects.toMatchObject({ code: 'STATE_CONFLICT', public: /Another process works/ })
    const dataDir = join(from.root, 'locked')
    mkdirSync(dataDir)
    const lock = acquireInstanceLock(dataDir)
    await expect(
      restoreBackup(readBackupFile(file), { ...options, dataDir }),
    ).rejects.toMatchObject({ code: 'STATE_CONFLICT', public: /A server .* works on/ })
    if ('release' in lock) lock.release()
    expect(readdirSync(dataDir)).toEqual([])
  })

  test('a rehearsal tells the same and leaves no trace', async () => {
    const from = await installation()
    const file = await backupOf(from)
    const names = readdirSync(from.dataDir)
    const recoveryKey = from.masterKey.derive('backup')
    const tried = await rehearseRestore(readBackupFile(file), {
      dataDir: from.dataDir,
      recoveryKey,
    })
    expect(tried).toMatchObject({
      replaces: true,
      secrets: 1,
      header: { program: '1.2.3', createdAt: '2026-01-01T00:00:00.000Z' },
      facts: { messages: 21, deliveries: 41, waiting: 41, pending: [], spoolFiles: 1 },
    })
    expect(readdirSync(from.dataDir)).toEqual(names)
  })
})
