/** Who belongs to a tenant, by what role, and who may change that: nobody gives what they lack, and an owner stays. */
import { describe, expect, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { encodeId } from '../../server/core/ids.ts'
import type { UserId } from '../../server/core/ids.ts'
import { codeOf } from './support.ts'
import { GOOD_PASSWORD, openPeopleWorld, tokenIn } from './people-support.ts'
import type { PeopleWorld } from './people-support.ts'

const member = (user: UserId): string => `/v1/members/${encodeId('user', user)}`
const rolesIn = async (world: PeopleWorld): Promise<string[]> =>
  (await world.members.list(world.tenant)).map(({ email, role }) => `${email} ${role}`)

describe('members', () => {
  test('are listed with what matters about them', async () => {
    const world = await openPeopleWorld()
    const user = await world.person('b@x.test', 'owner')
    const browser = await world.browser(user)
    expect((await browser.get('/v1/members')).json()).toMatchObject({
      items: [
        { email: 'b@x.test', role: 'owner', setUp: true, secondFactor: false, deactivated: false },
        { email: 'owner@mta.test', role: 'owner', setUp: false },
      ],
    })
  })

  test('get another role, and sign in anew', async () => {
    const world = await openPeopleWorld()
    const boss = await world.browser(await world.person('boss@x.test', 'owner'))
    const user = await world.person('b@x.test', 'analyst')
    const theirs = await world.browser(user)
    const changed = await boss.send('PATCH', member(user), { role: 'developer' })
    expect(changed.json()).toMatchObject({ email: 'b@x.test', role: 'developer' })
    expect(codeOf(await theirs.get('/v1/members'))).toBe('SESSION_ENDED')
    expect(world.all('select ended_because from sessions where user_id = ?', user)).toEqual([
      { ended_because: 'role changed' },
    ])
    expect(world.auditOf('member.role-changed')).toMatchObject([
      { target_name: 'b@x.test', before: '{"role":"analyst"}', after: '{"role":"developer"}' },
    ])
  })

  test.each([
    ['admin', 'owner', 'analyst', 'GRANT_FORBIDDEN', 'an owner’s rights are more than an admin’s'],
    ['admin', 'analyst', 'owner', 'GRANT_FORBIDDEN', 'an admin cannot make an owner'],
    ['admin', 'analyst', 'billing', 'GRANT_FORBIDDEN', 'nor give billing:manage'],
    ['operator', 'analyst', 'operator', 'PERMISSION_MISSING', 'no members:manage'],
    ['owner', 'analyst', 'king', 'BODY_INVALID', 'no such role'],
  ])('as %s: %s → %s is %s (%s)', async (own, from, to, code) => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('me@x.test', own))
    const user = await world.person('b@x.test', from)
    const before = await rolesIn(world)
    expect(codeOf(await browser.send('PATCH', member(user), { role: to }))).toBe(code)
    expect(await rolesIn(world)).toEqual(before)
  })

  test('nobody changes their own role', async () => {
    const world = await openPeopleWorld()
    const user = await world.person('b@x.test', 'owner')
    const browser = await world.browser(user)
    expect(codeOf(await browser.send('PATCH', member(user), { role: 'admin' }))).toBe(
      'STATE_CONFLICT',
    )
  })

  test('changing one needs a fresh confirmation', async () => {
    const world = await openPeopleWorld()
    const user = await world.person('b@x.test', 'owner')
    const browser = await world.browser(user, { confirmed: false })
    expect(codeOf(await browser.send('DELETE', member(world.owner)))).toBe('STEP_UP_REQUIRED')
  })

  test('an admin does not take an owner out', async () => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test', 'admin'))
    expect(codeOf(await browser.send('DELETE', member(world.owner)))).toBe('GRANT_FORBIDDEN')
  })

  test('two owners who take each other out at once: one stays', async () => {
    const world = await openPeopleWorld()
    const [b, c] = [
      await world.person('b@x.test', 'owner'),
      await world.person('c@x.test', 'owner'),
    ]
    await world.members.remove(SYSTEM_ACTOR, world.tenant, world.owner)
    const browsers = [await world.browser(b), await world.browser(c)]
    const answers = await Promise.all([
      browsers[0]!.send('DELETE', member(c)),
      browsers[1]!.send('DELETE', member(b)),
    ])
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([204, 409])
    expect(await rolesIn(world)).toHaveLength(1)
  })

  test('both demoted at once: one stays owner', async () => {
    const world = await openPeopleWorld()
    const other = await world.person('b@x.test', 'owner')
    const demote = (user: UserId) =>
      world.members.changeRole(SYSTEM_ACTOR, world.tenant, user, 'admin').then(
        () => 'done',
        (error: unknown) => (error as { code: string }).code,
      )
    const answers = await Promise.all([demote(world.owner), demote(other)])
    expect(answers.sort()).toEqual(['STATE_CONFLICT', 'done'])
  })

  test('the last owner cannot leave; others can', async () => {
    const world = await openPeopleWorld()
    const leave = `/v1/account/memberships/${encodeId('tenant', world.tenant)}`
    const user = await world.person('b@x.test', 'analyst')
    expect((await (await world.browser(user)).send('DELETE', leave)).statusCode).toBe(204)
    const owner = await world.browser(world.owner)
    expect(codeOf(await owner.send('DELETE', leave))).toBe('STATE_CONFLICT')
    expect(await rolesIn(world)).toEqual(['owner@mta.test owner'])
  })

  test('an owner who is deactivated does not count', async () => {
    const world = await openPeopleWorld()
    const other = await world.person('b@x.test', 'owner')
    await world.people.deactivate(SYSTEM_ACTOR, other)
    const code = await world.members
      .remove(SYSTEM_ACTOR, world.tenant, world.owner)
      .catch((error: unknown) => (error as { code: string }).code)
    expect(code).toBe('STATE_CONFLICT')
  })

  test('of another tenant are not found, whatever the tenant of the request', async () => {
    const world = await openPeopleWorld()
    const other = await world.tenants.add(SYSTEM_ACTOR, 'other')
    const stranger = await world.person('s@x.test', 'analyst', other)
    const browser = await world.browser(await world.person('b@x.test', 'owner'))
    expect(codeOf(await browser.send('PATCH', member(stranger), { role: 'analyst' }))).toBe(
      'NOT_FOUND',
    )
    expect(codeOf(await browser.send('DELETE', member(stranger)))).toBe('NOT_FOUND')
    const abroad = await world.browser(await world.person('c@x.test', 'owner'), { tenant: other })
    expect(codeOf(await abroad.get('/v1/members'))).toBe('PERMISSION_MISSING')
  })

  test.each([{ role: 'analyst', tenant: 'x' }, { role: 'analyst', id: 'x' }, {}, { role: 7 }])(
    'the body %j is refused',
    async (body) => {
      const world = await openPeopleWorld()
      const browser = await world.browser(await world.person('b@x.test', 'owner'))
      expect(codeOf(await browser.send('PATCH', member(world.owner), body))).toMatch(
        /BODY_INVALID|FIELD_UNKNOWN/,
      )
    },
  )

  test('who is taken out has invited nobody', async () => {
    const world = await openPeopleWorld()
    const user = await world.person('b@x.test', 'admin')
    const browser = await world.browser(user)
    await browser.send('POST', '/v1/invitations', { email: 'friend@y.test', role: 'analyst' })
    const token = tokenIn((await world.mails()).at(-1)?.text)
    await world.members.remove(SYSTEM_ACTOR, world.tenant, user)
    expect(codeOf(await world.post('/v1/links/look', { token }))).toBe('LINK_INVALID')
  })
})

