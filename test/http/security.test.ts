/** Strange sign-ins over HTTP: what is done about a place that nobody can have come from, and the security log. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import type { TenantId } from '../../server/core/ids.ts'
import type { NewSecurityEvent } from '../../server/core/security.ts'
import { realRandom } from '../../server/ports.ts'
import { OPERATOR_GRANT } from '../../server/services/access-terms.ts'
import { newApiKey } from '../../server/services/auth/secret.ts'
import { leapClock } from '../support/leap-clock.ts'
import type { LeapClock } from '../support/leap-clock.ts'
import { mmdb } from '../support/mmdb.ts'
import { enrolTotp, GOOD_PASSWORD, newcomer, openBrowser, tokenIn, totpCode } from './browser.ts'
import type { Browser } from './browser.ts'
import { codeOf, openWorld } from './support.ts'
import type { World } from './support.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** A server at home in one network, and what its people come from. */
const BERLIN = '81.2.69.7'
const BERLIN_TOO = '81.2.69.99'
const SYDNEY = '1.128.0.7'
const BERLIN_6 = '2a02:2e0:3fe:1001::7'
const SYDNEY_6 = '2403:5800:7000::7'

const spot = (country: string, city: string, latitude: number, longitude: number) => ({
  country: { iso_code: country },
  city: { names: { en: city } },
  location: { latitude, longitude, accuracy_radius: 20 },
})
const berlin = spot('DE', 'Berlin', 52.52, 13.4)
const sydney = spot('AU', 'Sydney', -33.87, 151.21)

let dir: string
let world: World
let clock: LeapClock
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'posthorn-places-'))
  const cityFile = join(dir, 'city.mmdb')
  writeFileSync(
    cityFile,
    mmdb({
      type: 'GeoLite2-City',
      networks: {
        '81.2.69.0/24': berlin,
        '1.128.0.0/16': sydney,
        '2a02:2e0::/32': berlin,
        '2403:5800::/32': sydney,
      },
    }),
  )
  clock = leapClock()
  world = await openWorld(
    { trustedProxies: ['127.0.0.1'] },
    { security: { geoip: { cityFile } }, mail: { from: 'posthorn@live.example' } },
    { clock },
  )
})
afterAll(async () => {
  await world.close()
  rmSync(dir, { recursive: true, force: true })
})

const at = (ip: string): Browser => openBrowser(world.app, { ip })
const now = () => clock.now()
const eventsOf = async (browser: Browser): Promise<Record<string, unknown>[]> =>
  (await browser.get('/v1/account/security-events')).json<{ items: Record<string, unknown>[] }>()
    .items
const kindsOf = async (browser: Browser) => (await eventsOf(browser)).map(({ kind }) => kind)
/** Notices are written behind the answer. */
const written = () => world.store.writer.write([], { unaudited: 'test' })
const mailsTo = async (email: string) => (await world.mails()).filter(({ to }) => to === email)

/** Somebody whose first sign-in was from there. */
async function resident(ip: string, role = 'analyst') {
  const { id, email } = await newcomer(world, { role })
  const home = at(ip)
  expect((await home.signIn(email)).json()).toMatchObject({ stage: 'open' })
  return { id, email, home }
}

