/** Backups and the master key over REST. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Person } from './people-of.ts'
import { aMessage, codeOf, openWorld } from './support.ts'
import type { World } from './support.ts'

let world: World
let admin: Person
beforeAll(async () => {
  world = await openWorld({}, { store: { minFreeDisk: '1 MiB' } })
  admin = await world.people({ role: 'owner', platformRole: 'admin' })
})
afterAll(() => world.close())

interface BackupView {
  readonly name: string
  readonly state: string
  readonly messages?: number
  readonly verifiedAt?: string
  readonly isThere: boolean
}
const list = async (): Promise<BackupView[]> =>
  (await admin.call({ method: 'GET', url: '/v1/backups' })).json<{ items: BackupView[] }>().items
const auditOf = async (action: string): Promise<unknown[]> =>
  (await admin.call({ method: 'GET', url: `/v1/audit?all=true&action=${action}` })).json<{
    items: unknown[]
  }>().items

test('a backup is begun, proves itself by a restore, is tried again and deleted', async () => {
  await world.post('/v1/messages', aMessage())
  const begun = await admin.call({ method: 'POST', url: '/v1/backups' })
  expect(begun.statusCode).toBe(202)
  const { name } = begun.json<{ name: string }>()
  const done = await vi.waitFor(
    async () => {
      const [item] = await list()
      expect(item).toMatchObject({ name, state: 'done', isThere: true })
      return item
    },
    { timeout: 15_000, interval: 100 },
  )
  expect(done).toMatchObject({ messages: 1 })
  expect(done?.verifiedAt).toBeDefined()
  expect(await auditOf('backup.created')).toMatchObject([
    { actor: { name: admin.email, means: 'session' }, target: { name } },
  ])

  const tried = await admin.call({ method: 'POST', url: `/v1/backups/${name}/verify` })
  expect(tried.json()).toMatchObject({ ok: true, messages: 1 })

  await admin.growStale()
  const remove = { method: 'DELETE', url: `/v1/backups/${name}` } as const
  expect(codeOf(await admin.call(remove))).toBe('STEP_UP_REQUIRED')
  const fresh = await world.people({ role: 'owner', platformRole: 'admin' })
  expect((await fresh.call(remove)).statusCode).toBe(204)
  expect(codeOf(await fresh.call(remove))).toBe('NOT_FOUND')
  expect((await list()).filter(({ isThere }) => isThere)).toEqual([])
  expect(await auditOf('backup.deleted')).toMatchObject([{ actor: { name: fresh.email } }])
}, 30_000)

describe('a name that is no backup', () => {
  test.each([
    ['nothing.phb', 404, 'NOT_FOUND', 'not there'],
    ['..%2fmaster.key', 400, 'BODY_INVALID', 'a path'],
    ['..', 404, 'ROUTE_NOT_FOUND', 'the folder above'],
    ['master.key', 404, 'NOT_FOUND', 'a file that is none of them'],
  ])('%s → %i %s: %s', async (name, status, code) => {
    const fresh = await world.people({ role: 'owner', platformRole: 'admin' })
    for (const [method, url] of [
      ['POST', `/v1/backups/${name}/verify`],
      ['DELETE', `/v1/backups/${name}`],
    ] as const) {
      const answer = await fresh.call({ method, url })
      expect([url, answer.statusCode < 500, codeOf(answer) === code]).toEqual([url, true, true])
      expect(answer.statusCode).toBe(status)
    }
  })
})

test('the recovery key is shown to people who have just proved who they are', async () => {
  const fresh = await world.people({ platformRole: 'admin' })
  const ask = { method: 'POST', url: '/v1/backups/recovery-key' } as const
  const shown = await fresh.call(ask)
  expect([shown.statusCode, shown.headers['cache-control']]).toEqual([200, 'no-store'])
  expect(shown.json<{ recoveryKey: string }>().recoveryKey.length).toBeGreaterThan(40)
  await fresh.growStale()
  expect(codeOf(await fresh.call(ask))).toBe('STEP_UP_REQUIRED')
  const byKey = await world.app.inject({
    ...ask,
    headers: { authorization: `Bearer ${world.key}` },
  })
  expect(codeOf(byKey)).toBe('SESSION_REQUIRED')
})

test('the master key gets another version, and what was sealed still opens', async () => {
  const before = await world.get('/v1/secrets')
  const fresh = await world.people({ role: 'owner', platformRole: 'admin' })
  const rotated = await fresh.call({ method: 'POST', url: '/v1/secrets/rotate' })
  const { current } = before.json<{ current: number }>()
  expect(rotated.json()).toMatchObject({ version: current + 1, unreadable: 0 })
  expect((await world.get('/v1/secrets')).json()).toMatchObject({
    current: current + 1,
    outdated: 0,
  })
})