describe('roles', () => {
  const SUPPORT = { name: 'support', title: 'Support', permissions: ['messages:read'] }
  const roleOf = async (world: PeopleWorld) =>
    `/v1/roles/${encodeId('role', (await world.roles.byName(world.tenant, 'support')).id)}`

  test('of a tenant’s own stand beside the built-in ones and give what they say', async () => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test', 'owner'))
    const made = await browser.send('POST', '/v1/roles', {
      ...SUPPORT,
      permissions: ['messages:read', 'messages:read', 'members:read'],
    })
    expect([made.statusCode, made.json()]).toMatchObject([
      201,
      {
        name: 'support',
        kind: 'own',
        permissions: ['messages:read', 'members:read'],
        secondFactor: false,
      },
    ])
    const list = (await browser.get('/v1/roles')).json<{
      items: { name: string; kind: string }[]
    }>()
    expect(list.items.map(({ name }) => name)).toEqual([
      'owner',
      'admin',
      'operator',
      'developer',
      'analyst',
      'billing',
      'support',
    ])
    const user = await world.person('s@x.test', 'support')
    expect(await world.people.grantsOf(user)).toEqual({
      platform: undefined,
      tenants: [{ tenant: world.tenant, permissions: ['messages:read', 'members:read'] }],
    })
  })

  test.each<[Record<string, unknown>, string, string]>([
    [
      { ...SUPPORT, permissions: ['billing:manage'] },
      'GRANT_FORBIDDEN',
      'a right that the admin lacks',
    ],
    [{ ...SUPPORT, permissions: ['users:manage'] }, 'BODY_INVALID', 'a right of the platform'],
    [{ ...SUPPORT, name: 'owner' }, 'NAME_TAKEN', 'a built-in name'],
    [{ ...SUPPORT, name: 'Support!' }, 'BODY_INVALID', 'no slug'],
    [{ ...SUPPORT, tenant: 'ten_00000000002' }, 'FIELD_UNKNOWN', 'another tenant'],
  ])('%j is %s (%s)', async (body, code) => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test', 'admin'))
    expect(codeOf(await browser.send('POST', '/v1/roles', body))).toBe(code)
    expect(world.all('select * from roles')).toEqual([])
  })

  test('are changed but for their name, and whoever has one signs in anew', async () => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test', 'owner'))
    await browser.send('POST', '/v1/roles', SUPPORT)
    const user = await world.person('s@x.test', 'support')
    await world.browser(user)
    const url = await roleOf(world)
    const changed = await browser.send('PATCH', url, { permissions: ['keys:read'], title: 'Help' })
    expect(changed.json()).toMatchObject({
      name: 'support',
      title: 'Help',
      permissions: ['keys:read'],
    })
    expect(world.sessionsOf(user)).toBe(0)
    expect((await browser.send('PATCH', url, { name: 'other' })).statusCode).toBe(400)
  })

  test('with more rights than one’s own are not touched', async () => {
    const world = await openPeopleWorld()
    const owner = await world.browser(await world.person('b@x.test', 'owner'))
    await owner.send('POST', '/v1/roles', { ...SUPPORT, permissions: ['billing:manage'] })
    const admin = await world.browser(await world.person('c@x.test', 'admin'))
    const url = await roleOf(world)
    expect(codeOf(await admin.send('PATCH', url, { permissions: [] }))).toBe('GRANT_FORBIDDEN')
    expect(codeOf(await admin.send('DELETE', url))).toBe('GRANT_FORBIDDEN')
  })

  test('in use stay, also for an invitation', async () => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test', 'owner'))
    await browser.send('POST', '/v1/roles', SUPPORT)
    const url = await roleOf(world)
    const sent = await browser.send('POST', '/v1/invitations', {
      email: 's@x.test',
      role: 'support',
    })
    expect(codeOf(await browser.send('DELETE', url))).toBe('STATE_CONFLICT')
    const { invitation } = sent.json<{ invitation: { id: string } }>()
    await browser.send('DELETE', `/v1/invitations/${invitation.id}`)
    expect((await browser.send('DELETE', url)).statusCode).toBe(204)
  })

  test('of another tenant are not found', async () => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test', 'owner'))
    await browser.send('POST', '/v1/roles', SUPPORT)
    const other = await world.tenants.add(SYSTEM_ACTOR, 'other')
    const foreign = await world.browser(await world.person('c@x.test', 'owner', other), {
      tenant: other,
    })
    expect(codeOf(await foreign.send('DELETE', await roleOf(world)))).toBe('NOT_FOUND')
    expect(codeOf(await foreign.send('PATCH', await roleOf(world), { title: 'x' }))).toBe(
      'NOT_FOUND',
    )
    const invited = await foreign.send('POST', '/v1/invitations', {
      email: 'd@x.test',
      role: 'support',
    })
    expect(codeOf(invited)).toBe('BODY_INVALID')
  })

  test('that ask for a second factor make whoever has one set it up', async () => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test', 'owner'))
    await browser.send('POST', '/v1/roles', { ...SUPPORT, secondFactor: true })
    const user = await world.person('s@x.test', 'support')
    expect(await world.people.personOf(user)).toMatchObject({ mustEnrol: true })
    const settings = { requireSecondFactor: 'nobody' }
    expect((await browser.send('PATCH', '/v1/tenant', { settings })).statusCode).toBe(200)
    expect(await world.people.personOf(user)).toMatchObject({ mustEnrol: false })
  })
})

