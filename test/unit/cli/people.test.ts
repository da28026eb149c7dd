/** Tenants, people and roles at the command line, on a day without mail and perhaps beside a running server. */
import { describe, expect, test } from 'vitest'
import { loadMasterKey } from '../../../server/services/auth/master-key.ts'
import { hashSecret } from '../../../server/services/auth/secret.ts'
import { openStore } from '../../../server/store/open.ts'
import { testCli } from '../../support/cli.ts'
import type { TestCli } from '../../support/cli.ts'

async function rows<T>(cli: TestCli, query: string): Promise<readonly T[]> {
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
    return store.reader.prepare(query).all() as T[]
  } finally {
    await store.close()
  }
}

const hashOf = (cli: TestCli, url: string): string =>
  hashSecret(
    url.split('#token=')[1]!,
    loadMasterKey(cli.dataDir, cli.ports.random).derive('secret-hash'),
  )

describe('tenants', () => {
  test('are added and listed', async () => {
    const cli = testCli()
    expect(await cli.json('tenant add acme')).toEqual({ id: 'ten_00000000002', name: 'acme' })
    expect(await cli.json('tenant list')).toMatchObject({
      tenants: [
        { name: 'default', members: 1, disabledAt: null, requireSecondFactor: 'roles' },
        { name: 'acme', members: 0 },
      ],
    })
  })

  test('are disabled and enabled again', async () => {
    const cli = testCli()
    await cli.run('tenant add acme')
    expect(await cli.json('tenant disable acme')).toMatchObject({
      name: 'acme',
      disabledAt: expect.any(String) as string,
    })
    expect((await cli.run('tenant list')).out).toMatch(/acme +ten_00000000002 +0 +roles +disabled/)
    expect(await cli.json('tenant enable acme')).toMatchObject({ disabledAt: null })
  })

  test('say whose sign-in needs a second factor', async () => {
    const cli = testCli()
    expect(await cli.json('tenant require-second-factor default everybody')).toMatchObject({
      requireSecondFactor: 'everybody',
    })
  })

  test.each([
    ['tenant add default', 1, 'already in use', 'a name that is taken'],
    ['tenant add "Acme Ltd"', 1, 'lower-case letters, digits and hyphens', 'a name with a space'],
    ['key list --tenant nobody', 1, 'There is no tenant nobody', 'a tenant that is not there'],
    ['tenant disable nobody', 1, 'There is no tenant nobody', 'a tenant that is not there'],
    [
      'tenant require-second-factor default all',
      2,
      'not one of nobody',
      'a rule that is not there',
    ],
  ])('%s: %i, %s (%s)', async (line, code, message) => {
    const { exit, err } = await testCli().run(line)
    expect({ exit, err }).toEqual({ exit: code, err: expect.stringContaining(message) as string })
  })
})

