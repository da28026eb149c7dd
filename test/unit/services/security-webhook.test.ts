import { createHmac } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { makeSecurityWebhook } from '../../../server/services/security-webhook.ts'
import type { SecurityWebhook } from '../../../server/services/security-webhook.ts'
import { manualClock, TEST_START } from '../../support/clock.ts'
import type { ManualClock } from '../../support/clock.ts'
import { recordingLog } from '../../support/log.ts'
import type { RecordingLog } from '../../support/log.ts'
import { startWeb } from '../../support/web.ts'
import type { Web } from '../../support/web.ts'

const URL = 'https://hooks.test/in?key=of-the-tenant'
const SECRET = 'whsec_1'
/** A busy machine takes its time. */
const SOON = { timeout: 10_000 }
const EVENT = {
  id: 'sec_1',
  kind: 'sign-in.new-country',
  at: TEST_START,
  user: 'anna@a.test',
  country: 'NZ',
}

interface Stage {
  readonly web: Web
  readonly clock: ManualClock
  readonly log: RecordingLog
  readonly webhook: SecurityWebhook
  readonly bodies: string[]
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

async function stage(answer: Answer = (_request, response) => response.end()): Promise<Stage> {
  const bodies: string[] = []
  const web = await startWeb({
    names: ['hooks.test'],
    zones: { 'hooks.test': { A: ['192.0.2.40'] }, 'inside.test': { A: ['10.0.0.1'] } },
    answer: (request, response, body) => {
      bodies.push(body.toString())
      answer(request, response)
    },
  })
  const clock = manualClock()
  const log = recordingLog()
  const webhook = makeSecurityWebhook({ fetch: (request) => web.fetch(request), clock, log })
  onTestFinished(() => webhook.close())
  return { web, clock, log, webhook, bodies }
}

/** Answers with one status after the other; the last one stays. */
const inTurn = (...statuses: readonly number[]): Answer => {
  let turn = 0
  return (_request, response) => {
    response.writeHead(statuses[Math.min(turn++, statuses.length - 1)]!).end()
  }
}
/** Lets one try after the other happen, each after its wait. */
async function passTime(at: Stage, tries: number): Promise<void> {
  for (let i = 1; i < tries; i++) {
    await expect.poll(() => at.clock.pending(), SOON).toBe(1)
    await at.clock.advance(60_000)
  }
}

test('an event arrives as JSON, signed with time and secret', async () => {
  const at = await stage()
  const outcome = await at.webhook.notifySecurity(URL, EVENT, SECRET)
  expect(outcome).toEqual({ kind: 'delivered', status: 200, tries: 1 })
  expect(JSON.parse(at.bodies[0]!)).toEqual(EVENT)
  const { headers, method } = at.web.requests[0]!
  const mac = createHmac('sha256', SECRET)
    .update(`${TEST_START / 1000}.${at.bodies[0]!}`)
    .digest('hex')
  expect([method, headers['content-type'], headers['posthorn-event']]).toEqual([
    'POST',
    'application/json',
    'sec_1',
  ])
  expect(headers['posthorn-signature']).toBe(`t=${TEST_START / 1000},v1=${mac}`)
  expect(at.log.of('security-webhook')).toMatchObject([{ level: 'info', fields: outcome }])
})

test('a failure that may pass is tried three times, each signed with its own time', async () => {
  const at = await stage(inTurn(500, 429, 204))
  const outcome = at.webhook.notifySecurity(URL, EVENT, SECRET)
  await passTime(at, 3)
  expect(await outcome).toEqual({ kind: 'delivered', status: 204, tries: 3 })
  const signatures = at.web.requests.map(({ headers }) => headers['posthorn-signature'])
  expect(new Set(signatures).size).toBe(3)
  expect(new Set(at.bodies).size).toBe(1)
})

test('what an endpoint says beside its status does not matter', async () => {
  const at = await stage((_request, response) => {
    response.writeHead(200, { 'content-encoding': 'br' }).end(Buffer.alloc(2_000_000))
  })
  expect(await at.webhook.notifySecurity(URL, EVENT, SECRET)).toMatchObject({ kind: 'delivered' })
})

test('after the third it is given up', async () => {
  const at = await stage(inTurn(503))
  const outcome = at.webhook.notifySecurity(URL, EVENT, SECRET)
  await passTime(at, 3)
  expect(await outcome).toEqual({ kind: 'failed', reason: 'status 503', tries: 3 })
  expect(at.web.hits).toHaveLength(3)
})

test.each<[url: string, status: number, reason: string, why: string]>([
  [URL, 404, 'status 404', 'a path that is not there'],
  [URL, 302, 'status 302', 'a redirect, which is not followed'],
  ['https://inside.test/', 200, 'private-address', 'a host inside'],
  ['https://169.254.169.254/', 200, 'private-address', 'a metadata service'],
  ['http://hooks.test/', 200, 'bad-url', 'no TLS'],
  ['https://hooks.test:25/', 200, 'bad-url', 'the port of a mail server'],
  ['https://hooks.test/\r\nX-Injected: yes', 200, 'bad-url', 'a line break'],
])('%j answering %d fails at once with %s: %s', async (url, status, reason) => {
  const at = await stage((_request, response) => {
    response.writeHead(status, { location: 'https://inside.test/' }).end()
  })
  expect(await at.webhook.notifySecurity(url, EVENT, SECRET)).toEqual({
    kind: 'failed',
    reason,
    tries: 1,
  })
})

test('one endpoint that is down takes no more than its share, and no URL is logged', async () => {
  const at = await stage(inTurn(500))
  const outcomes = Array.from({ length: 60 }, () => at.webhook.notifySecurity(URL, EVENT, SECRET))
  expect(await Promise.all(outcomes.slice(50))).toEqual(
    Array(10).fill({ kind: 'dropped', reason: 'full', tries: 0 }),
  )
  await expect.poll(() => at.clock.pending(), SOON).toBe(50)
  // The slots are free while those wait.
  const other = at.webhook.notifySecurity('https://hooks.test/other', EVENT, SECRET)
  await expect.poll(() => at.web.hits.at(-1), SOON).toBe('https://hooks.test/other')
  await at.webhook.close()
  expect(await other).toMatchObject({ kind: 'dropped', reason: 'closing' })
  expect(JSON.stringify(at.log.lines)).not.toContain('of-the-tenant')
})

test('closing gives up what is on its way, what waits and what comes', async () => {
  const at = await stage((request, response) => {
    if (request.url === '/mute') return
    response.writeHead(500).end()
  })
  const waits = at.webhook.notifySecurity(URL, EVENT, SECRET)
  await expect.poll(() => at.clock.pending(), SOON).toBe(1)
  const open = at.webhook.notifySecurity('https://hooks.test/mute', EVENT, SECRET)
  await expect.poll(() => at.web.hits.length, SOON).toBe(2)
  await at.webhook.close()
  const dropped = { kind: 'dropped', reason: 'closing' }
  expect([await waits, await open]).toEqual([
    { ...dropped, tries: 1 },
    { ...dropped, tries: 1 },
  ])
  expect(await at.webhook.notifySecurity(URL, EVENT, SECRET)).toEqual({ ...dropped, tries: 0 })
  expect(at.clock.pending()).toBe(0)
})
