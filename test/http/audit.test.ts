/**
 * Every change is audited: each route that changes something is asked once, over HTTP, and the log must say who did
 * what by which means from where. What is secret in all of that must stand in no log. A new route must say here what
 * it records, or why it records nothing.
 */
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { asId, encodeId } from '../../server/core/ids.ts'
import { ensureLane } from '../../server/store/lanes.ts'
import { softAuthenticator } from '../support/authenticator.ts'
import { leapClock } from '../support/leap-clock.ts'
import type { LeapClock } from '../support/leap-clock.ts'
import { GOOD_PASSWORD, newcomer, openBrowser, tokenIn, totpCode } from './browser.ts'
import type { Browser } from './browser.ts'
import { aMessage, codeOf, openWorld, ORIGIN } from './support.ts'
import type { World } from './support.ts'

const IP = '203.0.113.7'
const MINUTE = 60_000
const NEXT_PASSWORD = 'nine loud badgers swim away'

let world: World
let clock: LeapClock
let admin: Browser
let adminEmail: string
/** Whatever nobody may find in a log afterwards. */
const secrets = new Set<string>()
/** `METHOD pattern` of what was asked. */
const asked = new Set<string>()

beforeAll(async () => {
  clock = leapClock()
  world = await openWorld(
    { trustedProxies: ['127.0.0.1'] },
    { mail: { from: 'posthorn@live.example' } },
    { clock },
  )
  await world.app.ready()
  secrets.add(world.key).add(GOOD_PASSWORD).add(NEXT_PASSWORD)
  adminEmail = (await somebody({ role: 'owner', platformRole: 'admin' })).email
  admin = openBrowser(world.app, { ip: IP, tenant: encodeId('tenant', world.tenant) })
  await admin.signIn(adminEmail)
})
afterAll(() => world.close())

async function somebody(wish: Parameters<typeof newcomer>[1] = {}) {
  const made = await newcomer(world, wish)
  await keepTokens()
  return made
}
/** Links that were mailed are secrets. */
async function keepTokens(): Promise<void> {
  for (const { text } of await world.mails()) if (tokenIn(text) !== '') secrets.add(tokenIn(text))
}

/** Recovery codes, as people write them and as they are without the hyphen. */
function keepCodes(body: Record<string, unknown>): string[] {
  const codes = body['codes'] as string[]
  for (const code of codes) secrets.add(code).add(code.replace('-', ''))
  return codes
}

interface AuditRecord {
  readonly id: string
  readonly actor: { kind: string; name: string; means: string; ip?: string; requestId?: string }
  readonly action: string
  readonly target: { readonly kind: string; readonly id: string; readonly name: string }
  readonly before?: unknown
  readonly after?: unknown
}
const page = async (query: string): Promise<AuditRecord[]> =>
  (await admin.get(`/v1/audit?all=true&limit=100${query}`)).json<{ items: AuditRecord[] }>().items

/** What was recorded since the last look, oldest first, sessions of who looks aside. */
let seen = ''
async function news(): Promise<AuditRecord[]> {
  const items = await page('')
  const fresh = items.filter(({ id }) => id > seen)
  seen = items[0]?.id ?? seen
  return fresh.reverse()
}

type Method = 'POST' | 'PUT' | 'PATCH' | 'DELETE'
/** One change, by the admin unless told otherwise; resolves with the answer's body and what was recorded. */
async function change(
  [method, pattern]: readonly [Method | 'GET', string],
  { url = pattern, body, by = admin }: { url?: string; body?: object; by?: Browser } = {},
): Promise<{ body: Record<string, unknown>; records: AuditRecord[] }> {
  await news()
  const answer = await by.send(method, url, body)
  expect([pattern, answer.statusCode < 300 ? 'fine' : answer.body]).toEqual([pattern, 'fine'])
  asked.add(`${method} ${pattern}`)
  for (const one of [admin, by])
    for (const [name, value] of one.cookies) if (name === '__Host-posthorn') secrets.add(value)
  const isJson = String(answer.headers['content-type']).startsWith('application/json')
  return {
    body: isJson ? answer.json<Record<string, unknown>>() : {},
    records: await news(),
  }
}
const byAdmin = () => ({ kind: 'user', name: adminEmail, means: 'session', ip: IP })
const idOf = (made: { body: Record<string, unknown> }): string => String(made.body['id'])

