import { statSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
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

describe('an empty installation', () => {
  test('is prepared by the first command, which says so once', async () => {
    const cli = testCli()
    const first = await cli.run('tenant list')
    expect(first.exit).toBe(0)
    expect(first.out).toMatch(
      /^TENANT +ID +MEMBERS +SECOND FACTOR +STATE\ndefault +ten_00000000001 +1 +roles +live\n$/,
    )
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
