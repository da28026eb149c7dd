import { statSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { hashSecret, isApiKey } from '../../../server/services/auth/secret.ts'
import { loadMasterKey } from '../../../server/services/auth/master-key.ts'
import { databaseFile, openStore } from '../../../server/store/open.ts'
import { testCli, type TestCli } from '../../support/cli.ts'

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

describe('an empty installation', () => {
  test('is prepared by the first command, which says so once', async () => {
    const cli = testCli()
    const first = await cli.run('tenant list')
    expect(first.exit).toBe(0)
    expect(first.out).toMatch(/^TENANT +ID +STATE\ndefault +ten_00000000001 +live\n$/)
    expect(first.err).toContain('posthorn user setup-link owner@mta.example')
    expect(await cli.run('tenant list')).toEqual({ ...first, err: '' })
    expect(statSync(cli.dataDir).mode & 0o777).toBe(0o700)
    expect(statSync(databaseFile(cli.dataDir)).mode & 0o777).toBe(0o600)
  })

  test('can send: source, pool and route are there', async () => {
    const cli = testCli()
    expect(await cli.json('route list')).toMatchObject({
      routes: [{ name: 'default', match: {}, pool: 'default', nextHop: null }],
    })
    expect(await cli.json('pool list')).toMatchObject({
      pools: [{ name: 'default', sources: [{ source: 'default', weight: 1 }] }],
    })
  })
})

describe('tenants', () => {
  test('are added and listed', async () => {
    const cli = testCli()
    expect(await cli.json('tenant add acme')).toEqual({ id: 'ten_00000000002', name: 'acme' })
    expect(await cli.json('tenant list')).toMatchObject({
      tenants: [{ name: 'default', disabledAt: null }, { name: 'acme' }],
    })
  })

  test.each([
    ['tenant add default', 'already in use', 'a name that is taken'],
    ['tenant add "Acme Ltd"', 'lower-case letters, digits and hyphens', 'a name with a space'],
    ['key list --tenant nobody', 'There is no tenant nobody', 'a tenant that is not there'],
  ])('%s: %s (%s)', async (line, message) => {
    const { exit, err } = await testCli().run(line)
    expect({ exit, err }).toEqual({ exit: 1, err: expect.stringContaining(message) as string })
  })
})

describe('people', () => {
  test('get a link at the public address, and a new one ends the old one', async () => {
    const cli = testCli({ config: { http: { publicUrl: 'https://mta.example' } } })
    const added = await cli.json<{ setupUrl: string }>(
      'user add a@x.test --name Anna --role viewer',
    )
    expect(added).toMatchObject({ email: 'a@x.test', name: 'Anna', role: 'viewer' })
    expect(added.setupUrl).toMatch(/^https:\/\/mta\.example\/setup\?token=[a-z0-9]{32}$/)

    const renewed = await cli.json<{ setupUrl: string }>('user setup-link a@x.test')
    const hash = (url: string): string => hashSecret(url.split('token=')[1]!, hashKeyOf(cli))
    const [row] = await rows(cli, `select setup_hash from users where email = 'a@x.test'`)
    expect(row).toEqual({ setup_hash: hash(renewed.setupUrl) })
    expect(hash(added.setupUrl)).not.toBe(hash(renewed.setupUrl))
  })

  test('are listed, and a listener on all addresses is told by the host name', async () => {
    const cli = testCli({ config: { http: { listen: '0.0.0.0:8080' } } })
    await cli.run('user add a@x.test')
    const { users } = await cli.json<{ users: { email: string; role: string }[] }>('user list')
    expect(users.map(({ email, role }) => `${email} ${role}`)).toEqual([
      'owner@mta.example owner',
      'a@x.test admin',
    ])
    const { out } = await cli.run('user setup-link a@x.test')
    expect(out).toContain('http://mta.example:8080/setup?token=')
  })

  test.each([
    ['user add a@x.test --role king', 2, 'not one of owner, admin', 'a role that does not exist'],
    ['user add nobody', 1, 'Not an address', 'no address'],
    ['user add owner@mta.example', 1, 'posthorn user setup-link owner@mta.example', 'taken'],
    ['user setup-link b@x.test', 1, 'posthorn user list', 'nobody of that name'],
  ])('%s: %i, %s (%s)', async (line, code, message) => {
    const { exit, err } = await testCli().run(line)
    expect({ exit, err }).toEqual({ exit: code, err: expect.stringContaining(message) as string })
  })
})

describe('API keys', () => {
  test('are printed once and kept as a hash', async () => {
    const cli = testCli()
    await cli.run('tenant add acme')
    const made = await cli.json<{ secret: string }>(
      'key create shop --tenant acme --test --scope messages:send,messages:read --scope messages:send',
    )
    expect(made).toMatchObject({
      id: 'key_00000000001',
      tenant: 'acme',
      mode: 'test',
      scopes: ['messages:send', 'messages:read'],
    })
    expect(isApiKey(made.secret)).toBe(true)
    const kept = await rows(cli, 'select secret_hash from keys')
    expect(kept).toEqual([{ secret_hash: hashSecret(made.secret, hashKeyOf(cli)) }])
    const { out } = await cli.run('key list')
    expect(out).toContain('messages:send messages:read')
    expect(out).not.toContain(made.secret.slice(8))
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
    expect(await cli.json('key list')).toMatchObject({ keys: [{ name: 'shop', revoked: true }] })
  })

  test.each([
    ['key create x --scope messages:eat', 1, 'messages:manage', 'tells which scopes there are'],
    ['key revoke shop', 2, 'is not the id of a key, such as key_', 'a name for an id'],
    ['key revoke key_00000000099', 1, 'posthorn key list', 'no such key'],
  ])('%s: %i, %s (%s)', async (line, code, message) => {
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
    const cli = testCli({ config: { submission: { listeners } } })
    const made = await cli.json(
      'credential create shop --messages-per-hour 100 --connections 5 --message-size 5MiB',
    )
    expect(made).toMatchObject({
      username: 'shop',
      limits: { messagesPerHour: 100, connections: 5, messageSize: 5 * 1024 * 1024 },
      servers: [
        { host: 'mta.example', port: 587, security: 'STARTTLS' },
        { host: '127.0.0.1', port: 465, security: 'TLS' },
      ],
    })
    const { out } = await cli.run('credential list')
    expect(out).toContain('100 messages/h, 5 connections, 5242880 bytes')
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
      credentials: [{ revoked: true }, { revoked: true }],
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
    ['credential create a --messages-per-hour many', '--messages-per-hour "many" is not a whole'],
    ['credential create a --message-size 5', '"25 MiB"'],
    ['credential create', '<username> is missing'],
  ])('%s is not understood: %s', async (line, message) => {
    const { exit, err } = await testCli().run(line)
    expect({ exit, err }).toEqual({ exit: 2, err: expect.stringContaining(message) as string })
  })
})

describe('sender domains', () => {
  test('are added unverified, with the records to publish', async () => {
    const cli = testCli()
    await cli.run('source add ip1 --ip 203.0.113.5 --ehlo mail1.example')
    const { exit, out } = await cli.run('domain add Shop.Example')
    expect(exit).toBe(0)
    expect(out).toMatch(/^ {2}ph\d{6}r\._domainkey\.shop\.example\. TXT "v=DKIM1; .{200,}" "/m)
    expect(out).toMatch(/^ {2}ph\d{6}e\._domainkey\.shop\.example\. TXT "v=DKIM1; k=ed25519/m)
    expect(out).toContain('shop.example. TXT "v=spf1 ip4:203.0.113.5 ~all"')
    expect(out).toContain('goes to the sandbox')
    expect(out).toContain('posthorn domain verify shop.example\n')
  })

  test('are vouched for, taken back and removed', async () => {
    const cli = testCli()
    await cli.run('tenant add acme')
    await cli.run('domain add a.test --tenant acme')
    const verified = async (): Promise<boolean | undefined> => {
      const { domains } = await cli.json<{ domains: { verified: boolean }[] }>('domain list')
      return domains[0]?.verified
    }
    expect(await verified()).toBe(false)
    await cli.run('domain verify A.test --tenant acme')
    expect(await verified()).toBe(true)
    await cli.run('domain unverify a.test --tenant acme')
    expect(await verified()).toBe(false)
    await cli.run('domain remove a.test --tenant acme')
    expect(await verified()).toBeUndefined()
    expect(await rows(cli, 'select * from dkim_keys')).toEqual([])
  })

  test.each([
    ['domain add a..b', 2, '"a..b" is not a domain', 'no domain'],
    ['domain verify a.test', 1, '--tenant chooses another', 'a domain of nobody'],
    ['domain remove a.test', 1, 'posthorn domain list', 'a domain of nobody'],
  ])('%s: %i, %s (%s)', async (line, code, message) => {
    const { exit, err } = await testCli().run(line)
    expect({ exit, err }).toEqual({ exit: code, err: expect.stringContaining(message) as string })
  })
})
