/** Second factors over HTTP: set up, replaced, taken away, and each code good once. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { softAuthenticator } from '../support/authenticator.ts'
import { leapClock } from '../support/leap-clock.ts'
import type { LeapClock } from '../support/leap-clock.ts'
import { enrolTotp, newcomer, openBrowser, totpCode } from './browser.ts'
import type { Browser } from './browser.ts'
import { codeOf, openWorld, ORIGIN } from './support.ts'
import type { World } from './support.ts'

const MINUTE = 60_000

let world: World
let clock: LeapClock
beforeAll(async () => {
  clock = leapClock()
  world = await openWorld({}, {}, { clock })
})
afterAll(() => world.close())

const now = () => clock.now()
async function somebody(): Promise<{ email: string; browser: Browser }> {
  const { email } = await newcomer(world, { role: 'analyst' })
  const browser = openBrowser(world.app)
  expect((await browser.signIn(email)).statusCode).toBe(200)
  return { email, browser }
}
/** A browser in which the password was right, and the second factor is asked for. */
async function halfway(email: string): Promise<Browser> {
  const browser = openBrowser(world.app)
  expect((await browser.signIn(email)).json()).toMatchObject({ stage: 'second-factor' })
  return browser
}
const factorsOf = async (browser: Browser): Promise<object> =>
  (await browser.get('/v1/account/factors')).json<object>()

describe('an authenticator app', () => {
  test('counts once a code has shown that it has the secret', async () => {
    const { email, browser } = await somebody()
    const begun = await browser.post('/v1/account/totp')
    const { secret, uri } = begun.json<{ secret: string; uri: string }>()
    expect(begun.headers['cache-control']).toBe('no-store')
    expect(new URL(uri).searchParams.get('secret')).toBe(secret)
    expect(decodeURIComponent(uri)).toContain(email)
    expect(await factorsOf(browser)).toEqual({ totp: false, passkeys: 0, recoveryCodes: 0 })
    expect((await openBrowser(world.app).signIn(email)).json()).toMatchObject({ stage: 'open' })
    const code = await totpCode(secret, now())
    const confirmed = await browser.post('/v1/account/totp/confirm', { code })
    expect(confirmed.json<{ stage: string }>().stage).toBe('open')
    await halfway(email)
  })

  test('is replaced by another one only when that is confirmed; no new recovery codes come', async () => {
    const { email, browser } = await somebody()
    const first = await enrolTotp(browser, now)
    const begun = await browser.post('/v1/account/totp')
    const second = begun.json<{ secret: string }>().secret
    clock.leap(MINUTE)
    const still = await halfway(email)
    const totp = await totpCode(first.secret, now())
    expect((await still.post('/v1/session/second-factor', { totp })).statusCode).toBe(200)
    const code = await totpCode(second, now())
    const confirmed = await browser.post('/v1/account/totp/confirm', { code })
    expect(confirmed.json()).toMatchObject({ codes: [] })
    clock.leap(MINUTE)
    const after = await halfway(email)
    const old = { totp: await totpCode(first.secret, now()) }
    expect(codeOf(await after.post('/v1/session/second-factor', old))).toBe('SECOND_FACTOR_WRONG')
    const fresh = { totp: await totpCode(second, now()) }
    expect((await after.post('/v1/session/second-factor', fresh)).statusCode).toBe(200)
  })

  test('is taken away with a fresh confirmation, and the recovery codes with it', async () => {
    const { email, browser } = await somebody()
    const { secret } = await enrolTotp(browser, now)
    clock.leap(11 * MINUTE)
    expect(codeOf(await browser.delete('/v1/account/totp'))).toBe('STEP_UP_REQUIRED')
    const totp = await totpCode(secret, now())
    await browser.post('/v1/session/confirm', { totp })
    expect((await browser.delete('/v1/account/totp')).statusCode).toBe(204)
    expect(codeOf(await browser.delete('/v1/account/totp'))).toBe('NOT_FOUND')
    expect(await factorsOf(browser)).toEqual({ totp: false, passkeys: 0, recoveryCodes: 0 })
    expect((await openBrowser(world.app).signIn(email)).json()).toMatchObject({ stage: 'open' })
  })

  test('is not set up by a session that was confirmed long ago', async () => {
    const { browser } = await somebody()
    clock.leap(11 * MINUTE)
    expect(codeOf(await browser.post('/v1/account/totp'))).toBe('STEP_UP_REQUIRED')
    const late = await browser.post('/v1/account/totp/confirm', { code: '000000' })
    expect(codeOf(late)).toBe('STEP_UP_REQUIRED')
  })
})

