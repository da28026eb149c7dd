/** Signing in as a browser does it: cookies, origin, CSRF token, and nothing but HTTP. */
import { createMongoAbility, subject } from '@casl/ability'
import type { MongoAbility, RawRuleOf } from '@casl/ability'
import { unpackRules } from '@casl/ability/extra'
import type { PackRule } from '@casl/ability/extra'
import type { HTTPMethods } from 'fastify'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { encodeId } from '../../server/core/ids.ts'
import { ALL_PERMISSIONS, BUILT_IN_ROLES, PLATFORM_ROLES } from '../../server/core/permission.ts'
import type { BuiltInRole, Permission, PlatformRole } from '../../server/core/permission.ts'
import { softAuthenticator } from '../support/authenticator.ts'
import { leapClock } from '../support/leap-clock.ts'
import type { LeapClock } from '../support/leap-clock.ts'
import { enrolTotp, GOOD_PASSWORD, newcomer, openBrowser, totpCode } from './browser.ts'
import type { Browser } from './browser.ts'
import { codeOf, openWorld, ORIGIN } from './support.ts'
import type { World } from './support.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

let world: World
let clock: LeapClock
beforeAll(async () => {
  clock = leapClock()
  world = await openWorld({}, {}, { clock })
})
afterAll(() => world.close())

interface SessionView {
  readonly stage: string
  readonly user: { readonly email: string; readonly platformRole?: string }
  readonly memberships: readonly { tenant: string; name: string; role: string }[]
  readonly rules: PackRule<RawRuleOf<MongoAbility>>[]
  readonly confirmed: boolean
}
const sessionOf = async (browser: Browser): Promise<SessionView> =>
  (await browser.get('/v1/session')).json<SessionView>()

const now = () => clock.now()
/** That a session was used is noted behind the answer. */
const noted = (at: World = world) => at.store.writer.write([], { unaudited: 'test' })
const signedIn = async (email: string, at: World = world): Promise<Browser> => {
  const browser = openBrowser(at.app)
  expect((await browser.signIn(email)).statusCode).toBe(200)
  return browser
}

test('from the setup link of an empty folder to a key: every step that the first owner takes', async () => {
  const first = await openWorld({}, {}, { clock, firstStart: true })
  onTestFinished(() => first.close())
  const browser = openBrowser(first.app)
  const token = first.setupToken

  const look = await browser.post('/v1/links/look', { token })
  expect(look.json()).toMatchObject({ purpose: 'setup', needsPassword: true, mayChangeEmail: true })
  const wish = { token, name: 'Ada', email: 'ada@example.com', password: GOOD_PASSWORD }
  expect((await browser.post('/v1/setup', wish)).json()).toEqual({ email: 'ada@example.com' })
  expect(codeOf(await browser.post('/v1/setup', wish))).toBe('LINK_INVALID')
  expect(browser.cookies.size).toBe(0)

  expect((await browser.signIn('ada@example.com')).json()).toEqual({ stage: 'open', factors: [] })
  expect(await sessionOf(browser)).toMatchObject({
    stage: 'open',
    confirmed: true,
    user: { email: 'ada@example.com', platformRole: 'admin' },
    memberships: [{ name: 'default', role: 'owner' }],
  })

  const before = browser.token
  const { secret, codes } = await enrolTotp(browser, now)
  expect(codes).toHaveLength(10)
  expect(browser.token).not.toBe(before)
  expect((await browser.get('/v1/account/factors')).json()).toEqual({
    totp: true,
    passkeys: 0,
    recoveryCodes: 10,
  })

  const thief = browser.copy()
  expect((await browser.delete('/v1/session')).statusCode).toBe(204)
  expect([...browser.cookies.keys()]).toEqual(['__Host-posthorn-device'])
  expect(codeOf(await browser.get('/v1/session'))).toBe('AUTH_REQUIRED')
  expect(codeOf(await thief.get('/v1/session'))).toBe('SESSION_ENDED')

  clock.leap(MINUTE)
  expect((await browser.signIn('ada@example.com')).json()).toEqual({
    stage: 'second-factor',
    factors: ['totp', 'recovery-code'],
  })
  expect(await sessionOf(browser)).toMatchObject({ stage: 'second-factor', rules: [] })
  for (const url of ['/v1/messages', '/v1/account/factors', '/v1/account/sessions'])
    expect([url, codeOf(await browser.get(url))]).toEqual([url, 'SECOND_FACTOR_REQUIRED'])
  expect(codeOf(await browser.post('/v1/session/confirm', { password: GOOD_PASSWORD }))).toBe(
    'SECOND_FACTOR_REQUIRED',
  )
  const wrong = await browser.post('/v1/session/second-factor', { totp: '000000' })
  expect([wrong.statusCode, codeOf(wrong)]).toEqual([401, 'SECOND_FACTOR_WRONG'])
  const half = browser.token
  const totp = await totpCode(secret, now())
  expect((await browser.post('/v1/session/second-factor', { totp })).json()).toEqual({
    stage: 'open',
    factors: [],
  })
  expect(browser.token).not.toBe(half)
  expect((await browser.get('/v1/messages')).statusCode).toBe(200)

  const wanted = { name: 'shop', scopes: ['messages:send'] }
  clock.leap(11 * MINUTE)
  expect((await sessionOf(browser)).confirmed).toBe(false)
  expect(codeOf(await browser.post('/v1/keys', wanted))).toBe('STEP_UP_REQUIRED')
  expect(codeOf(await browser.post('/v1/session/confirm', { password: GOOD_PASSWORD }))).toBe(
    'SECOND_FACTOR_WRONG',
  )
  const fresh = await totpCode(secret, now())
  expect((await browser.post('/v1/session/confirm', { totp: fresh })).statusCode).toBe(200)
  const made = await browser.post('/v1/keys', wanted)
  expect([made.statusCode, typeof made.json<{ secret: string }>().secret]).toEqual([201, 'string'])
})

