/** Which tenants' systems hear of a security event, over a real store; the posting itself has tests of its own. */
import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { asId } from '../../server/core/ids.ts'
import type { TenantId, UserId } from '../../server/core/ids.ts'
import type { NewSecurityEvent } from '../../server/core/security.ts'
import { makeSecurityNotices } from '../../server/services/security-notices.ts'
import type { SecurityNotice } from '../../server/services/security-webhook.ts'
import { changedTenantSettings } from '../../server/services/tenant-settings.ts'
import { openTestStore } from '../support/store.ts'

const KEY = Buffer.alloc(32, 3)
const ID = asId('security', 7)

async function openNotices() {
  const { store, log } = await openTestStore({})
  const posted: { url: string; event: SecurityNotice; secret: string }[] = []
  const notices = makeSecurityNotices({
    store,
    log,
    key: KEY,
    webhook: {
      notifySecurity(url, event, secret) {
        posted.push({ url, event, secret })
        return Promise.resolve({ kind: 'delivered', status: 204, tries: 1 })
      },
    },
  })
  async function addTenant(id: number, webhook: string | null): Promise<TenantId> {
    const settings = changedTenantSettings('{}', { securityWebhook: webhook })
    const row = { id, name: `tenant-${id}`, created_at: 0, settings }
    const query = store.build.insertInto('tenants').values(row).compile()
    await store.writer.write([{ query }], { unaudited: SYSTEM_ACTOR.name })
    return asId('tenant', id)
  }
  async function addMember(tenant: TenantId, user: UserId): Promise<void> {
    const row = { tenant_id: tenant, user_id: user, role: 'owner', created_at: 0 }
    const query = store.build.insertInto('memberships').values(row).compile()
    await store.writer.write([{ query }], { unaudited: SYSTEM_ACTOR.name })
  }
  return { notices, posted, addTenant, addMember }
}

const event = (about: Pick<NewSecurityEvent, 'tenant' | 'user'>): NewSecurityEvent => ({
  kind: 'new-country',
  score: 50,
  decision: 'challenge',
  ip: '192.0.2.7',
  country: 'DE',
  data: { secret: 'stays here' },
  ...about,
})

test('an event of a tenant goes to its address, signed with its own secret, without the facts', async () => {
  const world = await openNotices()
  const tenant = await world.addTenant(101, 'https://ops.a.example/hook')
  await world.addTenant(102, 'https://ops.b.example/hook')
  world.notices.tell(ID, event({ tenant, user: undefined }), 5)
  await expect.poll(() => world.posted.length).toBe(1)
  const [sent] = world.posted
  expect(sent).toMatchObject({
    url: 'https://ops.a.example/hook',
    event: { kind: 'new-country', at: 5, score: 50, tenant: 'ten_00000000035' },
  })
  expect(JSON.stringify(sent?.event)).not.toContain('stays here')
  const expected = createHmac('sha256', KEY).update('webhook 101').digest('base64url')
  expect(sent?.secret).toBe(`whsec_${expected}`)
  expect(await world.notices.secret(SYSTEM_ACTOR, tenant)).toBe(sent?.secret)
  const other = await world.notices.secret(SYSTEM_ACTOR, asId('tenant', 102))
  expect(sent?.secret).not.toBe(other)
})

test('an event of a person goes to every tenant they belong to that wants it', async () => {
  const world = await openNotices()
  const user = asId('user', 1)
  await world.addMember(await world.addTenant(101, 'https://ops.a.example/hook'), user)
  await world.addMember(await world.addTenant(102, null), user)
  await world.addMember(await world.addTenant(103, 'https://ops.c.example/hook'), user)
  await world.addTenant(104, 'https://ops.d.example/hook')
  world.notices.tell(ID, event({ tenant: undefined, user }), 5)
  await expect.poll(() => world.posted.length).toBe(2)
  expect(world.posted.map(({ url }) => url).sort()).toEqual([
    'https://ops.a.example/hook',
    'https://ops.c.example/hook',
  ])
})

test.each([
  ['http://ops.example/', 'not encrypted'],
  ['https://user:pass@ops.example/', 'a password in it'],
  ['javascript:alert(1)', 'no address of a server'],
  ['https://', 'no host'],
])('%s is refused: %s', (url) => {
  expect(() => changedTenantSettings('{}', { securityWebhook: url })).toThrow(
    expect.objectContaining({ code: 'BODY_INVALID' }),
  )
})
