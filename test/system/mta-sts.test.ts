/** MTA-STS from end to end: who publishes a policy gets mail over proven TLS, or later, and never in the clear. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { RawObject } from '../../server/config/validate.ts'
import type { Dialer } from '../../server/core/ports.ts'
import { startTestApp } from '../support/app.ts'
import type { World } from '../support/app.ts'
import { makeCertificate } from '../support/certificate.ts'
import { dial } from '../support/dial.ts'
import type { StubZones } from '../support/dns-stub.ts'
import type { SinkOptions } from '../support/sink.ts'
import { startWeb } from '../support/web.ts'
import type { Web } from '../support/web.ts'

/** Has the policy; its MX is the host that other domains of the world share. */
const DOMAIN = 'sts.ok.test'
const policy = (mode: string, mx = 'mx.ok.test'): string =>
  `version: STSv1\r\nmode: ${mode}\r\nmx: ${mx}\r\nmax_age: 604800\r\n`

interface Scene {
  readonly world: World
  readonly web: Web
  file: string
}
interface SceneOptions {
  readonly file?: string
  /** Names of the MX host's certificate; undefined: it has no TLS. */
  readonly mxNames?: readonly string[] | undefined
  /** Whether an authority vouches for that certificate. */
  readonly isTrusted?: boolean
  /** Instead of one with that certificate. */
  readonly sink?: SinkOptions
  readonly replies?: NonNullable<SinkOptions['replies']>
  readonly zones?: StubZones
  readonly delivery?: RawObject
}

async function scene(options: SceneOptions = {}): Promise<Scene> {
  const scene = { file: options.file ?? policy('enforce') }
  const web = await startWeb({
    names: [`mta-sts.${DOMAIN}`],
    answer: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain' }).end(scene.file)
    },
  })
  const { mxNames = ['mx.ok.test'] } = options
  const certificate = await makeCertificate(mxNames)
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-sts-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const caFile = join(folder, 'ca.pem')
  writeFileSync(caFile, web.certificate + (options.isTrusted === false ? '' : certificate.cert))
  // Documentation addresses stand for public hosts; they lead here like the others.
  const lead: Dialer = (request) =>
    request.port === 443
      ? web.dial(request)
      : dial({ ...request, host: request.host.startsWith('192.0.2.') ? '127.0.0.1' : request.host })
  const world = await startTestApp({
    sink: options.sink ?? {
      tls: certificate,
      ...(options.replies === undefined ? {} : { replies: options.replies }),
    },
    dial: lead,
    zones: {
      [`_mta-sts.${DOMAIN}`]: { TXT: ['v=STSv1; id=1;'], ttl: 30 },
      [`mta-sts.${DOMAIN}`]: { A: ['127.0.0.1'] },
      ...options.zones,
    },
    config: { delivery: { caFile, ...options.delivery } },
  })
  return Object.assign(scene, { world, web })
}

/** The one delivery of a message to `to`, once it is in `state`. */
async function sendTo(world: World, to: string, state: string) {
  const { id } = await world.post(to)
  return (await world.reach(id, state)).deliveries[0]!
}

test('a host that proves the name in the policy gets the mail over verified TLS', async () => {
  const { world, web } = await scene()
  const delivery = await sendTo(world, `ok@${DOMAIN}`, 'delivered')
  expect(delivery.attempts[0]).toMatchObject({ host: 'mx.ok.test', tls: { verified: true } })
  expect(delivery.attempts[0]!.transcript).toContain(`! MTA-STS policy of ${DOMAIN}, mode enforce`)
  expect(world.sink.messages[0]!.tls).toBe(true)
  await sendTo(world, `ok2@${DOMAIN}`, 'delivered')
  expect(web.hits).toEqual([`https://mta-sts.${DOMAIN}/.well-known/mta-sts.txt`])
})

test.each<[what: string, options: SceneOptions, said: RegExp]>([
  ['has a certificate of another name', { mxNames: ['mx.other.test'] }, /ALTNAME.*policy of sts/],
  ['has a certificate that nobody vouches for', { isTrusted: false }, /SELF_SIGNED.*policy of sts/],
  ['offers no TLS', { sink: {} }, /STARTTLS is not offered.*policy of sts/],
  ['breaks TLS', { sink: { tls: 'broken' } }, /handshake.*policy of sts/],
  [
    'is not in the policy',
    { file: policy('enforce', 'mx2.ok.test') },
    /names none of its mail hosts/,
  ],
])('a host that %s gets nothing, and the mail waits', async (_what, options, said) => {
  const { world } = await scene(options)
  const delivery = await sendTo(world, `ok@${DOMAIN}`, 'deferred')
  expect(delivery).toMatchObject({ category: 'tls' })
  expect(delivery.attempts[0]!.detail).toMatch(said)
  expect(delivery.attempts[0]!.transcript).not.toContain('MAIL FROM')
  await world.skip()
  expect(world.sink.messages).toEqual([])
})