describe('what the rules of GET /v1/session say', () => {
  let gate: World
  beforeAll(async () => {
    gate = await openWorld()
    gate.app.addHook('preParsing', (request, reply, _payload, done) => {
      if (request.url !== '/v1/session') reply.code(299).send('the gate is open')
      done()
    })
    await gate.app.ready()
  })
  afterAll(() => gate.close())

  async function expectAgreement(
    who: {
      readonly headers: Readonly<Record<string, string>>
    },
    held: readonly Permission[],
  ): Promise<void> {
    const answer = await gate.app.inject({ url: '/v1/session', headers: who.headers })
    // As the admin does; `manage` and `all` are CASL's own wildcards unless it is told others.
    const ability = createMongoAbility(unpackRules(answer.json<SessionView>().rules), {
      anyAction: '*',
      anySubjectType: '*',
    })
    const may = (permission: Permission, tenant: string): boolean => {
      const [resource = '', action = ''] = permission.split(':')
      return ability.can(action, subject(resource, { tenant }))
    }
    const own = encodeId('tenant', gate.tenant)
    expect(ALL_PERMISSIONS.filter((permission) => may(permission, own))).toEqual(
      ALL_PERMISSIONS.filter((permission) => held.includes(permission)),
    )
    const other = encodeId('tenant', await gate.newTenant(`other-${Date.now().toString(36)}`))
    const asked: string[] = []
    for (const { method, url, permission } of gate.app.routeAccess) {
      if (permission === undefined) continue
      for (const tenant of [own, other]) {
        const { statusCode } = await gate.app.inject({
          method: method as HTTPMethods & 'GET',
          url: url.replaceAll(/:\w+/g, 'x'),
          headers: { ...who.headers, 'posthorn-tenant': tenant },
        })
        if ((statusCode === 299) !== may(permission, tenant))
          asked.push(`${method} ${url} in ${tenant}: ${statusCode}, not as the rules say`)
      }
    }
    expect(asked).toEqual([])
  }

  test.each(Object.keys(BUILT_IN_ROLES) as BuiltInRole[])(
    'of a member with the role %s is what the gate does, here and in another tenant',
    async (role) => {
      await expectAgreement(await gate.people({ role }), BUILT_IN_ROLES[role].permissions)
    },
  )
  test.each(Object.keys(PLATFORM_ROLES) as PlatformRole[])(
    'of a platform %s is what the gate does',
    async (platformRole) => {
      const { permissions, inTenants } = PLATFORM_ROLES[platformRole]
      await expectAgreement(await gate.people({ platformRole }), [
        ...permissions,
        ...BUILT_IN_ROLES[inTenants].permissions,
      ])
    },
  )
  test('of a role of the tenant’s own is what the gate does', async () => {
    const permissions = ['keys:read', 'audit:read'] as const
    const role = { name: 'odd', title: 'Odd', permissions, secondFactor: false }
    await gate.control.roles.add(SYSTEM_ACTOR, gate.tenant, role)
    await expectAgreement(await gate.people({ role: 'odd' }), permissions)
  })
})

