/** The account of who is signed in: name, password, and the devices that are signed in with it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { leapClock } from '../support/leap-clock.ts'
import type { LeapClock } from '../support/leap-clock.ts'
import { GOOD_PASSWORD, newcomer, openBrowser } from './browser.ts'
import type { Browser } from './browser.ts'
import { codeOf, openWorld, pathsOf } from './support.ts'
import type { World } from './support.ts'

const NEXT = 'nine loud badgers swim away'

let world: World
let clock: LeapClock
beforeAll(async () => {
  clock = leapClock()
  world = await openWorld(
    { trustedProxies: ['127.0.0.1'] },
    { mail: { from: 'posthorn@live.example' } },
    { clock },
  )
})
afterAll(() => world.close())

interface SessionRow {
  readonly id: string
  readonly current: boolean
  readonly device: string
  readonly ip: string
  readonly method: string
}
const sessionsOf = async (browser: Browser): Promise<SessionRow[]> =>
  (await browser.get('/v1/account/sessions')).json<{ items: SessionRow[] }>().items
const isAlive = async (browser: Browser): Promise<boolean> =>
  (await browser.get('/v1/session')).statusCode === 200

/** One person in as many browsers. */
async function inBrowsers(...names: string[]): Promise<{ email: string; browsers: Browser[] }> {
  const { email } = await newcomer(world, { role: 'analyst' })
  const browsers: Browser[] = []
  for (const userAgent of names) {
    const browser = openBrowser(world.app, { userAgent, ip: '192.0.2.7' })
    expect((await browser.signIn(email)).statusCode).toBe(200)
    browsers.push(browser)
    clock.leap(2000)
  }
  return { email, browsers }
}

describe('sessions', () => {
  test('are listed with device, address and which of them this is', async () => {
    const { browsers } = await inBrowsers('Laptop', 'Phone')
    const [laptop, phone] = browsers
    expect(await sessionsOf(laptop!)).toMatchObject([
      { device: 'Phone', current: false, ip: '192.0.2.7', method: 'password' },
      { device: 'Laptop', current: true },
    ])
    expect((await sessionsOf(phone!)).map(({ current }) => current)).toEqual([true, false])
    expect(JSON.stringify(await sessionsOf(phone!))).not.toContain(phone!.token)
  })

  test('are ended one by one', async () => {
    const { browsers } = await inBrowsers('Laptop', 'Phone', 'Tablet')
    const [laptop, phone, tablet] = browsers
    const [{ id } = { id: '' }] = (await sessionsOf(laptop!)).filter(
      ({ device }) => device === 'Phone',
    )
    expect((await laptop!.delete(`/v1/account/sessions/${id}`)).statusCode).toBe(204)
    expect(codeOf(await laptop!.delete(`/v1/account/sessions/${id}`))).toBe('NOT_FOUND')
    expect(await Promise.all([laptop!, phone!, tablet!].map(isAlive))).toEqual([true, false, true])
  })

  test('are ended all but this one', async () => {
    const { browsers } = await inBrowsers('Laptop', 'Phone', 'Tablet')
    const [laptop, ...others] = browsers
    expect((await laptop!.delete('/v1/account/sessions')).json()).toEqual({ ended: 2 })
    expect(await Promise.all([laptop!, ...others].map(isAlive))).toEqual([true, false, false])
  })

  test('of somebody else cannot be ended, nor told from those that do not exist', async () => {
    const mine = await inBrowsers('Laptop')
    const theirs = await inBrowsers('Phone')
    const [{ id } = { id: '' }] = await sessionsOf(theirs.browsers[0]!)
    const answers = await Promise.all(
      [id, 'ses_00000000001'].map((one) => mine.browsers[0]!.delete(`/v1/account/sessions/${one}`)),
    )
    expect(answers.map(codeOf)).toEqual(['NOT_FOUND', 'NOT_FOUND'])
    expect(await isAlive(theirs.browsers[0]!)).toBe(true)
    const kind = await mine.browsers[0]!.delete('/v1/account/sessions/usr_00000000001')
    expect([kind.statusCode, codeOf(kind)]).toEqual([400, 'ID_INVALID'])
  })
})