describe('people', () => {
  test('get a link at the public address, and a new one ends the old one', async () => {
    const cli = testCli({ config: { http: { publicUrl: 'https://mta.example' } } })
    const added = await cli.json<{ setupUrl: string }>(
      'user add A@X.test --name Anna --role analyst',
    )
    expect(added).toMatchObject({ email: 'a@x.test', name: 'Anna', role: 'analyst' })
    expect(added.setupUrl).toMatch(/^https:\/\/mta\.example\/link#token=[\w-]{43}$/)

    const renewed = await cli.json<{ setupUrl: string }>('user setup-link a@x.test')
    const valid = await rows<{ hash: string }>(
      cli,
      `select t.hash from user_tokens t join users u on u.id = t.user_id
       where u.email = 'a@x.test' and t.expires_at > ${cli.ports.clock.now()}`,
    )
    expect(valid).toEqual([{ hash: hashOf(cli, renewed.setupUrl) }])
    expect(renewed.setupUrl).not.toBe(added.setupUrl)
  })

  test('are listed, and a listener on all addresses is told by the host name', async () => {
    const cli = testCli({ config: { http: { listen: '0.0.0.0:8080' } } })
    await cli.run('user add a@x.test')
    expect(await cli.json('user list')).toMatchObject({
      users: [
        { email: 'owner@mta.example', platformRole: 'admin', state: 'not set up' },
        { email: 'a@x.test', platformRole: null, hasSecondFactor: false },
      ],
    })
    const { out } = await cli.run('user reset-link a@x.test')
    expect(out).toContain('http://mta.example:8080/link#token=')
  })

  test('are invited', async () => {
    const cli = testCli()
    await cli.run('tenant add acme')
    expect(await cli.json('user invite b@x.test --role owner --tenant acme')).toMatchObject({
      email: 'b@x.test',
      role: 'owner',
      tenant: 'acme',
      url: expect.stringContaining('/link#token=') as string,
    })
  })

  test('are deactivated, and what they made is named', async () => {
    const cli = testCli()
    await cli.run('user add a@x.test')
    expect(await cli.json('user deactivate a@x.test')).toEqual({
      email: 'a@x.test',
      stillWorking: [],
    })
    const { err } = await cli.run('user setup-link a@x.test')
    expect(err).toContain('is deactivated')
    expect((await cli.run('user list')).out).toMatch(/a@x\.test .* deactivated /)
    await cli.run('user reactivate a@x.test')
    expect((await cli.run('user list')).out).toMatch(/a@x\.test .* not set up /)
  })

  test('get and lose roles over the installation', async () => {
    const cli = testCli()
    await cli.run('user add a@x.test')
    await cli.run('user platform-role a@x.test --role admin')
    expect((await cli.run('user platform-role owner@mta.example --role none')).exit).toBe(0)
    expect(await cli.json('user list')).toMatchObject({
      users: [{ platformRole: null }, { platformRole: 'admin' }],
    })
    const last = await cli.run('user platform-role a@x.test --role operator')
    expect(last).toMatchObject({ exit: 1, err: expect.stringContaining('nobody to run') as string })
  })

  test('every act is written down, with the account of the machine', async () => {
    const cli = testCli()
    await cli.run('user add a@x.test')
    const acts = ['release', 'reset-second-factor', 'sign-out', 'deactivate', 'reactivate']
    for (const act of acts) expect((await cli.run(`user ${act} a@x.test`)).exit).toBe(0)
    const records = await rows<{ action: string; means: string }>(
      cli,
      `select action, means from audit where target_name = 'a@x.test' order by id`,
    )
    expect(records.map(({ action }) => action)).toEqual([
      'user.created',
      'user.released',
      'user.second-factor-reset',
      'user.signed-out',
      'user.deactivated',
      'user.reactivated',
    ])
    expect(new Set(records.map(({ means }) => means))).toEqual(new Set(['cli']))
  })

  test.each([
    ['user add a@x.test --role king', 1, 'There is no role "king"', 'a role that does not exist'],
    ['user add a@x.test --platform-role king', 2, 'not one of admin', 'no such platform role'],
    ['user add nobody', 1, 'Not an address', 'no address'],
    ['user add owner@mta.example', 1, 'posthorn user setup-link owner@mta.example', 'taken'],
    ['user setup-link b@x.test', 1, 'posthorn user list', 'nobody of that name'],
    ['user deactivate owner@mta.example', 1, 'nobody to run', 'the last platform admin'],
    ['user invite b@x.test', 2, '--role is missing', 'an invitation without a role'],
  ])('%s: %i, %s (%s)', async (line, code, message) => {
    const { exit, err } = await testCli().run(line)
    expect({ exit, err }).toEqual({ exit: code, err: expect.stringContaining(message) as string })
  })
})

describe('roles', () => {
  test('are made, listed and removed', async () => {
    const cli = testCli()
    const made = await cli.json(
      'role add support --permission messages:read --permission suppressions:manage --second-factor',
    )
    expect(made).toMatchObject({ name: 'support', title: 'support', secondFactor: true })
    const { roles } = await cli.json<{ roles: { name: string; builtIn: boolean }[] }>('role list')
    expect(roles.filter(({ builtIn }) => !builtIn)).toMatchObject([{ name: 'support' }])
    expect(roles).toHaveLength(7)
    expect((await cli.run('role remove support')).exit).toBe(0)
  })

  test('stay while somebody has them', async () => {
    const cli = testCli()
    await cli.run('role add support --permission messages:read')
    await cli.run('user add a@x.test --role support')
    const { exit, err } = await cli.run('role remove support')
    expect({ exit, err }).toMatchObject({
      exit: 1,
      err: expect.stringContaining('Somebody has this role') as string,
    })
  })

  test.each([
    ['role add owner --permission messages:read', 1, 'already in use', 'a built-in name'],
    ['role add x --permission users:manage', 1, 'No permissions of a tenant', 'of the platform'],
    ['role add "X Y" --permission messages:read', 1, 'A role name has', 'no slug'],
    ['role remove owner', 1, 'nothing with this id', 'a built-in role'],
  ])('%s: %i, %s (%s)', async (line, code, message) => {
    const { exit, err } = await testCli().run(line)
    expect({ exit, err }).toEqual({ exit: code, err: expect.stringContaining(message) as string })
  })
})