/** Exactly one record, of the admin, with what it says. */
function expectOne(records: readonly AuditRecord[], what: object): void {
  expect(records).toMatchObject([{ actor: byAdmin(), ...what }])
  expect(records[0]?.actor.requestId).toMatch(/^\w+-\w+$/)
}

describe('what is recorded of', () => {
  test('keys', async () => {
    const spec = { name: 'shop', scopes: ['messages:read'] }
    const made = await change(['POST', '/v1/keys'], { body: spec })
    secrets.add(String(made.body['secret']))
    expectOne(made.records, {
      action: 'key.created',
      target: { kind: 'key', id: idOf(made), name: 'shop' },
      after: { scopes: ['messages:read'] },
    })
    const url = `/v1/keys/${idOf(made)}`
    const edited = await change(['PATCH', '/v1/keys/:id'], { url, body: { name: 'store' } })
    expectOne(edited.records, {
      action: 'key.changed',
      before: { name: 'shop' },
      after: { name: 'store' },
    })
    const rotated = await change(['POST', '/v1/keys/:id/rotate'], {
      url: `${url}/rotate`,
      body: {},
    })
    secrets.add(String(rotated.body['secret']))
    expectOne(rotated.records, { action: 'key.rotated' })
    const revoked = await change(['DELETE', '/v1/keys/:id'], { url })
    expectOne(revoked.records, { action: 'key.revoked', target: { id: idOf(made) } })
  })

  test('SMTP logins', async () => {
    const made = await change(['POST', '/v1/credentials'], { body: { username: 'till' } })
    secrets.add(String(made.body['password']))
    expectOne(made.records, { action: 'credential.created', target: { name: 'till' } })
    const url = `/v1/credentials/${idOf(made)}`
    const body = { networks: ['192.0.2.0/24'] }
    const edited = await change(['PATCH', '/v1/credentials/:id'], { url, body })
    expectOne(edited.records, {
      action: 'credential.changed',
      before: { networks: [] },
      after: body,
    })
    const rotated = await change(['POST', '/v1/credentials/:id/rotate'], {
      url: `${url}/rotate`,
      body: {},
    })
    secrets.add(String(rotated.body['password']))
    expectOne(rotated.records, { action: 'credential.rotated' })
    const revoked = await change(['DELETE', '/v1/credentials/:id'], { url })
    expectOne(revoked.records, { action: 'credential.revoked' })
  })

  test('domains and quotas', async () => {
    const made = await change(['POST', '/v1/domains'], { body: { name: 'shop.example' } })
    expectOne(made.records, { action: 'domain.added', target: { name: 'shop.example' } })
    const url = `/v1/domains/${idOf(made)}`
    const vouched = await change(['PATCH', '/v1/domains/:id'], { url, body: { verified: true } })
    expectOne(vouched.records, { target: { kind: 'domain', name: 'shop.example' } })
    const quota = '/v1/quotas/domain/shop.example'
    const set = await change(['PUT', '/v1/quotas/:scope/:name'], {
      url: quota,
      body: { day: 100, over: 'delay' },
    })
    expectOne(set.records, { action: 'quota.changed', after: { day: 100 } })
    const lifted = await change(['DELETE', '/v1/quotas/:scope/:name'], { url: quota })
    expectOne(lifted.records, { action: 'quota.removed', before: { day: 100 } })
    const removed = await change(['DELETE', '/v1/domains/:id'], { url })
    expectOne(removed.records, { action: 'domain.removed', target: { name: 'shop.example' } })
  })

  test('roles, members and invitations', async () => {
    const role = await change(['POST', '/v1/roles'], {
      body: { name: 'support', title: 'Support', permissions: ['messages:read'] },
    })
    expectOne(role.records, { action: 'role.created', after: { permissions: ['messages:read'] } })
    const url = `/v1/roles/${idOf(role)}`
    const edited = await change(['PATCH', '/v1/roles/:id'], { url, body: { title: 'Helpers' } })
    expectOne(edited.records, { action: 'role.changed', before: { title: 'Support' } })
    expectOne((await change(['DELETE', '/v1/roles/:id'], { url })).records, {
      action: 'role.removed',
    })

    const { id, email } = await somebody({ role: 'analyst' })
    const member = `/v1/members/${encodeId('user', id)}`
    const moved = await change(['PATCH', '/v1/members/:id'], {
      url: member,
      body: { role: 'developer' },
    })
    expectOne(moved.records, {
      action: 'member.role-changed',
      target: { name: email },
      before: { role: 'analyst' },
      after: { role: 'developer' },
    })
    expectOne((await change(['DELETE', '/v1/members/:id'], { url: member })).records, {
      action: 'member.removed',
      before: { role: 'developer' },
    })

    const body = { email: 'guest@people.example', role: 'analyst' }
    const invited = await change(['POST', '/v1/invitations'], { body })
    expectOne(invited.records, { action: 'invitation.created', after: { role: 'analyst' } })
    const invitation = (invited.body['invitation'] as { id: string }).id
    const resend = await change(['POST', '/v1/invitations/:id/resend'], {
      url: `/v1/invitations/${invitation}/resend`,
    })
    expectOne(resend.records, { action: 'invitation.renewed' })
    const gone = await change(['DELETE', '/v1/invitations/:id'], {
      url: `/v1/invitations/${(resend.body['invitation'] as { id: string }).id}`,
    })
    expectOne(gone.records, { action: 'invitation.revoked' })
    await keepTokens()
  })

  test('invitations that are accepted, and tenants that are left', async () => {
    const guest = openBrowser(world.app, { ip: IP })
    await change(['POST', '/v1/invitations'], {
      body: { email: 'new@people.example', role: 'analyst' },
    })
    const token = tokenIn((await world.mails()).at(-1)?.text ?? '')
    secrets.add(token)
    const joined = await change(['POST', '/v1/invitations/accept'], {
      by: guest,
      body: { token, name: 'New', password: GOOD_PASSWORD },
    })
    const byLink = { kind: 'user', name: 'new@people.example', means: 'link', ip: IP }
    expect(joined.records).toMatchObject([
      { action: 'invitation.accepted', actor: byLink, after: { role: 'analyst' } },
    ])

    const { email } = await somebody()
    const browser = openBrowser(world.app, { ip: IP })
    await browser.signIn(email)
    await change(['POST', '/v1/invitations'], { body: { email, role: 'analyst' } })
    const second = tokenIn((await world.mails()).at(-1)?.text ?? '')
    secrets.add(second)
    const accepted = await change(['POST', '/v1/account/invitations/accept'], {
      by: browser,
      body: { token: second },
    })
    expect(accepted.records).toMatchObject([
      { action: 'invitation.accepted', actor: { name: email, means: 'session', ip: IP } },
    ])
    const left = await change(['DELETE', '/v1/account/memberships/:id'], {
      by: browser,
      url: `/v1/account/memberships/${encodeId('tenant', world.tenant)}`,
    })
    expect(left.records).toMatchObject([{ action: 'member.left', before: { role: 'analyst' } }])
  })

  test('tenants', async () => {
    const made = await change(['POST', '/v1/tenants'], { body: { name: 'second' } })
    expectOne(made.records, { action: 'tenant.created', target: { name: 'second' } })
    const disabled = await change(['PATCH', '/v1/tenants/:id'], {
      url: `/v1/tenants/${idOf(made)}`,
      body: { disabled: true },
    })
    expectOne(disabled.records, { target: { name: 'second' } })
    const own = await change(['PATCH', '/v1/tenant'], {
      body: { settings: { secondFactorRoles: ['billing'] } },
    })
    expectOne(own.records, { action: 'tenant.changed', after: { secondFactorRoles: ['billing'] } })
  })

  test('people of the installation', async () => {
    const made = await change(['POST', '/v1/users'], {
      body: { email: 'staff@people.example', name: 'Staff', platformRole: 'analyst' },
    })
    await keepTokens()
    expectOne(made.records, {
      action: 'user.created',
      target: { name: 'staff@people.example' },
      after: { platformRole: 'analyst' },
    })
    const { id } = made.body['user'] as { id: string }
    const url = `/v1/users/${id}`
    const edited = await change(['PATCH', '/v1/users/:id'], { url, body: { platformRole: null } })
    expectOne(edited.records, { before: { platformRole: 'analyst' } })
    for (const [word, action] of [
      ['deactivate', 'user.deactivated'],
      ['reactivate', 'user.reactivated'],
      ['release', 'user.released'],
      ['reset-second-factor', 'user.second-factor-reset'],
      ['sign-out', 'user.signed-out'],
    ] as const) {
      const done = await change(['POST', `/v1/users/:id/${word}`], { url: `${url}/${word}` })
      expectOne(done.records, { action, target: { id, name: 'staff@people.example' } })
    }
  })

  test('the ways out, limits and the queue', async () => {
    const host = { ehlo: 'two.example', ip: '198.51.100.8' }
    const source = await change(['POST', '/v1/sources'], { body: { name: 'two', ...host } })
    expectOne(source.records, { action: 'source.added', after: { ehlo: 'two.example' } })
    const off = await change(['PATCH', '/v1/sources/:name'], {
      url: '/v1/sources/two',
      body: { enabled: false },
    })
    expectOne(off.records, { target: { kind: 'source', name: 'two' } })
    const pool = await change(['POST', '/v1/pools'], { body: { name: 'bulk' } })
    expectOne(pool.records, { action: 'pool.added' })
    const weight = await change(['PUT', '/v1/pools/:name/sources/:source'], {
      url: '/v1/pools/bulk/sources/two',
      body: { weight: 3 },
    })
    expectOne(weight.records, { target: { kind: 'pool', name: 'bulk' }, after: { two: 3 } })
    secrets.add('smarthost-password')
    const nextHop = {
      host: 'smart.example',
      port: 587,
      tls: 'required',
      user: 'posthorn',
      password: 'smarthost-password',
    }
    const route = await change(['POST', '/v1/routes'], {
      body: { name: 'smart', position: 10, match: {}, nextHop },
    })
    expectOne(route.records, { action: 'route.added', target: { name: 'smart' } })
    expectOne((await change(['DELETE', '/v1/routes/:name'], { url: '/v1/routes/smart' })).records, {
      action: 'route.removed',
    })
    const limit = '/v1/limits/destination/default'
    const set = await change(['PUT', '/v1/limits/:scope/:key'], {
      url: limit,
      body: { connections: 3 },
    })
    expectOne(set.records, { after: { connections: 3 } })
    const lifted = await change(['DELETE', '/v1/limits/:scope/:key'], { url: limit })
    expectOne(lifted.records, { before: { connections: 3 } })

    const destination = { kind: 'mx', provider: undefined, site: 'mx.dest.example' } as const
    const [{ id: own } = { id: 0 }] = world.all<{ id: number }>('select id from sources limit 1')
    const of = { source: asId('source', own), destination }
    const lane = `/v1/queue/lanes/${encodeId('lane', await ensureLane(world.store, of, clock.now()))}`
    const held = await change(['POST', '/v1/queue/lanes/:id/suspend'], {
      url: `${lane}/suspend`,
      body: { minutes: 5, because: 'blocklisted' },
    })
    expectOne(held.records, { action: 'lane.suspended', after: { because: 'blocklisted' } })
    expectOne(
      (await change(['POST', '/v1/queue/lanes/:id/resume'], { url: `${lane}/resume` })).records,
      { action: 'lane.resumed' },
    )
    // Nothing that fits is nothing changed.
    await world.post('/v1/messages', aMessage())
    const retried = await change(['POST', '/v1/queue/retry'], { body: { domain: 'dest.example' } })
    expectOne(retried.records, { target: { kind: 'queue' } })
  })

  test('messages that are stopped', async () => {
    const sent = await world.post('/v1/messages', aMessage())
    const { id } = sent.json<{ id: string }>()
    const url = `/v1/messages/${id}/cancel`
    const stopped = await change(['POST', '/v1/messages/:id/cancel'], { url })
    expectOne(stopped.records, { action: 'message.cancelled', target: { id } })
  })

  test('the account of who is signed in', async () => {
    const { email } = await somebody({ role: 'analyst' })
    const browser = openBrowser(world.app, { ip: IP })
    const me = { kind: 'user', name: email, means: 'session', ip: IP }
    const mine = async (
      route: readonly [Method, string],
      action: string,
      more: { url?: string; body?: object } = {},
    ) => {
      const done = await change(route, { by: browser, ...more })
      expect(done.records.filter((record) => record.action === action)).toMatchObject([
        { actor: me, action },
      ])
      return done
    }
    await mine(['POST', '/v1/session'], 'session.opened', {
      body: { email, password: GOOD_PASSWORD },
    })
    await mine(['PATCH', '/v1/account'], 'user.changed', { body: { name: 'Ada' } })

    const begun = await browser.post('/v1/account/totp')
    const { secret } = begun.json<{ secret: string }>()
    secrets.add(secret)
    asked.add('POST /v1/account/totp')
    const confirmed = await mine(['POST', '/v1/account/totp/confirm'], 'second-factor.enrolled', {
      body: { code: await totpCode(secret, clock.now()) },
    })
    keepCodes(confirmed.body)
    expect(confirmed.records.map(({ action }) => action)).toContain('recovery-codes.created')
    const again = await mine(['POST', '/v1/account/recovery-codes'], 'recovery-codes.created')
    const codes = keepCodes(again.body)

    const app = softAuthenticator({ origin: ORIGIN })
    type Options = Parameters<typeof app.create>[0] & Parameters<typeof app.get>[0]
    const options = await browser.post('/v1/account/passkeys/options')
    const passkey = app.create(options.json<{ options: Options }>().options)
    await mine(['POST', '/v1/account/passkeys'], 'passkey.added', {
      body: { name: 'Laptop', passkey },
    })
    const list = await browser.get('/v1/account/passkeys')
    const [{ id } = { id: '' }] = list.json<{ items: { id: string }[] }>().items
    const url = `/v1/account/passkeys/${id}`
    await mine(['PATCH', '/v1/account/passkeys/:id'], 'passkey.renamed', {
      url,
      body: { name: 'Desk' },
    })

    clock.leap(MINUTE)
    await mine(['POST', '/v1/session'], 'session.opened', {
      body: { email, password: GOOD_PASSWORD },
    })
    const used = await mine(['POST', '/v1/session/second-factor'], 'recovery-code.used', {
      body: { recoveryCode: codes[0] },
    })
    expect(used.records.map(({ action }) => action)).toContain('session.confirmed')
    const totp = await totpCode(secret, clock.now())
    await mine(['POST', '/v1/session/confirm'], 'session.confirmed', { body: { totp } })

    const challenge = await openBrowser(world.app).post('/v1/session/passkey/options')
    const proof = app.get(challenge.json<{ options: Options }>().options)
    const other = openBrowser(world.app, { ip: IP })
    const opened = await change(['POST', '/v1/session/passkey'], {
      by: other,
      body: { passkey: proof },
    })
    expect(opened.records).toMatchObject([{ action: 'session.opened', actor: me }])
    const sessions = (await browser.get('/v1/account/sessions')).json<{
      items: { id: string; current: boolean }[]
    }>().items
    const [another] = sessions.filter(({ current }) => !current)
    await mine(['DELETE', '/v1/account/sessions/:id'], 'session.ended', {
      url: `/v1/account/sessions/${another?.id ?? ''}`,
    })
    await mine(['DELETE', '/v1/account/sessions'], 'session.all-ended')

    await mine(['DELETE', '/v1/account/passkeys/:id'], 'passkey.removed', { url })
    const removed = await mine(['DELETE', '/v1/account/totp'], 'second-factor.removed')
    expect(removed.records.map(({ action }) => action)).toContain('recovery-codes.removed')
    await mine(['POST', '/v1/account/password'], 'user.password-changed', {
      body: { current: GOOD_PASSWORD, next: NEXT_PASSWORD },
    })
    await mine(['DELETE', '/v1/session'], 'session.ended')
  })

  test('what mailed links do', async () => {
    const { id, email } = await somebody({ role: 'analyst' })
    const browser = openBrowser(world.app, { ip: IP })
    const byLink = { kind: 'user', name: email, means: 'link', ip: IP }
    /** Mails are written behind the answer. */
    const lastToken = (to: string): Promise<string> =>
      vi.waitFor(async () => {
        const mail = (await world.mails()).findLast((one) => one.to === to)
        const token = tokenIn(mail?.text ?? '')
        expect(token).not.toBe('')
        expect(secrets).not.toContain(token)
        secrets.add(token)
        return token
      })
    await change(['POST', '/v1/password-resets'], { by: browser, body: { email } })
    const token = await lastToken(email)
    await news()
    expect(await page('&action=user.reset-asked')).toMatchObject([
      { actor: { name: 'somebody', means: 'link', ip: IP }, target: { name: email } },
    ])
    const reset = await change(['POST', '/v1/password-resets/finish'], {
      by: browser,
      body: { token, password: NEXT_PASSWORD },
    })
    expect(reset.records).toMatchObject([{ action: 'user.password-reset', actor: byLink }])

    await browser.signIn(email, NEXT_PASSWORD)
    const body = { email: 'moved@people.example' }
    const wanted = await change(['POST', '/v1/account/email'], { by: browser, body })
    expect(wanted.records).toMatchObject([{ action: 'user.email-change-asked', after: body }])
    const moved = await change(['POST', '/v1/account/email/finish'], {
      by: browser,
      body: { token: await lastToken(body.email) },
    })
    expect(moved.records).toMatchObject([
      { action: 'user.email-changed', actor: byLink, before: { email }, after: body },
    ])

    const facts = { at: clock.now(), ip: IP, device: 'Test' }
    const actor = {
      kind: 'system',
      id: undefined,
      name: 'test',
      means: 'program',
      ip: undefined,
      country: undefined,
      requestId: undefined,
    } as const
    await world.control.accountLinks.sendRelease(actor, id, facts)
    const released = await change(['POST', '/v1/account/release'], {
      by: openBrowser(world.app, { ip: IP }),
      body: { token: await lastToken(body.email) },
    })
    expect(released.records).toMatchObject([
      { action: 'user.released', actor: { ...byLink, name: body.email } },
    ])

    const made = await change(['POST', '/v1/users'], {
      body: { email: 'late@people.example', name: 'Late' },
    })
    expect(made.records).toHaveLength(1)
    const setup = await change(['POST', '/v1/setup'], {
      by: openBrowser(world.app, { ip: IP }),
      body: {
        token: await lastToken('late@people.example'),
        name: 'Late',
        password: NEXT_PASSWORD,
      },
    })
    expect(setup.records).toMatchObject([{ action: 'user.set-up', actor: { means: 'link' } }])
  })

  test('the installation: exports, backups, the master key, security events', async () => {
    const exported = await change(['GET', '/v1/audit/export'])
    expectOne(exported.records, { action: 'audit.exported' })
    const event = await world.control.securityLog.record({
      kind: 'new-device',
      tenant: world.tenant,
      user: undefined,
      score: 20,
      decision: 'notify',
      ip: IP,
      country: undefined,
      data: {},
    })
    const handled = await change(['POST', '/v1/security-events/:id/handle'], {
      url: `/v1/security-events/${encodeId('security', event)}/handle`,
      body: { note: 'A holiday.' },
    })
    expectOne(handled.records, { action: 'security-event.handled', after: { note: 'A holiday.' } })
    const shown = await change(['POST', '/v1/backups/recovery-key'])
    secrets.add(String(shown.body['recoveryKey']))
    expectOne(shown.records, { target: { kind: 'backup' } })
    const rotated = await change(['POST', '/v1/secrets/rotate'])
    expectOne(rotated.records, { after: { version: 2 } })
  })
})

