/** Databases of older versions come up to date with everything that is in them. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openDatabase } from '../../server/store/hot/database.ts'
import { MIGRATIONS, migrate } from '../../server/store/migrate.ts'
import type { MigrationSpec } from '../../server/store/migrate.ts'
import { copyDatabase } from '../../server/store/snapshot.ts'
import { aMessage } from '../support/builders.ts'
import { openTestStore } from '../support/store.ts'
import { countsOf, faultsOf, schemaOf, scratch, upgraded } from './upgrade.ts'

const NEXT: MigrationSpec = {
  name: '9001-next',
  up: [
    'alter table tenants add column colour text',
    'create table colours (name text primary key) strict, without rowid',
    'insert into colours (name) select distinct tag from message_tags',
  ],
}

async function freshSchema(specs: readonly MigrationSpec[]): Promise<string[]> {
  const db = openDatabase({ file: join(scratch(), 'fresh.sqlite') })
  await migrate(db, { specs, backupTo: () => '' })
  const schema = schemaOf(db)
  db.close()
  return schema
}

/** A database with a little of everything, closed as a server leaves it. */
async function written(): Promise<string> {
  const { accept, lane, lease, store } = await openTestStore()
  const at = await lane()
  await accept(aMessage({ lane: at, to: ['a@ok.test', 'b@ok.test'], tags: ['blue'] }))
  await accept(aMessage({ sandbox: true, metadata: { order: '7' } }))
  await lease(at, 1)
  const file = join(scratch(), 'v.sqlite')
  copyDatabase(store.file, file)
  return file
}

describe('the next migration over the first schema', () => {
  test('keeps every row and ends with the schema of a new database', async () => {
    const fixture = await written()
    const { db: before } = await upgraded(fixture, MIGRATIONS)
    const { db, ran } = await upgraded(fixture, [...MIGRATIONS, NEXT])
    expect(ran).toEqual([NEXT.name])
    expect(faultsOf(db)).toEqual([])
    expect(countsOf(db)).toEqual({ ...countsOf(before), colours: 1 })
    expect(schemaOf(db)).toEqual(await freshSchema([...MIGRATIONS, NEXT]))
  })

  test('faults in a database are seen', async () => {
    const { db } = await upgraded(await written(), MIGRATIONS)
    db.pragma('foreign_keys = OFF')
    db.exec('delete from sources')
    expect(faultsOf(db)).not.toEqual([])
  })
})

test('people of the first schema keep their links, and get a place to belong to', async () => {
  const file = join(scratch(), 'first.sqlite')
  const first = openDatabase({ file })
  await migrate(first, { specs: MIGRATIONS.slice(0, 1), backupTo: () => '' })
  first.exec(`
    insert into tenants (id, name, created_at) values (3, 'default', 1), (9, 'other', 2);
    insert into users (id, email, name, role, setup_hash, setup_expires_at, created_at) values
      (1, 'Owner@A.test', 'Owner', 'owner', 'hash-1', 99, 5), (2, 'look@a.test', 'Look', 'viewer', null, null, 6);
    insert into keys (id, tenant_id, name, secret_hash, scopes, mode, created_at)
      values (1, 3, 'app', 'hash-k', '["messages:send"]', 'live', 7)`)
  first.close()
  const { db } = await upgraded(file, MIGRATIONS)
  expect(faultsOf(db)).toEqual([])
  expect(db.prepare('select id, email, platform_role from users order by id').all()).toEqual([
    { id: 1, email: 'owner@a.test', platform_role: 'admin' },
    { id: 2, email: 'look@a.test', platform_role: null },
  ])
  expect(db.prepare('select tenant_id, user_id, role from memberships').all()).toEqual([
    { tenant_id: 3, user_id: 1, role: 'owner' },
    { tenant_id: 3, user_id: 2, role: 'analyst' },
  ])
  expect(db.prepare('select user_id, purpose, hash, expires_at from user_tokens').all()).toEqual([
    { user_id: 1, purpose: 'setup', hash: 'hash-1', expires_at: 99 },
  ])
  expect(db.prepare('select networks, expires_at from keys').all()).toEqual([
    { networks: '[]', expires_at: null },
  ])
})

const released = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.sqlite'))

describe.runIf(released.length > 0)('databases of releases', () => {
  test.each(released)('%s', async (name) => {
    const { db } = await upgraded(join(import.meta.dirname, name), MIGRATIONS)
    expect(faultsOf(db)).toEqual([])
    expect(schemaOf(db)).toEqual(await freshSchema(MIGRATIONS))
    expect(countsOf(db)['messages']).toBeGreaterThan(0)
  })
})
