import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { testCli, type TestCli } from '../../support/cli.ts'

const refused = async (cli: TestCli, line: string) => {
  const { exit, out, err } = await cli.run(line)
  expect(out).toBe('')
  return { exit, err }
}
const holding = (text: string): string => expect.stringContaining(text) as string

describe('sources', () => {
  test('are added, disabled and enabled', async () => {
    const cli = testCli()
    expect(await cli.json('source add ip1 --ip 2001:db8::5 --ehlo Mail1.Example')).toMatchObject({
      name: 'ip1',
      ip: '2001:db8::5',
      ehlo: 'mail1.example',
    })
    await cli.run('source disable ip1')
    expect(await cli.json('source list')).toMatchObject({
      sources: [
        { name: 'default', ip: null, ehlo: 'mta.example', enabled: true },
        { name: 'ip1', enabled: false },
      ],
    })
    await cli.run('source enable ip1')
    expect((await cli.run('source list')).out).toMatch(/^ip1 .* enabled$/m)
  })

  test.each([
    ['source add x --ip 300.1.1.1', 1, 'not an IP address', 'no address'],
    ['source add x --ehlo a_b', 2, 'is not a host name', 'no host name'],
    ['source disable nobody', 1, 'posthorn source list', 'not there'],
  ])('%s: %i, %s (%s)', async (line, exit, message) => {
    expect(await refused(testCli(), line)).toEqual({ exit, err: holding(message) })
  })
})

describe('pools', () => {
  test('hold sources by weight; 0 takes out', async () => {
    const cli = testCli()
    await cli.run('source add ip1 --ip 203.0.113.5')
    await cli.run('pool add bulk')
    expect(await cli.json('pool set bulk ip1 --weight 3')).toEqual({
      pool: 'bulk',
      source: 'ip1',
      weight: 3,
      sources: [{ source: 'ip1', weight: 3 }],
    })
    expect((await cli.run('pool list')).out).toMatch(/^bulk +ip1 \(3\)$/m)
    expect((await cli.run('pool set bulk ip1 --weight 0')).out).toContain('has no source left')
  })

  test.each([
    ['pool set bulk default', 'posthorn pool add bulk', 'tells how to make the pool'],
    ['pool set default ip9', 'posthorn source add ip9', 'tells how to make the source'],
    ['pool add default', 'already in use', 'taken'],
  ])('%s: %s (%s)', async (line, message) => {
    expect(await refused(testCli(), line)).toEqual({ exit: 1, err: holding(message) })
  })
})