test('a key is named by its name, with its means', async () => {
  await news()
  const { id } = (await world.post('/v1/domains', { name: 'bykey.example' })).json<{ id: string }>()
  expect(await news()).toMatchObject([
    {
      action: 'domain.added',
      target: { id },
      actor: { kind: 'key', name: 'all', means: 'api-key' },
    },
  ])
})

test('a change that is refused is not recorded', async () => {
  await news()
  const refused = [
    await admin.post('/v1/domains', { name: 'not a domain' }),
    await admin.delete('/v1/keys/key_0000000zzzz'),
    await admin.post('/v1/tenants', { name: 'second' }),
  ]
  expect(refused.map(codeOf)).toEqual(['ADDRESS_INVALID', 'NOT_FOUND', 'NAME_TAKEN'])
  expect(await news()).toEqual([])
})

/** Routes that change nothing which anybody decided. */
const WITHOUT_RECORD: Readonly<Record<string, string>> = {
  'POST /v1/messages': 'mail has its own record: events, for good and in order',
  'POST /v1/messages/batch': 'the same',
  'POST /v1/messages/raw': 'the same',
  'POST /v1/session/passkey/options': 'a challenge of minutes',
  'POST /v1/session/second-factor/options': 'a challenge of minutes',
  'POST /v1/account/passkeys/options': 'a challenge of minutes',
  'POST /v1/account/totp': 'counts only once it is confirmed, which is recorded',
  'POST /v1/links/look': 'looking changes nothing',
  'POST /v1/backups': 'recorded when it is made; backups.test.ts',
  'POST /v1/backups/:name/verify': 'recorded when it is done; backups.test.ts',
  'DELETE /v1/backups/:name': 'needs a backup; backups.test.ts',
}