describe('invitations', () => {
  const invite = { email: 'New@X.test', role: 'developer' }

  test('are mailed and accepted by somebody new', async () => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test', 'admin'))
    const sent = await browser.send('POST', '/v1/invitations', invite)
    expect(sent.json()).toMatchObject({
      invitation: { email: 'new@x.test', role: 'developer', invitedBy: 'b@x.test' },
      delivery: 'mailed',
    })
    expect(sent.json()).not.toHaveProperty('link')
    const mail = (await world.mails()).at(-1)
    expect(mail).toMatchObject({ to: 'new@x.test', subject: 'Invitation to default' })
    const token = tokenIn(mail?.text)
    expect((await world.post('/v1/links/look', { token })).json()).toMatchObject({
      purpose: 'invitation',
      tenant: 'default',
      role: 'developer',
      invitedBy: 'b@x.test',
      needsPassword: true,
    })
    expect(codeOf(await world.post('/v1/invitations/accept', { token }))).toBe('BODY_INVALID')
    const joined = await world.post('/v1/invitations/accept', {
      token,
      name: 'New',
      password: GOOD_PASSWORD,
    })
    expect(joined.json()).toEqual({ email: 'new@x.test', tenant: encodeId('tenant', world.tenant) })
    expect(await world.people.personForSignIn('new@x.test')).toMatchObject({
      name: 'New',
      platformRole: undefined,
      memberships: [{ role: 'developer' }],
    })
    expect((await browser.get('/v1/invitations')).json()).toEqual({ items: [] })
    expect(
      codeOf(
        await world.post('/v1/invitations/accept', { token, name: 'New', password: GOOD_PASSWORD }),
      ),
    ).toBe('LINK_INVALID')
  })

  test('hand their link over only when there is no mail, and then prove no address', async () => {
    const world = await openPeopleWorld({ mail: false })
    const browser = await world.browser(await world.person('b@x.test', 'admin'))
    const sent = (await browser.send('POST', '/v1/invitations', invite)).json<{
      delivery: string
      link: string
    }>()
    expect(sent.delivery).toBe('by-hand')
    await world.post('/v1/invitations/accept', {
      token: tokenIn(sent.link),
      name: 'N',
      password: GOOD_PASSWORD,
    })
    expect((await world.people.byEmail('new@x.test')).confirmedAt).toBeUndefined()
  })

  test('are accepted by whoever has an account as that account, not by its link alone', async () => {
    const world = await openPeopleWorld()
    const other = await world.tenants.add(SYSTEM_ACTOR, 'other')
    const user = await world.person('new@x.test', 'analyst', other)
    const boss = await world.browser(await world.person('b@x.test', 'owner'))
    await boss.send('POST', '/v1/invitations', invite)
    const token = tokenIn((await world.mails()).at(-1)?.text)
    const taken = await world.post('/v1/invitations/accept', {
      token,
      name: 'Thief',
      password: GOOD_PASSWORD,
    })
    expect(codeOf(taken)).toBe('SESSION_REQUIRED')
    expect((await world.people.personForSignIn(user))?.passwordHash).toBe('x')
    const wrong = await boss.send('POST', '/v1/account/invitations/accept', { token })
    expect(codeOf(wrong)).toBe('STATE_CONFLICT')
    const right = await (
      await world.browser(user)
    ).send('POST', '/v1/account/invitations/accept', { token })
    expect(right.statusCode).toBe(200)
    expect((await world.people.personForSignIn(user))?.memberships.map(({ role }) => role)).toEqual(
      ['developer', 'analyst'],
    )
  })

  test('do not set the password of an account that was not set up yet', async () => {
    const world = await openPeopleWorld({ mail: false })
    const admin = await world.browser(await world.person('b@x.test', 'owner'))
    await world.members.changeRole(SYSTEM_ACTOR, world.tenant, world.owner, 'analyst')
    await world.members.remove(SYSTEM_ACTOR, world.tenant, world.owner)
    const sent = await admin.send('POST', '/v1/invitations', {
      email: 'owner@mta.test',
      role: 'analyst',
    })
    const token = tokenIn(sent.json<{ link: string }>().link)
    const taken = await world.post('/v1/invitations/accept', {
      token,
      name: 'T',
      password: GOOD_PASSWORD,
    })
    expect(codeOf(taken)).toBe('SESSION_REQUIRED')
    expect((await world.people.get(world.owner)).hasPassword).toBe(false)
  })

  test('two at once: one of them joins', async () => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test', 'admin'))
    await browser.send('POST', '/v1/invitations', invite)
    const wish = {
      token: tokenIn((await world.mails()).at(-1)?.text),
      name: 'N',
      password: GOOD_PASSWORD,
    }
    const answers = await Promise.all([1, 2].map(() => world.post('/v1/invitations/accept', wish)))
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([
      200,
      expect.toSatisfy((status) => status === 400 || status === 409),
    ])
    expect(world.all(`select id from users where email = 'new@x.test'`)).toHaveLength(1)
  })

  test('sent again end the former link, and the one to the same address', async () => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test', 'admin'))
    const tokens: string[] = []
    const { invitation } = (await browser.send('POST', '/v1/invitations', invite)).json<{
      invitation: { id: string }
    }>()
    tokens.push(tokenIn((await world.mails()).at(-1)?.text))
    expect((await browser.send('POST', `/v1/invitations/${invitation.id}/resend`)).statusCode).toBe(
      200,
    )
    tokens.push(tokenIn((await world.mails()).at(-1)?.text))
    await browser.send('POST', '/v1/invitations', invite)
    tokens.push(tokenIn((await world.mails()).at(-1)?.text))
    const statuses = await Promise.all(
      tokens.map(async (token) => (await world.post('/v1/links/look', { token })).statusCode),
    )
    expect(statuses).toEqual([400, 400, 200])
    expect((await browser.get('/v1/invitations')).json<{ items: unknown[] }>().items).toHaveLength(
      1,
    )
  })

  test('of an owner are not resent by an admin, who might be shown the link', async () => {
    const world = await openPeopleWorld({ mail: false })
    const sent = await world.invitations.create(SYSTEM_ACTOR, world.tenant, {
      email: 'o@x.test',
      role: 'owner',
    })
    const admin = await world.browser(await world.person('b@x.test', 'admin'))
    const url = `/v1/invitations/${encodeId('invitation', sent.invitation.id)}/resend`
    expect(codeOf(await admin.send('POST', url))).toBe('GRANT_FORBIDDEN')
  })

  test.each<[Record<string, unknown>, string, string]>([
    [{ ...invite, role: 'owner' }, 'GRANT_FORBIDDEN', 'a role with more rights'],
    [{ ...invite, email: 'b@x.test' }, 'STATE_CONFLICT', 'a member'],
    [
      { ...invite, email: 'x@y.test\r\nBcc: z@y.test' },
      'ADDRESS_INVALID',
      'a header in an address',
    ],
    [{ ...invite, tenant: 'ten_00000000002' }, 'FIELD_UNKNOWN', 'another tenant'],
    [{ ...invite, invitedBy: 'boss@x.test' }, 'FIELD_UNKNOWN', 'another inviter'],
  ])('%j is %s (%s)', async (body, code) => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test', 'admin'))
    expect(codeOf(await browser.send('POST', '/v1/invitations', body))).toBe(code)
  })

  test('to rule over people need a fresh confirmation, others do not', async () => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test', 'owner'), {
      confirmed: false,
    })
    expect(
      codeOf(await browser.send('POST', '/v1/invitations', { ...invite, role: 'admin' })),
    ).toBe('STEP_UP_REQUIRED')
    expect((await browser.send('POST', '/v1/invitations', invite)).statusCode).toBe(201)
  })

  test('into a tenant that is disabled are worth nothing', async () => {
    const world = await openPeopleWorld({ mail: false })
    const sent = await world.invitations.create(SYSTEM_ACTOR, world.tenant, {
      email: 'o@x.test',
      role: 'analyst',
    })
    await world.tenants.change(SYSTEM_ACTOR, world.tenant, { disabled: true })
    const token = tokenIn(sent.delivery.by === 'by-hand' ? sent.delivery.url : '')
    expect(codeOf(await world.post('/v1/links/look', { token }))).toBe('LINK_INVALID')
  })
})
