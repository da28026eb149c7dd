/** People and tenants as those who run the installation see them. */
import { describe, expect, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { encodeId } from '../../server/core/ids.ts'
import type { UserId } from '../../server/core/ids.ts'
import { codeOf } from './support.ts'
import { openPeopleWorld, tokenIn } from './people-support.ts'

const user = (id: UserId, act = ''): string => `/v1/users/${encodeId('user', id)}${act}`

describe('people', () => {
  test('are listed page by page', async () => {
    const world = await openPeopleWorld()
    for (const name of ['b', 'c', 'd']) await world.person(`${name}@x.test`)
    const browser = await world.browser(world.owner)
    const seen: string[] = []
    let cursor = ''
    for (let page = 0; page < 5; page++) {
      const answer = await browser.get(
        `/v1/users?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`,
      )
      const { items, nextCursor } = answer.json<{
        items: { email: string }[]
        nextCursor: string | null
      }>()
      seen.push(...items.map(({ email }) => email))
      if (nextCursor === null) break
      cursor = nextCursor
    }
    expect(seen).toEqual(['owner@mta.test', 'b@x.test', 'c@x.test', 'd@x.test'])
    const one = (await browser.get(user(world.owner))).json<Record<string, unknown>>()
    expect(one).toMatchObject({ platformRole: 'admin', setUp: false })
    expect(JSON.stringify(one)).not.toContain('password_hash')
  })

  test('are added with a setup link', async () => {
    const world = await openPeopleWorld()
    const browser = await world.browser(world.owner)
    const added = await browser.send('POST', '/v1/users', {
      email: 'B@x.test',
      name: 'B',
      platformRole: 'operator',
    })
    expect(added.json()).toMatchObject({
      user: { email: 'b@x.test', platformRole: 'operator' },
      delivery: 'mailed',
    })
    const token = tokenIn((await world.mails()).at(-1)?.text)
    expect((await world.post('/v1/links/look', { token })).json()).toMatchObject({
      purpose: 'setup',
    })
    const again = await browser.send('POST', '/v1/users', { email: 'b@X.test', name: 'B' })
    expect(codeOf(again)).toBe('NAME_TAKEN')
  })

  test.each<[Record<string, unknown>, string]>([
    [{ email: 'b@x.test', name: 'B', id: 'usr_00000000009' }, 'an id'],
    [{ email: 'b@x.test', name: 'B', confirmedAt: '2026-01-01T00:00:00Z' }, 'a state'],
    [{ email: 'b@x.test', name: 'B', tenant: 'ten_00000000001' }, 'a tenant'],
    [{ email: 'b@x.test', name: 'B', platformRole: 'owner' }, 'a role of a tenant'],
    [{ email: 'b@x.test', name: 'B\u202etxt.exe' }, 'a name that turns text around'],
    [{ email: 'b@x.test', name: ' ' }, 'no name'],
    [{ email: 'nobody', name: 'B' }, 'no address'],
  ])('the body %j is refused (%s)', async (body) => {
    const world = await openPeopleWorld()
    const browser = await world.browser(world.owner)
    expect((await browser.send('POST', '/v1/users', body)).statusCode).toBe(400)
  })

  test('who are deactivated lose all access at once, and what they made is named', async () => {
    const world = await openPeopleWorld()
    const id = await world.person('b@x.test', 'owner', world.tenant, 'operator')
    const theirs = await world.browser(id)
    const key = world.store.across.build
      .insertInto('keys')
      .values({
        tenant_id: world.tenant,
        name: 'shop',
        secret_hash: 'h',
        scopes: '[]',
        mode: 'live',
        created_at: 1,
        networks: '[]',
        created_by: 'b@x.test',
      } as never)
      .compile()
    await world.store.writer.write([{ query: key }], { unaudited: 'test' })
    await theirs.send('POST', '/v1/invitations', { email: 'friend@y.test', role: 'analyst' })
    const token = tokenIn((await world.mails()).at(-1)?.text)

    const admin = await world.browser(world.owner)
    const answer = await admin.send('POST', user(id, '/deactivate'))
    expect(answer.json()).toMatchObject({
      user: { email: 'b@x.test', deactivatedAt: expect.any(String) as string },
      stillWorking: [{ kind: 'key', name: 'shop', tenant: encodeId('tenant', world.tenant) }],
    })
    expect(codeOf(await theirs.get('/v1/members'))).toBe('SESSION_ENDED')
    expect(await world.people.grantsOf(id)).toEqual({ platform: undefined, tenants: [] })
    expect(await world.people.personOf(id)).toBeUndefined()
    expect(await world.people.personForSignIn('b@x.test')).toMatchObject({ deactivated: true })
    expect(codeOf(await world.post('/v1/links/look', { token }))).toBe('LINK_INVALID')
    expect((await admin.send('POST', user(id, '/reactivate'))).json()).not.toHaveProperty(
      'deactivatedAt',
    )
    expect(await world.people.grantsOf(id)).toMatchObject({ platform: 'operator' })
  })

  test('the last platform admin stays, also when two go at once', async () => {
    const world = await openPeopleWorld()
    const admin = await world.browser(world.owner)
    expect(codeOf(await admin.send('POST', user(world.owner, '/deactivate')))).toBe(
      'STATE_CONFLICT',
    )
    expect(codeOf(await admin.send('PATCH', user(world.owner), { platformRole: null }))).toBe(
      'STATE_CONFLICT',
    )
    const other = await world.person('b@x.test', 'owner', world.tenant, 'admin')
    const theirs = await world.browser(other)
    const answers = await Promise.all([
      admin.send('PATCH', user(other), { platformRole: null }),
      theirs.send('POST', user(world.owner, '/deactivate')),
    ])
    const [done, refused] = answers.map(({ statusCode }) => statusCode).sort()
    expect(done).toBe(200)
    // Refused by the write, or, when the other was wholly through, by the gate.
    expect([401, 403, 409]).toContain(refused)
    const admins = "platform_role = 'admin' and deactivated_at is null"
    expect(world.all(`select 1 from users where ${admins}`)).toHaveLength(1)
  })

  test('a change of role ends their sessions; a change of name does not', async () => {
    const world = await openPeopleWorld()
    const id = await world.person('b@x.test')
    await world.browser(id)
    const admin = await world.browser(world.owner)
    expect((await admin.send('PATCH', user(id), { name: 'Bea' })).json()).toMatchObject({
      name: 'Bea',
    })
    expect(world.sessionsOf(id)).toBe(1)
    await admin.send('PATCH', user(id), { platformRole: 'analyst' })
    expect(world.sessionsOf(id)).toBe(0)
  })

  test('who lost their second factor get rid of it, and a notice', async () => {
    const world = await openPeopleWorld()
    const id = await world.person('b@x.test')
    await world.browser(id)
    const query = world.store.build
      .insertInto('totp')
      .values({ user_id: id, secret: 's', last_step: 0, created_at: 1, confirmed_at: 1 })
      .compile()
    await world.store.writer.write([{ query }], { unaudited: 'test' })
    const admin = await world.browser(world.owner)
    const answer = await admin.send('POST', user(id, '/reset-second-factor'))
    expect(answer.json()).toMatchObject({ secondFactor: false })
    expect(world.sessionsOf(id)).toBe(0)
    expect((await world.mails()).at(-1)).toMatchObject({
      to: 'b@x.test',
      subject: 'Your second factor was removed',
    })
    expect(codeOf(await admin.send('POST', user(world.owner, '/reset-second-factor')))).toBe(
      'STATE_CONFLICT',
    )
  })

  test('are signed out', async () => {
    const world = await openPeopleWorld()
    const id = await world.person('b@x.test')
    await world.browser(id)
    await world.browser(id)
    const admin = await world.browser(world.owner)
    expect((await admin.send('POST', user(id, '/sign-out'))).json()).toEqual({ sessions: 2 })
    expect((await admin.send('POST', user(id, '/release'))).statusCode).toBe(200)
  })

  test.each([
    ['GET', '/v1/users'],
    ['POST', '/v1/users'],
    ['GET', '/v1/tenants'],
    ['POST', '/v1/tenants'],
  ] as const)('%s %s is not for an owner of a tenant', async (method, url) => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test', 'owner'))
    const answer =
      method === 'GET'
        ? await browser.get(url)
        : await browser.send(method, url, { email: 'c@x.test', name: 'c' })
    expect(codeOf(answer)).toBe('PERMISSION_MISSING')
  })
})