test('every route that changes something was asked above', () => {
  const changing = world.app.routeAccess
    .filter(({ method }) => method !== 'GET')
    .map(({ method, url }) => `${method} ${url}`)
  const missing = changing.filter((name) => !asked.has(name) && !(name in WITHOUT_RECORD))
  expect(missing).toEqual([])
  expect(Object.keys(WITHOUT_RECORD).filter((name) => !changing.includes(name))).toEqual([])
})

describe('after all of that', () => {
  test('no secret stands in the audit log, the security log, the sign-ins or the log', async () => {
    await world.store.writer.write([], { unaudited: 'test' })
    expect(secrets.size).toBeGreaterThan(40)
    for (const secret of secrets) expect(secret.length).toBeGreaterThan(8)
    const hashes = [
      'select secret_hash as hash from keys',
      'select secret_hash as hash from credentials',
      'select token_hash as hash from sessions',
      'select hash from user_tokens',
      'select hash from recovery_codes',
      'select password_hash as hash from users',
    ].flatMap((sql) => world.all<{ hash: string | null }>(sql).map(({ hash }) => hash))
    expect(hashes.length).toBeGreaterThan(20)
    const plain = [...secrets, ...hashes].filter((text) => typeof text === 'string')
    const logs = {
      audit: JSON.stringify(world.all('select * from audit')),
      security: JSON.stringify(world.all('select * from security_events')),
      signIns: JSON.stringify(world.all('select * from sign_ins')),
      log: world.log.lines.map((line) => inspected(line)).join('\n'),
    }
    for (const [name, text] of Object.entries(logs)) {
      expect([name, text.length > 500]).toEqual([name, true])
      expect([name, plain.filter((secret) => text.includes(secret))]).toEqual([name, []])
    }
  })

  test('the chain is whole', async () => {
    const report = await admin.get('/v1/audit/verify')
    expect(report.json()).toMatchObject({ ok: true, faults: [] })
    expect(report.json<{ records: number }>().records).toBeGreaterThan(60)
  })

  test('the export has every record of the tenant as one line, oldest first', async () => {
    const answer = await admin.get('/v1/audit/export')
    const lines = answer.body.trimEnd().split('\n')
    const ids = lines.map((line) => (JSON.parse(line) as { id: string }).id)
    expect(ids).toEqual([...ids].sort())
    expect(new Set(ids).size).toBe(ids.length)
    const whole = (await admin.get('/v1/audit/export?all=true')).body.trimEnd().split('\n')
    expect(whole.length).toBeGreaterThan(lines.length)
  })
})

