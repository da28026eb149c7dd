/** Migrations: all or nothing each, forward only, with a copy kept of what was there before. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Database from 'better-sqlite3'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openDatabase } from '../../server/store/hot/database.ts'
import { MIGRATIONS, migrate, migrationState } from '../../server/store/migrate.ts'
import type { MigrationSpec } from '../../server/store/migrate.ts'
import { databaseFile } from '../../server/store/open.ts'
import { openTestStore } from '../support/store.ts'

const COLOURS: MigrationSpec = {
  name: '9001-colours',
  up: [
    'create table colours (name text primary key) strict',
    "insert into colours (name) values ('red')",
  ],
}
const BROKEN: MigrationSpec = {
  name: '9002-broken',
  up: ['create table shapes (name text)', 'alter table tenants add column colour text', 'nonsense'],
}

let folder: string
let db: Database.Database
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'posthorn-migrate-'))
  db = openDatabase({ file: join(folder, 'x.sqlite') })
  onTestFinished(() => {
    db.close()
    rmSync(folder, { recursive: true })
  })
})
const run = (specs: readonly MigrationSpec[]): ReturnType<typeof migrate> =>
  migrate(db, { specs, backupTo: () => join(folder, 'backup.sqlite') })
const tables = (of: Database.Database): string[] =>
  of
    .prepare<[], { name: string }>(
      "select name from sqlite_master where type = 'table' order by name",
    )
    .all()
    .map(({ name }) => name)

describe('migrate', () => {
  test('brings an empty database to the newest schema, without a backup', async () => {
    const { ran, backup } = await run(MIGRATIONS)
    expect(ran).toEqual(MIGRATIONS.map(({ name }) => name))
    expect(backup).toBeUndefined()
    expect(tables(db)).toEqual(expect.arrayContaining(['messages', 'deliveries', 'events']))
    expect(db.pragma('foreign_key_check')).toEqual([])
  })

  test('does nothing the second time', async () => {
    await run(MIGRATIONS)
    expect(await run(MIGRATIONS)).toEqual({ ran: [], backup: undefined })
    expect(migrationState(db).pending).toEqual([])
  })

  test('keeps a copy of the database as it was before a further migration', async () => {
    await run(MIGRATIONS)
    db.prepare("insert into settings (name, value) values ('kept', '1')").run()
    const { ran, backup } = await run([...MIGRATIONS, COLOURS])
    expect(ran).toEqual([COLOURS.name])
    expect(db.prepare('select name from colours').all()).toEqual([{ name: 'red' }])
    const copy = openDatabase({ file: backup!, readonly: true })
    onTestFinished(() => void copy.close())
    expect(statSync(backup!).mode & 0o077).toBe(0)
    expect(tables(copy)).not.toContain('colours')
    expect(copy.prepare("select value from settings where name = 'kept'").get()).toEqual({
      value: '1',
    })
    expect(migrationState(copy).pending).toEqual([])
  })

  test('a migration that fails half-way leaves nothing of itself, and those before it stand', async () => {
    await run(MIGRATIONS)
    await expect(run([...MIGRATIONS, COLOURS, BROKEN])).rejects.toThrow('nonsense')
    expect(tables(db)).toContain('colours')
    expect(tables(db)).not.toContain('shapes')
    expect(
      db
        .prepare('select * from tenants')
        .columns()
        .map(({ name }) => name),
    ).not.toContain('colour')
    const { applied, pending } = migrationState(db, [...MIGRATIONS, COLOURS, BROKEN])
    expect(applied).toContain(COLOURS.name)
    expect(pending).toEqual([BROKEN])
  })

  test('the first one that fails leaves an empty database to begin with again', async () => {
    await expect(run([{ ...BROKEN, up: ['create table a (x)', 'nonsense'] }])).rejects.toThrow()
    expect(tables(db)).not.toContain('a')
    expect((await run(MIGRATIONS)).ran).toHaveLength(MIGRATIONS.length)
  })

  test('a database of a newer program is refused, by name, and untouched', async () => {
    await run([...MIGRATIONS, COLOURS])
    const before = tables(db)
    await expect(run(MIGRATIONS)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      public: expect.stringContaining(COLOURS.name) as string,
    })
    expect(tables(db)).toEqual(before)
  })
})

describe('opening the store', () => {
  test('makes the folder and the database for their owner only', async () => {
    const { dataDir } = await openTestStore({ dataDir: join(folder, 'data') })
    expect(statSync(dataDir).mode & 0o777).toBe(0o700)
    expect(statSync(databaseFile(dataDir)).mode & 0o777).toBe(0o600)
    expect(readdirSync(dataDir).filter((name) => name.startsWith('before-migration'))).toEqual([])
  })
})