describe.each([
  ['IPv4', BERLIN, SYDNEY],
  ['IPv6', BERLIN_6, SYDNEY_6],
])('over %s', (_family, here, there) => {
  test('a password that is right in Sydney half an hour after Berlin locks the account, and the mailed link opens it for Sydney', async () => {
    const { email, home } = await resident(here)
    clock.leap(30 * MINUTE)
    const far = at(there)
    const locked = await far.signIn(email)
    expect([locked.statusCode, codeOf(locked)]).toEqual([403, 'ACCOUNT_LOCKED'])
    expect(far.cookies.size).toBe(0)
    // Whoever has the wrong password does not learn that it is locked.
    expect(codeOf(await far.signIn(email, 'not the password'))).toBe('SIGN_IN_FAILED')
    // All access ends, at home too.
    expect(codeOf(await home.get('/v1/session'))).toBe('SESSION_ENDED')
    expect(codeOf(await home.signIn(email))).toBe('ACCOUNT_LOCKED')

    const mail = (await mailsTo(email)).at(-1)
    expect(mail?.text).toContain('Sydney, AU')
    const released = await far.post('/v1/account/release', { token: tokenIn(mail?.text ?? '') })
    expect(released.json()).toEqual({ email })
    expect((await far.signIn(email)).json()).toMatchObject({ stage: 'open' })
    expect((await far.get('/v1/session')).statusCode).toBe(200)
    expect(await kindsOf(far)).toEqual(
      expect.arrayContaining(['account-locked', 'account-released']),
    )
    // The link worked once.
    const again = await far.post('/v1/account/release', { token: tokenIn(mail?.text ?? '') })
    expect(codeOf(again)).toBe('LINK_INVALID')
  })

  test('a link that is opened at home does not open the account for where the thief is', async () => {
    const { email, home } = await resident(here)
    clock.leap(30 * MINUTE)
    await at(there).signIn(email)
    const mail = (await mailsTo(email)).at(-1)
    await home.post('/v1/account/release', { token: tokenIn(mail?.text ?? '') })
    expect((await home.signIn(email)).json()).toMatchObject({ stage: 'open' })
    expect(codeOf(await at(there).signIn(email))).toBe('ACCOUNT_LOCKED')
  })

  test('a session that is suddenly used from Sydney is asked for the second factor again', async () => {
    const { home } = await resident(here)
    const { secret } = await enrolTotp(home, now)
    expect((await home.get('/v1/messages')).statusCode).toBe(200)
    clock.leap(30 * MINUTE)
    const thief = home.copy({ ip: there })
    expect(codeOf(await thief.get('/v1/messages'))).toBe('SECOND_FACTOR_REQUIRED')
    // It is one session: the person at home is asked, too.
    expect(codeOf(await home.get('/v1/messages'))).toBe('SECOND_FACTOR_REQUIRED')
    const totp = await totpCode(secret, now())
    expect((await home.post('/v1/session/second-factor', { totp })).json()).toMatchObject({
      stage: 'open',
    })
    expect((await home.get('/v1/messages')).statusCode).toBe(200)
    // The copy has a token that is worth nothing now.
    expect(codeOf(await thief.get('/v1/messages'))).toBe('SESSION_ENDED')
    await written()
    expect(await eventsOf(home)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          kind: 'impossible-travel',
          decision: 'challenge',
          country: 'AU',
        }),
      ]),
    )
  })

  test('the same session without a second factor is over', async () => {
    const { home } = await resident(here)
    clock.leap(30 * MINUTE)
    expect(codeOf(await home.copy({ ip: there }).get('/v1/session'))).toBe('SESSION_ENDED')
    expect(codeOf(await home.get('/v1/session'))).toBe('SESSION_ENDED')
  })
})

test('who has had the time to travel is told by mail, and let in', async () => {
  const { email, home } = await resident(BERLIN)
  clock.leap(40 * HOUR)
  const before = (await mailsTo(email)).length
  const far = home.from(SYDNEY)
  expect((await far.signIn(email)).json()).toMatchObject({ stage: 'open' })
  expect(await mailsTo(email)).toHaveLength(before + 1)
  expect(await eventsOf(far)).toMatchObject([{ kind: 'new-country', decision: 'notify' }])
})

test('another address of the same town is nothing', async () => {
  const { email, home } = await resident(BERLIN)
  const before = (await mailsTo(email)).length
  const neighbour = home.from(BERLIN_TOO)
  expect((await neighbour.signIn(email)).json()).toMatchObject({ stage: 'open' })
  expect(await eventsOf(neighbour)).toEqual([])
  expect(await mailsTo(email)).toHaveLength(before)
})

test('a place that is not known is no anomaly', async () => {
  const { email, home } = await resident(BERLIN)
  for (const ip of ['203.0.113.9', '10.0.0.9', '2001:db8::9']) {
    const answer = await home.from(ip).signIn(email)
    expect([ip, answer.statusCode]).toEqual([ip, 200])
  }
})

test('an address that no proxy of ours has told is not believed', async () => {
  const plain = await openWorld()
  const { email } = await newcomer(plain)
  const liar = openBrowser(plain.app, { ip: SYDNEY })
  await liar.signIn(email)
  const { items } = (await liar.get('/v1/account/sessions')).json<{ items: { ip: string }[] }>()
  expect(items.map(({ ip }) => ip)).toEqual(['127.0.0.1'])
  await plain.close()
})

test('failures at many accounts from one network are told once, and do not say what was typed', async () => {
  const admin = await newcomer(world, { platformRole: 'admin' })
  const browser = at(BERLIN)
  await browser.signIn(admin.email)
  const guesser = at('2.125.160.216')
  for (let i = 0; i < 8; i++) await guesser.signIn(`nobody-${i}@people.example`, 'a wrong one')
  await written()
  const list = await browser.get('/v1/security-events?all=true&limit=200')
  const bursts = list
    .json<{ items: { kind: string; ip: string }[] }>()
    .items.filter(({ kind }) => kind === 'sign-in-failed-burst')
  expect(bursts).toMatchObject([{ ip: '2.125.160.216' }])
  expect(list.body).not.toContain('nobody-')
})