describe('a passkey', () => {
  const app = softAuthenticator({ origin: ORIGIN })
  type Options = Parameters<typeof app.create>[0] & Parameters<typeof app.get>[0]
  const optionsOf = async (browser: Browser, url: string): Promise<Options> =>
    (await browser.post(url)).json<{ options: Options }>().options

  test('is a second factor, and both factors at once', async () => {
    const { email } = await newcomer(world, { role: 'owner' })
    const browser = await signedIn(email)
    const before = browser.token
    const made = await browser.post('/v1/account/passkeys', {
      name: 'Laptop',
      passkey: app.create(await optionsOf(browser, '/v1/account/passkeys/options')),
    })
    expect(made.json<{ codes: string[] }>().codes).toHaveLength(10)
    expect(browser.token).not.toBe(before)

    const other = openBrowser(world.app)
    expect((await other.signIn(email)).json()).toEqual({
      stage: 'second-factor',
      factors: ['passkey', 'recovery-code'],
    })
    const asked = await optionsOf(other, '/v1/session/second-factor/options')
    const proof = { passkey: app.get(asked) }
    const done = await other.post('/v1/session/second-factor', proof)
    expect(done.json()).toEqual({ stage: 'open', factors: [] })

    const third = openBrowser(world.app)
    const passkey = app.get(await optionsOf(third, '/v1/session/passkey/options'))
    expect((await third.post('/v1/session/passkey', { passkey })).json()).toEqual({
      stage: 'open',
      factors: [],
    })
    expect(await sessionOf(third)).toMatchObject({ stage: 'open', user: { email } })
    const again = await openBrowser(world.app).post('/v1/session/passkey', { passkey })
    expect([again.statusCode, codeOf(again)]).toEqual([401, 'SIGN_IN_FAILED'])
  })

  test('of another site is refused', async () => {
    const { email } = await newcomer(world)
    const browser = await signedIn(email)
    const options = await optionsOf(browser, '/v1/account/passkeys/options')
    const passkey = app.create(options, { origin: 'https://evil.example' })
    const answer = await browser.post('/v1/account/passkeys', { name: 'Laptop', passkey })
    expect(codeOf(answer)).toBe('PASSKEY_INVALID')
  })

  test('confirms a dangerous act', async () => {
    const { email } = await newcomer(world, { role: 'owner' })
    const browser = await signedIn(email)
    const passkey = app.create(await optionsOf(browser, '/v1/account/passkeys/options'))
    await browser.post('/v1/account/passkeys', { name: 'Laptop', passkey })
    clock.leap(11 * MINUTE)
    expect(codeOf(await browser.post('/v1/account/recovery-codes'))).toBe('STEP_UP_REQUIRED')
    const asked = await optionsOf(browser, '/v1/session/second-factor/options')
    const confirmed = await browser.post('/v1/session/confirm', { passkey: app.get(asked) })
    expect(confirmed.statusCode).toBe(200)
    expect((await browser.post('/v1/account/recovery-codes')).statusCode).toBe(200)
  })
})