describe('tenants', () => {
  const path = (id: number): string => `/v1/tenants/${encodeId('tenant', id)}`

  test('are made, renamed, disabled and enabled', async () => {
    const world = await openPeopleWorld()
    const admin = await world.browser(world.owner)
    const made = await admin.send('POST', '/v1/tenants', { name: 'acme' })
    expect(made.json()).toMatchObject({
      name: 'acme',
      members: 0,
      settings: { requireSecondFactor: 'roles', secondFactorRoles: [] },
    })
    const id = world.tenants.resolve('acme').id
    const member = await world.person('b@x.test', 'owner', id)
    const theirs = await world.browser(member, { tenant: id })
    expect((await theirs.get('/v1/tenant')).json()).toMatchObject({ name: 'acme', members: 1 })

    await admin.send('PATCH', path(id), { name: 'apex', disabled: true })
    expect((await admin.get(path(id))).json()).toMatchObject({
      name: 'apex',
      disabledAt: expect.any(String) as string,
    })
    expect(codeOf(await theirs.get('/v1/tenant'))).toBe('PERMISSION_MISSING')
    expect(await world.people.grantsOf(member)).toEqual({ platform: undefined, tenants: [] })
    await admin.send('PATCH', path(id), { disabled: false })
    expect((await theirs.get('/v1/tenant')).statusCode).toBe(200)
    expect(world.auditOf('tenant.disabled')).toHaveLength(1)
    expect(codeOf(await admin.send('POST', '/v1/tenants', { name: 'apex' }))).toBe('NAME_TAKEN')
    expect(codeOf(await admin.get(path(99)))).toBe('NOT_FOUND')
  })

  test('say whose sign-in needs a second factor, and keep what a later version wrote', async () => {
    const world = await openPeopleWorld()
    const id = await world.person('b@x.test', 'owner')
    const query = world.store.build
      .updateTable('tenants')
      .set({ settings: '{"later":1,"requireSecondFactor":"nonsense"}' })
      .compile()
    await world.store.writer.write([{ query }], { unaudited: 'test' })
    const browser = await world.browser(id)
    expect((await browser.get('/v1/tenant')).json()).toMatchObject({
      settings: { requireSecondFactor: 'roles' },
    })
    const changed = await browser.send('PATCH', '/v1/tenant', {
      settings: { secondFactorRoles: ['owner'] },
    })
    expect(changed.json()).toMatchObject({ settings: { secondFactorRoles: ['owner'] } })
    expect(world.all('select settings from tenants')).toEqual([
      { settings: '{"later":1,"requireSecondFactor":"nonsense","secondFactorRoles":["owner"]}' },
    ])
    expect(codeOf(await browser.get('/v1/tenant'))).toBe('SECOND_FACTOR_MISSING')
  })

  test.each<[Record<string, unknown>, string]>([
    [{ name: 'acme' }, 'its name is the platform’s'],
    [{ disabled: true }, 'its life is too'],
    [{ settings: { requireSecondFactor: 'perhaps' } }, 'no such rule'],
    [{ settings: { quota: 1 } }, 'no such setting'],
    [{ id: 'ten_00000000009', settings: {} }, 'an id'],
  ])('their own change to %j is refused (%s)', async (body) => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test', 'owner'))
    expect((await browser.send('PATCH', '/v1/tenant', body)).statusCode).toBe(400)
  })

  test('two changes of settings at once: none is lost in silence', async () => {
    const world = await openPeopleWorld()
    const change = (settings: object) =>
      world.tenants.change(SYSTEM_ACTOR, world.tenant, { settings }).then(
        () => 'done',
        (error: unknown) => (error as { code: string }).code,
      )
    const answers = await Promise.all([
      change({ requireSecondFactor: 'everybody' }),
      change({ secondFactorRoles: ['owner'] }),
    ])
    expect(answers.sort()).toEqual(['STATE_CONFLICT', 'done'])
  })
})
