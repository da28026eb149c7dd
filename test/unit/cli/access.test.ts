/** Keys and logins at the command line: made, listed, rotated, revoked, and recognised when they leak. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadMasterKey } from '../../../server/services/auth/master-key.ts'
import { hashSecret, isApiKey, newApiKey } from '../../../server/services/auth/secret.ts'
import { openStore } from '../../../server/store/open.ts'
import { testCli, type TestCli } from '../../support/cli.ts'
import { manualClock } from '../../support/clock.ts'

/** Rows of the database as they are, to see what the commands really wrote. */
async function rows(cli: TestCli, query: string): Promise<readonly unknown[]> {
  const { clock, log } = cli.ports
  const store = await openStore({
    auditKey: Buffer.alloc(32, 5),
    dataDir: cli.dataDir,
    cacheKiB: 1024,
    clock,
    log,
    onFatal: (error) => {
      throw error
    },
  })
  try {
    return store.reader.prepare(query).all()
  } finally {
    await store.close()
  }
}

const hashKeyOf = (cli: TestCli): Buffer =>
  loadMasterKey(cli.dataDir, cli.ports.random).derive('secret-hash')

interface Made {
  readonly id: string
  readonly secret: string
}
const DAY = 86_400_000

describe('API keys', () => {
  test('are printed once and kept as a hash', async () => {
    const cli = testCli({ clock: manualClock() })
    await cli.run('tenant add acme')
    const made = await cli.json<Made>(
      'key create shop --tenant acme --mode test --scopes messages:send,messages:read --scopes messages:send --expires 90d --networks 192.0.2.0/24,2001:db8::1 --rate 5',
    )
    expect(made).toMatchObject({
      id: 'key_00000000001',
      tenant: 'acme',
      mode: 'test',
      state: 'live',
      scopes: ['messages:send', 'messages:read'],
      networks: ['192.0.2.0/24', '2001:db8::1'],
      requestsPerSecond: 5,
      expiresAt: '2026-04-01T00:00:00.000Z',
      replacedBy: null,
      lastUse: null,
    })
    expect(isApiKey(made.secret)).toBe(true)
    const kept = await rows(cli, 'select secret_hash from keys')
    expect(kept).toEqual([{ secret_hash: hashSecret(made.secret, hashKeyOf(cli)) }])
    const { out } = await cli.run('key list')
    expect(out).toContain('messages:send messages:read')
    expect(out).toContain('until 2026-04-01 00:00:00 UTC (in 90 d)')
    expect(out).not.toContain(made.secret.slice(8))
  })

  test('may have every permission there is, and the audit log says who gave it', async () => {
    const cli = testCli()
    await cli.run('key create ops --scopes queue:manage,keys:manage')
    expect(
      await rows(cli, `select actor_kind, means, action, target_id from audit where means = 'cli'`),
    ).toContainEqual({
      actor_kind: 'operator',
      means: 'cli',
      action: 'key.created',
      target_id: 'key_00000000001',
    })
  })

  test('are rotated: a new one on the same terms, and an end for the old', async () => {
    const clock = manualClock()
    const cli = testCli({ clock })
    const old = await cli.json<Made>('key create shop --scopes domains:read --networks ::1')
    const next = await cli.json<Made>(`key rotate ${old.id} --overlap 7d`)
    expect(next).toMatchObject({
      id: 'key_00000000002',
      name: 'shop',
      scopes: ['domains:read'],
      networks: ['::1'],
      former: {
        id: old.id,
        state: 'live',
        replacedBy: 'key_00000000002',
        expiresAt: new Date(clock.now() + 7 * DAY).toISOString(),
      },
    })
    expect(isApiKey(next.secret)).toBe(true)
    expect(next.secret).not.toBe(old.secret)
    const { out } = await cli.run(`key rotate ${next.id} --overlap 0s`)
    expect(out).toContain('The old one is not good any more.')
  })

  test('are revoked, and revoking again is no error', async () => {
    const cli = testCli()
    await cli.run('key create shop')
    const first = await cli.run('key revoke key_00000000001')
    expect(first).toMatchObject({ exit: 0, out: 'Key shop is revoked.\n' })
    expect(await cli.run('key revoke key_00000000001')).toMatchObject({
      exit: 0,
      out: 'Key shop was revoked before.\n',
    })
    expect(await cli.json('key list')).toMatchObject({ keys: [{ name: 'shop', state: 'revoked' }] })
  })

  test.each([
    ['key create x --scopes messages:eat', 1, 'There is no scope messages:eat', 'no scope'],
    ['key create x --networks 1.2.3', 1, 'such as 192.0.2.0/24', 'no network'],
    ['key create x --mode dry', 2, 'not one of live, test', 'no mode'],
    ['key create x --expires soon', 2, 'is not a duration', 'no duration'],
    ['key create x --rate 0', 2, 'a whole number from 1', 'no rate'],
    ['key rotate key_00000000099', 1, 'posthorn key list', 'no such key'],
    ['key revoke shop', 2, 'is not the id of a key, such as key_', 'a name for an id'],
    ['key revoke key_00000000099', 1, 'posthorn key list', 'no such key'],
  ])('%s: %i, %s (%s)', async (line, code, message) => {
    const { exit, err } = await testCli().run(line)
    expect({ exit, err }).toEqual({ exit: code, err: expect.stringContaining(message) as string })
  })
})