describe('the password', () => {
  test('is changed with the present one; other sessions end, a notice is mailed', async () => {
    const { email, browsers } = await inBrowsers('Laptop', 'Phone')
    const [laptop, phone] = browsers
    const wrong = await laptop!.post('/v1/account/password', { current: 'not it', next: NEXT })
    expect([wrong.statusCode, codeOf(wrong)]).toEqual([401, 'SIGN_IN_FAILED'])
    expect(await isAlive(phone!)).toBe(true)
    const changed = await laptop!.post('/v1/account/password', {
      current: GOOD_PASSWORD,
      next: NEXT,
    })
    expect(changed.statusCode).toBe(204)
    expect([await isAlive(laptop!), await isAlive(phone!)]).toEqual([true, false])
    const again = openBrowser(world.app, { ip: '192.0.2.7' })
    expect(codeOf(await again.signIn(email))).toBe('SIGN_IN_FAILED')
    expect((await again.signIn(email, NEXT)).statusCode).toBe(200)
    const mails = (await world.mails()).filter(({ to }) => to === email)
    expect(mails.filter(({ subject }) => /password/i.test(subject))).toHaveLength(1)
    expect(mails.map(({ raw }) => raw).join()).not.toContain(NEXT)
  })

  test('needs a fresh confirmation', async () => {
    const { browsers } = await inBrowsers('Laptop')
    clock.leap(11 * 60_000)
    const body = { current: GOOD_PASSWORD, next: NEXT }
    expect(codeOf(await browsers[0]!.post('/v1/account/password', body))).toBe('STEP_UP_REQUIRED')
    const confirmed = await browsers[0]!.post('/v1/session/confirm', { password: GOOD_PASSWORD })
    expect(confirmed.statusCode).toBe(200)
    expect((await browsers[0]!.post('/v1/account/password', body)).statusCode).toBe(204)
  })

  test('is not guessed through a session that somebody left open', async () => {
    const { browsers } = await inBrowsers('Laptop')
    const codes: string[] = []
    for (let i = 0; i < 12; i++) {
      const body = { current: `guess number ${i} of a thief`, next: NEXT }
      codes.push(codeOf(await browsers[0]!.post('/v1/account/password', body)))
    }
    expect(codes.filter((code) => code === 'SIGN_IN_FAILED')).toHaveLength(10)
    expect(codes.at(-1)).toBe('RATE_LIMITED')
    // Not even the right one is told from the others then.
    const body = { current: GOOD_PASSWORD, next: NEXT }
    expect(codeOf(await browsers[0]!.post('/v1/account/password', body))).toBe('RATE_LIMITED')
  })

  test.each<[body: object, code: string, why: string]>([
    [{ next: NEXT }, 'SIGN_IN_FAILED', 'without the present one'],
    [{ current: GOOD_PASSWORD, next: 'short' }, 'PASSWORD_WEAK', 'too short'],
    [{ current: GOOD_PASSWORD, next: 'aaaaaaaaaaaaaaaa' }, 'PASSWORD_WEAK', 'too plain'],
    [{ current: GOOD_PASSWORD }, 'BODY_INVALID', 'without a new one'],
    [{ current: GOOD_PASSWORD, next: NEXT, user: 'usr_1' }, 'FIELD_UNKNOWN', 'of somebody else'],
  ])('%o → %s: %s', async (body, code) => {
    const { email, browsers } = await inBrowsers('Laptop')
    expect(codeOf(await browsers[0]!.post('/v1/account/password', body))).toBe(code)
    const again = openBrowser(world.app, { ip: '192.0.2.7' })
    expect((await again.signIn(email)).statusCode).toBe(200)
  })
})

describe('the name', () => {
  test('is what others see', async () => {
    const { browsers } = await inBrowsers('Laptop')
    expect((await browsers[0]!.patch('/v1/account', { name: 'Ada L.' })).statusCode).toBe(204)
    const { user } = (await browsers[0]!.get('/v1/session')).json<{ user: { name: string } }>()
    expect(user.name).toBe('Ada L.')
  })
  test.each([
    ['', 'empty'],
    ['x'.repeat(101), 'too long'],
    ['Ada\r\nBcc: all@example.com', 'a line break'],
    ['Ada\u0000', 'a NUL'],
  ])('%j is refused: %s', async (name) => {
    const { browsers } = await inBrowsers('Laptop')
    const answer = await browsers[0]!.patch('/v1/account', { name })
    expect([codeOf(answer), pathsOf(answer)]).toEqual(['BODY_INVALID', ['name']])
  })
})
