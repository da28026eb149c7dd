/** A backup holds all that was acknowledged before it began, proves itself, and is put back only where nothing is lost. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { AppError } from '../../server/core/errors.ts'
import { inspectBackup, makeBackup, restoreBackup } from '../../server/services/backup.ts'
import { openBodies } from '../../server/store/body.ts'
import { databaseFile } from '../../server/store/open.ts'
import { inspectDatabase } from '../../server/store/snapshot.ts'
import { aMessage } from '../support/builders.ts'
import { manualClock } from '../support/clock.ts'
import { openTestStore } from '../support/store.ts'
import type { TestStore } from '../support/store.ts'

const KEY = 'ab'.repeat(32)

interface Installation extends TestStore {
  readonly backups: string
  /** Of a message with a spool file. */
  readonly spool: string
}

/** A data directory with a key, mail in rows and in a spool file, and a folder for backups. */
async function installation(): Promise<Installation> {
  const root = mkdtempSync(join(tmpdir(), 'posthorn-backup-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  const dataDir = join(root, 'data')
  const backups = join(root, 'backups')
  mkdirSync(backups)
  const opened = await openTestStore({ dataDir })
  writeFileSync(join(dataDir, 'master.key'), `${KEY}\n`, { mode: 0o600 })
  const bodies = openBodies(opened.store, { dataDir, cacheBytes: 0 })
  const body = await bodies.spool(Buffer.alloc(300_000, 7))
  await opened.accept(aMessage({ body }))
  for (let i = 0; i < 20; i++) await opened.accept(aMessage({ to: ['a@ok.test', 'b@ok.test'] }))
  return { ...opened, backups, spool: body.spool }
}

const clock = manualClock()
const backupOf = ({ dataDir, backups }: Installation): string =>
  makeBackup(dataDir, backups, clock).folder

function refusal(work: () => unknown): Partial<AppError> {
  try {
    work()
  } catch (error) {
    return error as AppError
  }
  throw new Error('It was not refused.')
}

describe('making one', () => {
  test('tells what it holds, for its owner only', async () => {
    const from = await installation()
    const report = makeBackup(from.dataDir, from.backups, clock)
    expect(report).toMatchObject({ messages: 21, deliveries: 41, spoolFiles: 1 })
    expect(report.schema).toMatch(/^\d{4}-/)
    expect(inspectBackup(report.folder)).toEqual(report)
    expect(readFileSync(join(report.folder, 'spool', from.spool))).toEqual(Buffer.alloc(300_000, 7))
    for (const name of ['posthorn.sqlite', 'master.key', 'manifest.json', `spool/${from.spool}`])
      expect([name, statSync(join(report.folder, name)).mode & 0o077]).toEqual([name, 0])
  })

  test('leaves out spool files that no message names', async () => {
    const from = await installation()
    writeFileSync(join(from.dataDir, 'spool', 'orphan.eml'), 'x')
    expect(readdirSync(join(backupOf(from), 'spool'))).toEqual([from.spool])
  })

  test('holds every message acknowledged before it began, while more come in', async () => {
    const from = await installation()
    const state = { stopped: false }
    const acknowledged: number[] = []
    const accepting = Array.from({ length: 8 }, async () => {
      while (!state.stopped) acknowledged.push((await from.accept(aMessage())).id)
    })
    for (let round = 0; round < 3; round++) {
      // A group commit is under way at any moment of this.
      await expect.poll(() => acknowledged.length).toBeGreaterThan(100 * (round + 1))
      const before = [...acknowledged]
      clock.advance(1_000).catch(() => undefined)
      const folder = makeBackup(from.dataDir, join(from.backups, `${round}`), clock).folder
      const copy = await openTestStore({ dataDir: restored(folder) })
      const kept = new Set(copy.all<{ id: number }>('select id from messages').map(({ id }) => id))
      expect(before.filter((id) => !kept.has(id))).toEqual([])
      expect(copy.all('select 1 from bodies')).toHaveLength(kept.size - 1)
      await copy.close()
    }
    state.stopped = true
    await Promise.all(accepting)
  })
})

/** The backup in a new data directory beside it. */
function restored(folder: string): string {
  const dataDir = `${folder}-restored`
  restoreBackup(folder, dataDir, { replace: false, clock })
  return dataDir
}

describe('putting one back', () => {
  test('gives the same mail, spool file and key in a new directory', async () => {
    const from = await installation()
    const dataDir = restored(backupOf(from))
    const copy = await openTestStore({ dataDir })
    for (const table of ['messages', 'bodies', 'deliveries', 'events'])
      expect(copy.all(`select * from ${table}`)).toEqual(from.all(`select * from ${table}`))
    expect(readFileSync(join(dataDir, 'spool', from.spool))).toHaveLength(300_000)
    expect(readFileSync(join(dataDir, 'master.key'), 'utf8').trim()).toBe(KEY)
    expect(readdirSync(dataDir).filter((name) => name.includes('restoring'))).toEqual([])
  })

  test('an empty directory is as good as none', async () => {
    const folder = backupOf(await installation())
    const dataDir = `${folder}-empty`
    mkdirSync(dataDir)
    restoreBackup(folder, dataDir, { replace: false, clock })
    expect(inspectDatabase(databaseFile(dataDir)).messages).toBe(21)
  })

  test('a directory with anything in it is refused and untouched', async () => {
    const from = await installation()
    const folder = backupOf(from)
    const dataDir = `${folder}-used`
    mkdirSync(dataDir)
    writeFileSync(join(dataDir, 'note'), 'mine')
    const error = refusal(() => restoreBackup(folder, dataDir, { replace: false, clock }))
    expect(error).toMatchObject({ code: 'STATE_CONFLICT' })
    expect(readdirSync(dataDir)).toEqual(['note'])
  })

  test('with replace what was there is moved aside, whole', async () => {
    const from = await installation()
    const folder = backupOf(from)
    const dataDir = `${folder}-used`
    mkdirSync(dataDir)
    writeFileSync(join(dataDir, 'note'), 'mine')
    restoreBackup(folder, dataDir, { replace: true, clock })
    expect(readFileSync(`${dataDir}.before-restore-${clock.now()}/note`, 'utf8')).toBe('mine')
    expect(existsSync(join(dataDir, 'note'))).toBe(false)
    expect(inspectDatabase(databaseFile(dataDir)).messages).toBe(21)
  })
})

describe('a backup that is not whole is refused before anything is touched', () => {
  const DAMAGES: Record<string, (folder: string, spool: string) => void> = {
    'no manifest': (folder) => rmSync(join(folder, 'manifest.json')),
    'no database': (folder) => rmSync(databaseFile(folder)),
    'an empty database': (folder) => truncateSync(databaseFile(folder)),
    'half a database': (folder) =>
      truncateSync(databaseFile(folder), Math.floor(statSync(databaseFile(folder)).size / 2)),
    'a page overwritten': (folder) => {
      const bytes = readFileSync(databaseFile(folder))
      bytes.fill(0x5a, bytes.length - 8_192, bytes.length - 4_096)
      writeFileSync(databaseFile(folder), bytes)
    },
    'some other file': (folder) =>
      writeFileSync(databaseFile(folder), 'no database at all '.repeat(500)),
    'a spool file missing': (folder, spool) => rmSync(join(folder, 'spool', spool)),
    'a spool file cut short': (folder, spool) => truncateSync(join(folder, 'spool', spool), 1_000),
    'no key': (folder) => rmSync(join(folder, 'master.key')),
    'a key that is none': (folder) => appendFileSync(join(folder, 'master.key'), 'x'),
  }
  test.each(Object.keys(DAMAGES))('%s', async (name) => {
    const from = await installation()
    const folder = backupOf(from)
    DAMAGES[name]!(folder, from.spool)
    const dataDir = `${folder}-used`
    mkdirSync(dataDir)
    writeFileSync(join(dataDir, 'note'), 'mine')
    const error = refusal(() => restoreBackup(folder, dataDir, { replace: true, clock }))
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
    expect(error.public).toContain(folder)
    expect(readdirSync(dataDir)).toEqual(['note'])
  })
})