describe('a leak', () => {
  test('is looked through for keys; those of this installation are named, and never printed whole', async () => {
    const cli = testCli()
    const made = await cli.json<Made>('key create shop')
    const foreign = newApiKey('test', cli.ports.random)
    const broken = `${made.secret.slice(0, -1)}${made.secret.endsWith('0') ? '1' : '0'}`
    const file = join(cli.dataDir, 'leak.txt')
    writeFileSync(file, `a=${made.secret}\nb=${foreign}\nc=${broken}\n`)
    const { exit, out } = await cli.run(`key inspect --file ${file}`)
    expect(exit).toBe(1)
    expect(out).toContain('is a live key of this installation: live, last used never.')
    expect(out).toContain(`posthorn key revoke ${made.id}`)
    expect(out).toContain('is a test key of Posthorn, but not of this installation.')
    expect(out).toContain('looks like a live key, but its check is wrong.')
    for (const secret of [made.secret, foreign, broken]) expect(out).not.toContain(secret)
  })

  test('can be ended on the spot, and is no alarm afterwards', async () => {
    const cli = testCli()
    const { secret, id } = await cli.json<Made>('key create shop')
    const first = await cli.json<unknown>(`key inspect ${secret} --revoke`)
    expect(first).toMatchObject({ keys: [{ genuine: true, key: { id, state: 'revoked' } }] })
    expect(await cli.run(`key inspect ${secret}`)).toMatchObject({ exit: 0 })
  })

  test('is recognised without a database', async () => {
    const cli = testCli()
    const secret = newApiKey('live', cli.ports.random)
    const { exit, out } = await cli.run(`key inspect ${secret} --offline`)
    expect([exit, out]).toEqual([
      0,
      `${secret.slice(0, 10)}…${secret.slice(-2)} is a live key of Posthorn.\n`,
    ])
    expect(await cli.run('key inspect nothing')).toMatchObject({
      exit: 0,
      out: 'There is no key of Posthorn in it.\n',
      err: '',
    })
  })

  test.each([
    ['key inspect', 2, 'a text or --file'],
    ['key inspect x --file y', 2, 'a text or --file'],
    ['key inspect x --offline --revoke', 2, '--revoke needs the database'],
    ['key inspect --file /nowhere/at-all', 1, 'There is no file'],
  ])('%s: %i, %s', async (line, code, message) => {
    const { exit, err } = await testCli().run(line)
    expect({ exit, err }).toEqual({ exit: code, err: expect.stringContaining(message) as string })
  })
})

describe('SMTP logins', () => {
  const listeners = [
    { listen: '0.0.0.0:587', tls: 'starttls' },
    { listen: '127.0.0.1:465', tls: 'implicit' },
  ]

  test('come with the settings of every listener', async () => {
    const cli = testCli({ config: { submission: { listeners } }, clock: manualClock() })
    const made = await cli.json(
      'credential create shop --messages-per-hour 100 --connections 5 --message-size 5MiB --mode test --expires 1d --networks 192.0.2.7',
    )
    expect(made).toMatchObject({
      username: 'shop',
      mode: 'test',
      networks: ['192.0.2.7'],
      expiresAt: '2026-01-02T00:00:00.000Z',
      limits: { messagesPerHour: 100, connections: 5, messageSize: 5 * 1024 * 1024 },
      servers: [
        { host: 'mta.example', port: 587, security: 'STARTTLS' },
        { host: '127.0.0.1', port: 465, security: 'TLS' },
      ],
    })
    const { out } = await cli.run('credential list')
    expect(out).toContain('100 messages/h, 5 connections, 5242880 bytes')
    expect(out).toContain('until 2026-01-02 00:00:00 UTC (in 1 d)')
  })

  test('get a new password; the old one is good for a while', async () => {
    const cli = testCli({ clock: manualClock() })
    const first = await cli.json<{ password: string }>('credential create shop')
    const next = await cli.json<{ password: string }>('credential rotate shop --overlap 7d')
    expect(next).toMatchObject({ username: 'shop', formerUntil: '2026-01-08T00:00:00.000Z' })
    expect(next.password).not.toBe(first.password)
    const hash = (password: string): string => hashSecret(password, hashKeyOf(cli))
    expect(await rows(cli, 'select secret_hash, former_hash from credentials')).toEqual([
      { secret_hash: hash(next.password), former_hash: hash(first.password) },
    ])
    const { out } = await cli.run('credential rotate crd_00000000001 --overlap 0s')
    expect(out).toContain('The old one is not good any more.')
  })

  test('are revoked by id or by name', async () => {
    const cli = testCli()
    await cli.run('credential create a')
    await cli.run('credential create b')
    expect(await cli.run('credential revoke crd_00000000001')).toMatchObject({
      out: 'SMTP login a is revoked.\n',
    })
    expect(await cli.run('credential revoke b')).toMatchObject({
      out: 'SMTP login b is revoked.\n',
    })
    expect(await cli.json('credential list')).toMatchObject({
      credentials: [{ state: 'revoked' }, { state: 'revoked' }],
    })
  })

  test('a name is taken for good', async () => {
    const cli = testCli()
    await cli.run('credential create a')
    const { exit, err } = await cli.run('credential create a')
    expect(exit).toBe(1)
    expect(err).toContain('Choose another name')
  })

  test.each([
    ['credential create a --messages-per-hour many', 2, '"many" is not a whole'],
    ['credential create a --message-size 5', 2, '"25 MiB"'],
    ['credential create', 2, '<username> is missing'],
    ['credential rotate nobody', 1, 'There is no SMTP login nobody'],
    ['credential rotate nobody --overlap later', 2, 'is not a duration'],
  ])('%s: %i, %s', async (line, code, message) => {
    const { exit, err } = await testCli().run(line)
    expect({ exit, err }).toEqual({ exit: code, err: expect.stringContaining(message) as string })
  })
})