test('what fails by a policy fails no other domain of the same host, nor does its connection serve the policy', async () => {
  const { world } = await scene({ isTrusted: false, delivery: { laneLinger: '5 s' } })
  const before = await sendTo(world, 'ok@one.ok.test', 'delivered')
  expect(before.attempts[0]!.tls).toMatchObject({ verified: false })
  // The connection is still open, and would do for a domain without a policy.
  const policed = await sendTo(world, `ok@${DOMAIN}`, 'deferred')
  expect(policed).toMatchObject({ reason: 'tls-required', category: 'tls' })
  await sendTo(world, 'ok@two.ok.test', 'delivered')
  expect(world.sink.messages.map(({ rcptTo }) => rcptTo[0])).toEqual([
    'ok@one.ok.test',
    'ok@two.ok.test',
  ])
})

test('a certificate that fails beside an open connection is no sign that the host is full', async () => {
  const { world } = await scene({
    isTrusted: false,
    replies: (command) => (command.startsWith('RCPT TO:<hold@') ? '' : undefined),
    delivery: { timeouts: { rcpt: '1 h' } },
  })
  await world.post('hold@one.ok.test')
  await expect.poll(() => world.sink.connections, { timeout: 10_000 }).toBe(1)
  const policed = await sendTo(world, `ok@${DOMAIN}`, 'deferred')
  expect(policed).toMatchObject({ reason: 'tls-required', attempts: [{ stage: 'starttls' }] })
  world.clock.leap(3_600_000)
})

test('a policy that was withdrawn lets waiting mail go', async () => {
  const at = await scene({ isTrusted: false })
  const { id } = await at.world.post(`ok@${DOMAIN}`)
  await at.world.reach(id, 'deferred')
  at.file = 'version: STSv1\nmode: none\nmax_age: 86400\n'
  const zone = { TXT: ['v=STSv1; id=2;'] }
  at.world.dns.zones = { ...at.world.dns.zones, [`_mta-sts.${DOMAIN}`]: zone }
  for (let i = 0; i < 3 && at.world.sink.messages.length === 0; i++) await at.world.skip()
  await at.world.reach(id, 'delivered')
})

test('a policy outlives the program that fetched it, and the host that published it', async () => {
  const { world, web } = await scene({ isTrusted: false })
  await sendTo(world, `ok@${DOMAIN}`, 'deferred')
  await world.close()
  world.dns.zones = {
    ...world.dns.zones,
    [`_mta-sts.${DOMAIN}`]: 'NXDOMAIN',
    [`mta-sts.${DOMAIN}`]: 'NXDOMAIN',
  }
  const next = await world.join()
  const { id } = await next.post(`ok@${DOMAIN}`, { from: 'app@sender.test' })
  const { deliveries } = await next.reach(id, 'deferred')
  expect(deliveries[0]).toMatchObject({ category: 'tls' })
  expect([web.hits.length, world.sink.messages.length]).toEqual([1, 0])
})

test('in mode testing the mail goes, and the transcript says what would have been', async () => {
  const { world } = await scene({ isTrusted: false, file: policy('testing', 'mx2.ok.test') })
  const delivery = await sendTo(world, `ok@${DOMAIN}`, 'delivered')
  expect(delivery.attempts[0]!.transcript).toContain('mode testing, which does not name this host')
})

test('a policy host inside a private network is not asked, and counts as none', async () => {
  const { world, web } = await scene({
    isTrusted: false,
    zones: { 'mx.ok.test': { A: ['192.0.2.25'] } },
    delivery: { allowPrivateNetworks: false },
  })
  await sendTo(world, `ok@${DOMAIN}`, 'delivered')
  expect([web.dialled, web.hits]).toEqual([[], []])
  const said = world.log.lines.filter(({ message }) => message.includes('MTA-STS'))
  expect(said).toMatchObject([{ level: 'warn', fields: { domain: DOMAIN } }])
  expect(said[0]!.fields['detail']).toMatch(/^private-address/)
})

test('switched off, nobody is asked', async () => {
  const { world, web } = await scene({ isTrusted: false, delivery: { mtaSts: 'off' } })
  await sendTo(world, `ok@${DOMAIN}`, 'delivered')
  expect([web.hits.length, world.dns.count(`_mta-sts.${DOMAIN}`)]).toEqual([0, 0])
})