describe('the security log of a tenant', () => {
  const event = (tenant: TenantId, kind: NewSecurityEvent['kind']): NewSecurityEvent => ({
    kind,
    tenant,
    user: undefined,
    score: 50,
    decision: 'notify',
    ip: BERLIN,
    country: 'DE',
    data: { name: 'shop' },
  })

  test('is read page by page, and what was looked at is marked with a note', async () => {
    const tenant = await world.newTenant('watched')
    for (const kind of ['new-country', 'new-device', 'code-replayed'] as const)
      await world.control.securityLog.record(event(tenant, kind))
    const { email } = await newcomer(world, { role: 'owner', tenant })
    const browser = at(BERLIN)
    await browser.signIn(email)
    interface Page {
      items: { id: string; kind: string; handledBy?: string; note?: string }[]
      nextCursor: string | null
    }
    const page = async (query: string): Promise<Page> =>
      (await browser.get(`/v1/security-events${query}`)).json<Page>()
    const first = await page('?limit=2')
    const second = await page(`?limit=2&cursor=${first.nextCursor ?? ''}`)
    expect([...first.items, ...second.items].map(({ kind }) => kind)).toEqual([
      'code-replayed',
      'new-device',
      'new-country',
    ])
    expect(second.nextCursor).toBeNull()

    const url = `/v1/security-events/${first.items[0]?.id ?? ''}/handle`
    expect((await browser.post(url, { note: 'It was me.' })).statusCode).toBe(204)
    expect(codeOf(await browser.post(url, { note: 'Again.' }))).toBe('STATE_CONFLICT')
    expect((await page('?unhandled=true')).items).toHaveLength(2)
    expect((await page('')).items[0]).toMatchObject({ handledBy: email, note: 'It was me.' })
  })

  test.each([
    ['?all=true', 403, 'PERMISSION_MISSING', 'the installation is not the owner’s to see'],
    ['?limit=0', 400, 'BODY_INVALID', 'no page has no item'],
    ['?cursor=x', 400, 'CURSOR_INVALID', 'not a cursor of this list'],
    ['?x=1', 400, 'FIELD_UNKNOWN', 'no such filter'],
  ])('%s → %i %s: %s', async (query, status, code) => {
    const { home } = await resident(BERLIN, 'owner')
    const answer = await home.get(`/v1/security-events${query}`)
    expect([answer.statusCode, codeOf(answer)]).toEqual([status, code])
  })
})

test('a password that was changed is an event of the account, without the password', async () => {
  const { home } = await resident(BERLIN)
  const next = 'nine loud badgers swim away'
  const changed = await home.post('/v1/account/password', { current: GOOD_PASSWORD, next })
  expect(changed.statusCode).toBe(204)
  const list = await home.get('/v1/account/security-events')
  expect(list.json<{ items: object[] }>().items).toMatchObject([{ kind: 'password-changed' }])
  expect(list.body).not.toContain(next)
})

test('a right key from a network it is not bound to is told once an hour, a wrong key never', async () => {
  const own = await openWorld()
  onTestFinished(() => own.close())
  const made = await own.access.keys.create(SYSTEM_ACTOR, own.tenant, {
    name: 'bound',
    scopes: ['messages:read'],
    mode: 'live',
    networks: ['192.0.2.0/24'],
    grant: OPERATOR_GRANT,
  })
  for (const secret of [made.secret, made.secret, newApiKey('live', realRandom)])
    await own.get('/v1/messages', { authorization: `Bearer ${secret}` })
  await expect
    .poll(() => own.all("select kind from security_events where kind = 'key-refused-network'"))
    .toHaveLength(1)
  expect(
    own.all<{ tenant_id: number; data: string }>('select tenant_id, data from security_events'),
  ).toEqual([{ tenant_id: own.tenant, data: '{"kind":"key","name":"bound"}' }])
})

test('a log that is not whole is told in the security log', async () => {
  const own = await openWorld()
  onTestFinished(() => own.close())
  const db = new Database(own.store.file)
  db.exec("drop trigger audit_no_update; update audit set actor_name = 'x' where id = 1")
  db.close()
  const admin = await own.people({ platformRole: 'admin' })
  const answer = await admin.call({ method: 'GET', url: '/v1/audit/verify' })
  expect(answer.json()).toMatchObject({ ok: false, faults: [{ id: 1, kind: 'edited' }] })
  await expect
    .poll(() => own.all("select 1 from security_events where kind = 'audit-chain-broken'"))
    .toHaveLength(1)
})
