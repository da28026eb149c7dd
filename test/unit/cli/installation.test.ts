import { MIGRATIONS } from '../../../server/store/migrate.ts'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { acquireInstanceLock } from '../../../server/services/instance-lock.ts'
import { openDatabase } from '../../../server/store/hot/database.ts'
import { databaseFile } from '../../../server/store/open.ts'
import { testCli, type TestCli } from '../../support/cli.ts'

/** As if a server ran on the data directory: this process holds its lock. */
function serve(cli: TestCli): void {
  mkdirSync(cli.dataDir, { recursive: true })
  const lock = acquireInstanceLock(cli.dataDir)
  if ('heldBy' in lock) throw new Error(`held by ${lock.heldBy}`)
  onTestFinished(() => lock.release())
}

describe('migrate', () => {
  test('without a database has nothing to do', async () => {
    const cli = testCli()
    expect((await cli.run('migrate')).out).toContain('the first start makes it')
    expect(existsSync(cli.dataDir)).toBe(false)
  })

  test('shows what would run as SQL, runs it, and is done', async () => {
    const cli = testCli()
    mkdirSync(cli.dataDir)
    openDatabase({ file: databaseFile(cli.dataDir) }).close()
    const dry = await cli.run('migrate --dry-run')
    const names = MIGRATIONS.map(({ name }) => name)
    expect(dry.out).toContain(`Applied: none\n\nPending: ${names.join(', ')}\n\n-- 0001-initial\n`)
    expect(dry.out).toContain('create table settings')
    expect(await cli.json('migrate --dry-run')).toMatchObject({
      pending: names.map((name) => ({ name })),
      ran: [],
    })
    expect(await cli.json('migrate')).toEqual({
      applied: names,
      pending: [],
      ran: names,
      backup: null,
    })
    expect((await cli.run('migrate')).out).toBe('The database is up to date.\n')
  })

  test('refuses beside a server that needs the old schema, and a database from the future', async () => {
    const cli = testCli()
    mkdirSync(cli.dataDir)
    const db = openDatabase({ file: databaseFile(cli.dataDir) })
    serve(cli)
    expect((await cli.run('migrate')).err).toContain('Stop it first')
    db.exec('create table kysely_migration (name text)')
    db.exec(`insert into kysely_migration values ('0999-future')`)
    db.close()
    expect((await cli.run('migrate')).err).toContain('written by a newer Posthorn')
  })
})

interface Report {
  readonly fail: number
  readonly checks: readonly { topic: string; state: string; says: string; fix: string | null }[]
}

/** One line of the report, whatever the exit code. */
async function finding(cli: TestCli, topic: string) {
  const { out } = await cli.run('check --offline --json')
  const { checks } = JSON.parse(out) as Report
  return checks.find((check) => check.topic.startsWith(topic))
}

const free = { http: { listen: '127.0.0.1:0' }, submission: { listeners: [] } }

describe('check', () => {
  test('finds a fresh installation in order, and makes nothing', async () => {
    const cli = testCli({ config: free })
    const { exit, out } = await cli.run('check --offline')
    expect({ exit, made: existsSync(cli.dataDir) }).toEqual({ exit: 0, made: false })
    expect(out).toMatch(/^ok +database +is made at the first start$/m)
    expect(out).toMatch(/\d+ ok, 0 to look at, 0 to mend, \d+ unknown\n$/)
  })

  test('finds a used one in order', async () => {
    const cli = testCli({ config: free })
    await cli.run('tenant list')
    expect(await cli.json('check --offline')).toMatchObject({ fail: 0, warn: 0 })
    expect(await finding(cli, 'schema')).toMatchObject({
      says: `is up to date (${MIGRATIONS.at(-1)?.name ?? ''})`,
    })
  })

  test('tells every setting that is wrong', async () => {
    const { exit, out } = await testCli({ config: { log: { level: 'loud' }, dns: 3 } }).run('check')
    expect(exit).toBe(1)
    expect(out).toMatch(/^fail +configuration +log\.level must be one of/m)
    expect(out).toMatch(/^fail +configuration +dns must be an object/m)
    expect(out).toContain('→ posthorn config describe')
  })

  test('tells whose a port is', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const listen = `127.0.0.1:${(other.address() as AddressInfo).port}`
    const cli = testCli({ config: { ...free, http: { listen } } })
    expect(await finding(cli, 'listener')).toMatchObject({
      state: 'fail',
      says: 'is in use by another program',
      fix: expect.stringContaining('http.listen') as string,
    })
    serve(cli)
    expect(await finding(cli, 'listener')).toMatchObject({
      state: 'ok',
      says: `is held by the running server (process ${process.pid})`,
    })
  })

  test.each([
    [
      'a database that is none',
      (cli: TestCli) => writeFileSync(databaseFile(cli.dataDir), 'x'.repeat(8192)),
      'database',
      'posthorn restore',
    ],
    [
      'a master key that is gone',
      (cli: TestCli) => rmSync(join(cli.dataDir, 'master.key')),
      'master key',
      'posthorn restore',
    ],
  ])('finds %s', async (_what, harm, topic, fix) => {
    const cli = testCli({ config: free })
    await cli.run('tenant list')
    harm(cli)
    expect(await finding(cli, topic)).toMatchObject({
      state: 'fail',
      fix: expect.stringContaining(fix) as string,
    })
    expect((await cli.run('check --offline')).exit).toBe(1)
  })
})

test('the page of all commands is as the program says', async () => {
  const page = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8')
  const { out } = await testCli().run('explain delivery --help')
  expect(page).toContain(`\`\`\`text\n${out}\`\`\``)
})
