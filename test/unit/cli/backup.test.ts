/** `posthorn backup`, `restore` and `secrets` against a real data directory. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { acquireInstanceLock } from '../../../server/services/instance-lock.ts'
import { databaseFile } from '../../../server/store/open.ts'
import { testCli, type TestCli } from '../../support/cli.ts'

interface Made {
  readonly name: string
}

const fileOf = (cli: TestCli, name: string): string => join(cli.dataDir, 'backups', name)
const beside = (cli: TestCli, name: string): string => join(dirname(cli.dataDir), name)

async function withBackup(): Promise<{ cli: TestCli; name: string }> {
  const cli = testCli()
  await cli.run('tenant add before')
  const { name } = await cli.json<Made>('backup create')
  await cli.run('tenant add after')
  return { cli, name }
}

describe('backup', () => {
  test('makes one, lists it, tries it, deletes it', async () => {
    const cli = testCli()
    await cli.run('tenant list')
    const { exit, out, err } = await cli.run('backup create')
    expect(exit).toBe(0)
    expect(out).toMatch(/^posthorn-[\dTZ-]+-\d{4}-[\w-]+\.phb\n[^]*a restore of it works\n$/)
    expect(err).toContain('copying the database …')
    const { backups } = await cli.json<{ backups: Made[] }>('backup list')
    expect(backups).toMatchObject([{ state: 'done', isThere: true, error: null }])
    const [{ name }] = backups as [Made]
    expect(await cli.json(`backup verify ${name}`)).toMatchObject({ whole: true, messages: 0 })
    expect(await cli.json(`backup delete ${name}`)).toEqual({ name, deleted: true })
    expect(await cli.json('backup list')).toEqual({ backups: [] })
    expect((await cli.run(`backup verify ${name}`)).err).toContain('There is no backup')
  })

  test('says which is damaged', async () => {
    const { cli, name } = await withBackup()
    writeFileSync(fileOf(cli, name), 'PHBACKUP and then nothing')
    const { exit, out } = await cli.run(`backup verify ${name}`)
    expect({ exit, out }).toMatchObject({ exit: 1, out: /of format|no whole backup/ })
    expect((await cli.run('backup list')).out).toMatch(/no whole backup|of format/)
  })

  test('does not make an installation', async () => {
    const cli = testCli()
    for (const command of ['create', 'list', 'verify x', 'delete x', 'recovery-key'])
      expect((await cli.run(`backup ${command}`)).err).toContain('no database')
    expect(existsSync(cli.dataDir)).toBe(false)
  })

  test('goes into the folder that is named, and never shows the key in the log of changes', async () => {
    const cli = testCli()
    await cli.run('tenant list')
    const { name } = await cli.json<Made>(`backup create --backup.folder=${beside(cli, 'copies')}`)
    expect(readdirSync(beside(cli, 'copies'))).toEqual([name])
    const { recoveryKey } = await cli.json<{ recoveryKey: string }>('backup recovery-key')
    expect(recoveryKey).toMatch(/^(?:[0-9A-HJKMNP-TV-Z]{4}-){13}[0-9A-HJKMNP-TV-Z]{4}$/)
    const log = await cli.run('audit list')
    expect(log.out).toContain('backup.key-shown')
    expect(log.out).toContain('backup.created')
    expect(log.out).not.toContain(recoveryKey.slice(0, 9))
  })
})

describe('restore', () => {
  test('brings back what was there, and keeps what it replaces', async () => {
    const { cli, name } = await withBackup()
    const checked = await cli.json(`restore ${name} --dry-run`)
    expect(checked).toMatchObject({ restored: false, replaces: true, pending: [], waiting: 0 })
    expect((await cli.run('tenant list')).out).toContain('after')

    const done = await cli.json<{ aside: string }>(`restore ${name} --replace`)
    expect(done).toMatchObject({ restored: true, held: null })
    const { out } = await cli.run('tenant list')
    expect(out).toContain('before')
    expect(out).not.toContain('after')
    expect(existsSync(databaseFile(done.aside))).toBe(true)
    expect((await cli.run('audit list')).out).toContain('backup.restored')
    expect((await cli.run('audit verify')).exit).toBe(0)
    expect(await cli.json('backup list')).toMatchObject({ backups: [{ name, isThere: true }] })
  })

  test('on another machine needs the recovery key, and nothing else', async () => {
    const { cli, name } = await withBackup()
    const { recoveryKey } = await cli.json<{ recoveryKey: string }>('backup recovery-key')
    const file = beside(cli, 'carried-over.phb')
    renameSync(fileOf(cli, name), file)
    const other = testCli()
    expect((await other.run(`restore ${file}`)).err).toContain('Give the recovery key with --key')
    expect((await other.run(`restore ${file} --key ABCD`)).exit).toBe(2)
    const anothers = testCli()
    await anothers.run('tenant list')
    const { recoveryKey: wrong } = await anothers.json<{ recoveryKey: string }>(
      'backup recovery-key',
    )
    const { err } = await other.run(`restore ${file} --key ${wrong}`)
    expect(err).toMatch(/needs the recovery key [0-9a-f]{8}, and was tried with [0-9a-f]{8}/)
    expect(existsSync(other.dataDir) ? readdirSync(other.dataDir) : []).toEqual([])
    const typed = recoveryKey.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o')
    expect(await other.json(`restore ${file} --key "${typed}" --dry-run`)).toMatchObject({
      replaces: false,
      restored: false,
    })
    expect(await other.json(`restore ${file} --key "${typed}"`)).toMatchObject({ aside: null })
    expect((await other.run('tenant list')).out).toContain('before')
    const again = await other.json<{ recoveryKey: string }>('backup recovery-key')
    expect(again.recoveryKey).toBe(recoveryKey)
  })

  test('can hold all mail until it is released', async () => {
    const { cli, name } = await withBackup()
    const done = await cli.run(`restore ${name} --replace --hold`)
    expect(done.out).toContain('All mail is held')
    expect(done.out).toContain('posthorn queue resume all')
    expect((await cli.run('queue resume all')).err).toContain('There is no lane all')
  })

  test('refuses without touching anything', async () => {
    const { cli, name } = await withBackup()
    expect((await cli.run(`restore ${name}`)).err).toContain('--replace')
    expect((await cli.run(`restore ${cli.dataDir}/none.phb`)).err).toContain('There is no file')
    expect((await cli.run('restore none.phb')).err).toContain('There is no backup none.phb')
    expect((await cli.run('restore s3://bucket/none.phb')).err).toContain('backup.s3.accessKey')
    writeFileSync(beside(cli, 'x.phb'), 'no backup at all')
    expect((await cli.run(`restore ${beside(cli, 'x.phb')} --replace`)).err).toContain(
      'does not begin as one',
    )
    const lock = acquireInstanceLock(cli.dataDir)
    if ('heldBy' in lock) throw new Error(`held by ${lock.heldBy}`)
    onTestFinished(() => lock.release())
    expect((await cli.run(`restore ${name} --replace`)).err).toContain(
      `A server (process ${process.pid}) works on`,
    )
    const { out } = await cli.run('tenant list')
    expect(out).toContain('after')
    expect(readdirSync(cli.dataDir).filter((one) => /restor/.test(one))).toEqual([])
  })
})

describe('secrets', () => {
  test('rotate, count, and forget what nothing needs', async () => {
    const cli = testCli()
    await cli.run('domain add example.com --verified')
    expect(await cli.json('secrets status')).toMatchObject({
      current: 1,
      versions: [{ version: 1, secrets: 2, isThere: true }],
    })
    expect(await cli.json('secrets rotate')).toEqual({ version: 2, resealed: 2, unreadable: 0 })
    expect(await cli.json('secrets rotate --continue')).toMatchObject({ version: 2, resealed: 0 })
    const { out } = await cli.run('secrets status')
    expect(out).toMatch(/^ +1 +0 +old$/m)
    expect(out).toMatch(/^ +2 +2 +current$/m)
    expect((await cli.run('secrets forget 1')).err).toContain('stays')
    expect((await cli.run('secrets forget 2')).err).toContain('is the current one')
    expect((await cli.run('secrets forget 7')).err).toContain('There is no version 7')
    expect((await cli.run('secrets forget x')).exit).toBe(2)
    expect((await cli.run('audit list --action "secrets.*"')).out).toContain('secrets.rotated')
  })

  test('a version that is missing is told', async () => {
    const cli = testCli()
    await cli.run('domain add example.com --verified')
    await cli.run('secrets rotate')
    rmSync(join(cli.dataDir, 'master.key'))
    mkdirSync(cli.dataDir, { recursive: true })
    writeFileSync(join(cli.dataDir, 'master.key'), 'ab'.repeat(32))
    const { exit, out } = await cli.run('secrets status')
    expect({ exit, out }).toMatchObject({ exit: 1, out: /2 +2 +MISSING/ })
  })
})
