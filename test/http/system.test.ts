import { afterAll, beforeAll, expect, test } from 'vitest'
import { codeOf, openWorld } from './support.ts'
import type { World } from './support.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

const from = (url: string, remoteAddress: string, headers = {}) =>
  world.app.inject({ method: 'GET', url, remoteAddress, headers })

test('the process answers', async () => {
  const answer = await from('/healthz', '203.0.113.1')
  expect([answer.statusCode, answer.json()]).toEqual([200, { status: 'ok' }])
})

test.each<[address: string, headers: Record<string, string>, status: number, who: string]>([
  ['127.0.0.1', {}, 200, 'loopback'],
  ['::1', {}, 200, 'loopback in IPv6'],
  ['::ffff:127.0.0.1', {}, 200, 'loopback on a dual-stack socket'],
  ['203.0.113.1', {}, 404, 'a stranger'],
  ['127.0.0.1', { 'x-forwarded-for': '203.0.113.1' }, 404, 'a stranger behind a proxy of ours'],
  ['127.0.0.1', { 'x-forwarded-for': '127.0.0.1' }, 404, 'who says so himself'],
  ['127.0.0.1', { forwarded: 'for=203.0.113.1' }, 404, 'a stranger behind another proxy'],
  ['127.0.0.1', { 'x-real-ip': '203.0.113.1' }, 404, 'and another'],
])('metrics for %s %j → %i: %s', async (address, headers, status) => {
  const answer = await from('/metrics', address, headers)
  expect(answer.statusCode).toBe(status)
  if (status === 200) expect(answer.headers['content-type']).toContain('version=0.0.4')
  else expect(codeOf(answer)).toBe('ROUTE_NOT_FOUND')
})

test('behind a trusted proxy the client counts, and named networks may look', async () => {
  const behind = await openWorld({ trustedProxies: ['127.0.0.1'], metricsNetworks: ['10.0.0.0/8'] })
  const status = async (remoteAddress: string, client?: string): Promise<number> => {
    const headers = client === undefined ? {} : { 'x-forwarded-for': client }
    const answer = await behind.app.inject({ url: '/metrics', remoteAddress, headers })
    return answer.statusCode
  }
  expect(await status('127.0.0.1', '203.0.113.1')).toBe(404)
  expect(await status('127.0.0.1', '10.1.2.3')).toBe(200)
  expect(await status('127.0.0.1', '10.1.2.3, 203.0.113.1')).toBe(404)
  expect(await status('127.0.0.1')).toBe(200)
  expect(await status('10.1.2.3')).toBe(200)
  expect(await status('10.1.2.3', '127.0.0.1')).toBe(404)
  await behind.close()
})

test('details of readiness are for the machine itself', async () => {
  const detail = async (address: string): Promise<unknown> =>
    (await from('/readyz', address)).json<{ checks: { detail?: string }[] }>().checks[0]?.detail
  expect(await detail('127.0.0.1')).toBe('room')
  expect(await detail('203.0.113.1')).toBeUndefined()
})

test('not ready is 503', async () => {
  const full = await openWorld({
    health: () => Promise.resolve({ ready: false, checks: [{ name: 'disk', ok: false }] }),
  })
  const answer = await full.app.inject('/readyz')
  expect([answer.statusCode, answer.json()]).toEqual([
    503,
    { ready: false, checks: [{ name: 'disk', ok: false }] },
  ])
  await full.close()
})

test('each answered request is observed under the pattern of its route', async () => {
  const seen: unknown[] = []
  const watched = await openWorld({
    observe: ({ method, route, status }) => void seen.push([method, route, status]),
  })
  await watched.get('/v1/messages/msg_00000000001')
  await watched.get('/nowhere/at/all')
  expect(seen).toEqual([
    ['GET', '/v1/messages/:id', 404],
    ['GET', 'none', 404],
  ])
  await watched.close()
})