describe('recovery codes', () => {
  test('open a sign-in once each, and new ones end the old', async () => {
    const { email, browser } = await somebody()
    const { codes } = await enrolTotp(browser, now)
    const [one = '', two = ''] = codes
    const first = await halfway(email)
    const used = await first.post('/v1/session/second-factor', { recoveryCode: one.toUpperCase() })
    expect(used.json()).toMatchObject({ stage: 'open' })
    expect(await factorsOf(browser)).toMatchObject({ recoveryCodes: 9 })

    const fresh = (await browser.post('/v1/account/recovery-codes')).json<{ codes: string[] }>()
    expect(fresh.codes).toHaveLength(10)
    const second = await halfway(email)
    const old = await second.post('/v1/session/second-factor', { recoveryCode: two })
    expect(codeOf(old)).toBe('SECOND_FACTOR_WRONG')
    const recoveryCode = fresh.codes[0]
    const done = await second.post('/v1/session/second-factor', { recoveryCode })
    expect(done.statusCode).toBe(200)
  })

  test('are not made where there is no second factor that they could stand in for', async () => {
    const { email, browser } = await somebody()
    const answer = await browser.post('/v1/account/recovery-codes')
    expect([answer.statusCode, codeOf(answer)]).toEqual([409, 'STATE_CONFLICT'])
    expect((await openBrowser(world.app).signIn(email)).json()).toMatchObject({ stage: 'open' })
  })
})

describe('passkeys', () => {
  const app = softAuthenticator({ origin: ORIGIN })
  async function addPasskey(browser: Browser, name: string): Promise<void> {
    const begun = await browser.post('/v1/account/passkeys/options')
    const { options } = begun.json<{ options: Parameters<typeof app.create>[0] }>()
    const added = await browser.post('/v1/account/passkeys', { name, passkey: app.create(options) })
    expect(added.statusCode).toBe(200)
  }
  const listOf = async (browser: Browser) =>
    (await browser.get('/v1/account/passkeys')).json<{ items: { id: string; name: string }[] }>()
      .items

  test('are named, renamed and removed, and the last takes the recovery codes with it', async () => {
    const { email, browser } = await somebody()
    await addPasskey(browser, 'Laptop')
    await addPasskey(browser, 'Phone')
    const [first, second] = await listOf(browser)
    const url = (id = '') => `/v1/account/passkeys/${id}`
    expect((await browser.patch(url(first?.id), { name: 'Desk' })).statusCode).toBe(204)
    expect((await listOf(browser)).map(({ name }) => name).sort()).toEqual(
      ['Desk', second?.name].sort(),
    )
    expect((await browser.delete(url(first?.id))).statusCode).toBe(204)
    expect(await factorsOf(browser)).toMatchObject({ passkeys: 1, recoveryCodes: 10 })
    expect((await browser.delete(url(second?.id))).statusCode).toBe(204)
    expect(await factorsOf(browser)).toMatchObject({ passkeys: 0, recoveryCodes: 0 })
    expect((await openBrowser(world.app).signIn(email)).json()).toMatchObject({ stage: 'open' })
  })

  test('of somebody else are not there', async () => {
    const theirs = (await somebody()).browser
    await addPasskey(theirs, 'Laptop')
    const [{ id } = { id: '' }] = await listOf(theirs)
    const { browser } = await somebody()
    const url = `/v1/account/passkeys/${id}`
    expect(codeOf(await browser.patch(url, { name: 'Mine' }))).toBe('NOT_FOUND')
    expect(codeOf(await browser.delete(url))).toBe('NOT_FOUND')
    expect(await listOf(theirs)).toMatchObject([{ id, name: 'Laptop' }])
  })

  test('are removed with a fresh confirmation only', async () => {
    const { browser } = await somebody()
    await addPasskey(browser, 'Laptop')
    const [{ id } = { id: '' }] = await listOf(browser)
    clock.leap(11 * MINUTE)
    expect(codeOf(await browser.delete(`/v1/account/passkeys/${id}`))).toBe('STEP_UP_REQUIRED')
  })
})

test.each<[body: object, why: string]>([
  [{}, 'none'],
  [{ totp: '123456', recoveryCode: 'abcde-abcde' }, 'two'],
  [{ password: 'x' }, 'a password is no second factor'],
  [{ totp: 123456 }, 'a number'],
  [{ totp: '123456', remember: true }, 'something else with it'],
])('%o is no proof: %s', async (body) => {
  const { email, browser } = await somebody()
  await enrolTotp(browser, now)
  const answer = await (await halfway(email)).post('/v1/session/second-factor', body)
  expect(answer.statusCode).toBe(400)
})