describe('a session', () => {
  test('that is used lasts for its lifetime, and not longer', async () => {
    const { email } = await newcomer(world)
    const browser = await signedIn(email)
    const start = now()
    while (now() - start < 13 * DAY) {
      clock.leap(11 * HOUR)
      expect((await browser.get('/v1/session')).statusCode).toBe(200)
      await noted()
    }
    while (now() - start < 14 * DAY - MINUTE) {
      clock.leap(Math.min(6 * HOUR, start + 14 * DAY - MINUTE - now()))
      expect((await browser.get('/v1/session')).statusCode).toBe(200)
      await noted()
    }
    clock.leap(2 * MINUTE)
    expect(codeOf(await browser.get('/v1/session'))).toBe('SESSION_ENDED')
  })

  test('that is not used ends, however young it is', async () => {
    const { email } = await newcomer(world)
    const browser = await signedIn(email)
    clock.leap(12 * HOUR - MINUTE)
    expect((await browser.get('/v1/session')).statusCode).toBe(200)
    await noted()
    clock.leap(12 * HOUR + MINUTE)
    expect(codeOf(await browser.get('/v1/session'))).toBe('SESSION_ENDED')
    expect(codeOf(await browser.get('/v1/account/sessions'))).toBe('SESSION_ENDED')
  })

  test('above the limit of devices ends the one that was unused the longest', async () => {
    const few = await openWorld({}, { security: { devicesPerUser: 2 } }, { clock })
    onTestFinished(() => few.close())
    const { email } = await newcomer(few)
    const first = await signedIn(email, few)
    clock.leap(2 * MINUTE)
    const second = await signedIn(email, few)
    clock.leap(2 * MINUTE)
    expect((await first.get('/v1/session')).statusCode).toBe(200)
    await noted(few)
    clock.leap(2 * MINUTE)
    const third = await signedIn(email, few)
    expect(codeOf(await second.get('/v1/session'))).toBe('SESSION_ENDED')
    for (const browser of [first, third])
      expect((await browser.get('/v1/session')).statusCode).toBe(200)
  })

  test('of a browser that signs in again is ended, and never taken over', async () => {
    const { email } = await newcomer(world)
    const browser = await signedIn(email)
    const former = browser.copy()
    await browser.signIn(email)
    expect(browser.token).not.toBe(former.token)
    expect(codeOf(await former.get('/v1/session'))).toBe('SESSION_ENDED')
  })

  test('of somebody who gives a wrong password stays as it is', async () => {
    const { email } = await newcomer(world)
    const browser = await signedIn(email)
    expect(codeOf(await browser.signIn(email, 'not the password'))).toBe('SIGN_IN_FAILED')
    expect((await browser.get('/v1/session')).statusCode).toBe(200)
  })
})

describe('a second factor that everybody must have', () => {
  test('is asked for at once, also in sessions that are open, and setting it up opens them', async () => {
    const tenant = await world.newTenant('strict')
    const owner = await newcomer(world, { role: 'owner', tenant })
    const other = await newcomer(world, { role: 'analyst', tenant })
    const browser = await signedIn(owner.email)
    const colleague = await signedIn(other.email)
    const settings = { requireSecondFactor: 'everybody' }
    expect((await browser.patch('/v1/tenant', { settings })).statusCode).toBe(200)

    for (const one of [browser, colleague]) {
      expect(await sessionOf(one)).toMatchObject({ stage: 'enrol', rules: [] })
      expect(codeOf(await one.get('/v1/messages'))).toBe('SECOND_FACTOR_MISSING')
      expect(codeOf(await one.patch('/v1/account', { name: 'X' }))).toBe('SECOND_FACTOR_MISSING')
    }
    const late = openBrowser(world.app)
    expect((await late.signIn(other.email)).json()).toEqual({ stage: 'enrol', factors: [] })

    await enrolTotp(late, now)
    expect(await sessionOf(late)).toMatchObject({ stage: 'open' })
    expect((await late.get('/v1/messages')).statusCode).toBe(200)
    // The factor counts for the other browser, which had been open all along.
    expect(await sessionOf(colleague)).toMatchObject({ stage: 'open' })
    // It cannot be got rid of to be left without any.
    clock.leap(MINUTE)
    expect((await late.delete('/v1/account/totp')).statusCode).toBe(204)
    expect(await sessionOf(late)).toMatchObject({ stage: 'enrol' })
  })

  test('does not open a session in which it was set up halfway', async () => {
    const tenant = await world.newTenant('halfway')
    await world.control.tenants.change(SYSTEM_ACTOR, tenant, {
      settings: { requireSecondFactor: 'everybody' },
    })
    const { email } = await newcomer(world, { role: 'owner', tenant })
    const browser = openBrowser(world.app)
    expect((await browser.signIn(email)).json()).toMatchObject({ stage: 'enrol' })
    await browser.post('/v1/account/totp')
    expect(codeOf(await browser.post('/v1/account/totp/confirm', { code: '000000' }))).toBe(
      'SECOND_FACTOR_WRONG',
    )
    expect(codeOf(await browser.get('/v1/messages'))).toBe('SECOND_FACTOR_MISSING')
  })
})