describe('routes', () => {
  test('to a pool, with every condition', async () => {
    const cli = testCli()
    await cli.run('tenant add acme')
    const line =
      'route add r --pool default --match-tenant acme --match-stream bulk --match-tag news --match-sender-domain *.Acme.test --match-recipient-domain x.test --match-provider google --position 7'
    expect(await cli.json(line)).toMatchObject({
      name: 'r',
      position: 7,
      match: {
        tenant: 'acme',
        stream: 'bulk',
        tag: 'news',
        senderDomain: '*.acme.test',
        recipientDomain: 'x.test',
        provider: 'google',
      },
      pool: 'default',
      nextHop: null,
    })
    const { routes } = await cli.json<{ routes: { name: string }[] }>('route list')
    expect(routes.map(({ name }) => name)).toEqual(['r', 'default'])
  })

  test('to a next hop with a login, whose password nobody prints', async () => {
    const cli = testCli()
    const file = join(dirname(cli.dataDir), 'pass')
    writeFileSync(file, 'geheim\n')
    const line = `route add relay --next-hop smtp.x.test:587 --user me --password-file ${file}`
    const added = await cli.run(line)
    expect(added.out).toContain('everything to smtp.x.test:587 (TLS required, as me)')
    const { out } = await cli.run('route list --json')
    expect(JSON.parse(out)).toMatchObject({
      routes: [
        { nextHop: { host: 'smtp.x.test', port: 587, tls: 'required', user: 'me' }, pool: null },
        { name: 'default' },
      ],
    })
    expect(out).not.toContain('password')
  })

  test('a next hop without a login is asked for TLS but not forced, on port 25', async () => {
    const cli = testCli()
    expect(await cli.json('route add lab --next-hop 10.0.0.5')).toMatchObject({
      nextHop: { host: '10.0.0.5', port: 25, tls: 'opportunistic' },
    })
  })

  test('are removed; without any, mail waits', async () => {
    const cli = testCli()
    expect((await cli.run('route remove default')).out).toContain('No route is left')
    expect(await cli.json('route list')).toEqual({ routes: [] })
  })

  test.each([
    ['route add r', 2, '--pool or --next-hop', 'no way'],
    ['route add r --pool default --next-hop a.test:25', 2, 'exclude each other', 'two ways'],
    ['route add r --pool nobody', 1, 'posthorn pool add nobody', 'no such pool'],
    ['route add r --pool default --tls off', 2, 'are for --next-hop', 'TLS of a pool'],
    ['route add r --next-hop a.test:0', 2, 'a host with a port', 'port 0'],
    ['route add r --next-hop a.test --user me', 2, 'go together', 'a login without a password'],
    [
      'route add r --next-hop a.test --user me --password-file /nowhere',
      2,
      'does not exist',
      'no such file',
    ],
    ['route add r --pool default --match-provider gogle', 2, '"google"', 'a slip of the finger'],
    ['route add r --pool default --match-stream fast', 2, 'transactional, bulk', 'no such stream'],
    ['route add r --pool default --match-tenant nobody', 1, 'no tenant nobody', 'no such tenant'],
    ['route add default --pool default', 1, 'already in use', 'taken'],
    ['route remove r', 1, 'posthorn route list', 'not there'],
  ])('%s: %i, %s (%s)', async (line, exit, message) => {
    expect(await refused(testCli(), line)).toEqual({ exit, err: holding(message) })
  })
})

describe('limits', () => {
  test('what is not named stays; the key is the one lanes have', async () => {
    const cli = testCli()
    await cli.run('limit set --provider google --connections 5 --note "by mail"')
    expect(await cli.json('limit set --provider google --rate 600/m')).toEqual({
      for: 'provider:google',
      connections: 5,
      rate: { messages: 600, perMs: 60_000 },
      note: 'by mail',
    })
    expect((await cli.run('limit list')).out).toMatch(
      /^provider:google +5 +- +600\/m +- +by mail$/m,
    )
  })

  test.each([
    ['--site B.test,a.test', 'site:a.test,b.test', 'names in any order and case'],
    ['--site site:a.test', 'site:a.test', 'as the queue prints it'],
    ['--next-hop 10.0.0.5:2525', 'hop:10.0.0.5:2525', 'a next hop'],
    ['--next-hop [2001:db8::1]:25', 'hop:2001:db8::1:25', 'an IPv6 address'],
    ['--default', 'default', 'everything else'],
    ['--source default', 'source:default', 'a source by its name'],
  ])('%s is %s, and is removed by the same words (%s)', async (target, key) => {
    const cli = testCli()
    await cli.run(`limit set ${target} --connections 2`)
    expect(await cli.json('limit list')).toEqual({
      limits: [{ for: key, connections: 2, note: null }],
    })
    await cli.run(`limit remove ${target}`)
    expect(await cli.json('limit list')).toEqual({ limits: [] })
  })

  test.each([
    ['limit set --provider google', 2, 'say which limit', 'no limit'],
    ['limit set --connections 5', 2, 'say what the limit is for', 'for nothing'],
    ['limit set --default --provider google --tls off', 2, 'exclude each other', 'for two'],
    ['limit set --provider gogle --tls off', 2, '"google"', 'a slip of the finger'],
    ['limit set --source nobody --tls off', 2, '"nobody" is not known', 'no such source'],
    ['limit set --next-hop a.test:25 --tls off', 2, 'route add --tls', 'has no effect there'],
    ['limit set --default --connections 0', 2, 'from 1 to', 'none is a suspension'],
    ['limit set --default --rate 600', 2, '"600/m"', 'a rate without a time'],
    ['limit remove --provider google', 1, 'posthorn limit list', 'nothing was set'],
  ])('%s: %i, %s (%s)', async (line, exit, message) => {
    expect(await refused(testCli(), line)).toEqual({ exit, err: holding(message) })
  })
})