/** With what errors carry, which JSON leaves out. */
const inspected = (value: unknown): string => inspect(value, { depth: 10, maxStringLength: null })

describe('reading the log', () => {
  test.each<[query: string, status: number, code: string, why: string]>([
    ['limit=0', 400, 'BODY_INVALID', 'no page has no item'],
    ['limit=501', 400, 'BODY_INVALID', 'no page has so many'],
    ['cursor=x', 400, 'CURSOR_INVALID', 'not of this list'],
    ['since=yesterday', 400, 'BODY_INVALID', 'no time'],
    ['tenant=1', 400, 'FIELD_UNKNOWN', 'no such filter'],
  ])('?%s → %i %s: %s', async (query, status, code) => {
    const answer = await admin.get(`/v1/audit?${query}`)
    expect([answer.statusCode, codeOf(answer)]).toEqual([status, code])
  })

  test('of the whole installation is for its operators', async () => {
    const owner = await world.people({ role: 'owner' })
    for (const url of ['/v1/audit?all=true', '/v1/audit/export?all=true']) {
      const answer = await owner.call({ method: 'GET', url })
      expect([url, answer.statusCode, codeOf(answer)]).toEqual([url, 403, 'PERMISSION_MISSING'])
    }
  })

  test('goes by action, actor, target, time and page', async () => {
    const actions = (await page('&action=key.*')).map(({ action }) => action)
    expect(new Set(actions)).toEqual(
      new Set(['key.created', 'key.changed', 'key.rotated', 'key.revoked']),
    )
    const mine = await page(`&actor=${encodeURIComponent(adminEmail)}`)
    expect(new Set(mine.map(({ actor }) => actor.name))).toEqual(new Set([adminEmail]))
    const [record] = await page('&action=role.created')
    const ofTarget = await page(`&target=${record?.target.id ?? ''}`)
    expect(ofTarget.map(({ action }) => action)).toEqual([
      'role.removed',
      'role.changed',
      'role.created',
    ])
    const since = new Date(clock.now() + MINUTE).toISOString()
    expect(await page(`&since=${since}`)).toEqual([])
    const first = await admin.get('/v1/audit?limit=2')
    const { items, nextCursor } = first.json<{ items: AuditRecord[]; nextCursor: string }>()
    const second = await admin.get(`/v1/audit?limit=2&cursor=${nextCursor}`)
    const ids = [...items, ...second.json<{ items: AuditRecord[] }>().items].map(({ id }) => id)
    expect(ids).toEqual([...new Set(ids)].sort().reverse())
    expect(ids).toHaveLength(4)
  })
})
