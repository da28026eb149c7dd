/** One-time links: what they let somebody do once, and what they never give away. */
import { describe, expect, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { makePasswords } from '../../server/services/auth/password.ts'
import { realRandom } from '../../server/ports.ts'
import { codeOf } from './support.ts'
import { GOOD_PASSWORD, openPeopleWorld, tokenIn, URL } from './people-support.ts'
import type { PeopleWorld } from './people-support.ts'

const isPassword = async (world: PeopleWorld, email: string, text: string): Promise<boolean> => {
  const person = await world.people.personForSignIn(email)
  return (await makePasswords({ random: realRandom }).verify(person?.passwordHash, text)).right
}
const whence = { ip: '192.0.2.1', userAgent: 'x', requestId: undefined, device: undefined }

describe('the first run', () => {
  test('the owner sets up with an address of their own, and the link is over', async () => {
    const world = await openPeopleWorld()
    const look = await world.post('/v1/links/look', { token: world.setupToken })
    expect(look.json()).toMatchObject({
      purpose: 'setup',
      email: 'owner@mta.test',
      needsPassword: true,
      mayChangeEmail: true,
    })
    const wish = {
      token: world.setupToken,
      name: 'Ada',
      password: GOOD_PASSWORD,
      email: 'Ada@X.test',
    }
    const done = await world.post('/v1/setup', wish)
    expect([done.statusCode, done.json()]).toEqual([200, { email: 'ada@x.test' }])
    expect(await isPassword(world, 'ada@x.test', GOOD_PASSWORD)).toBe(true)
    expect(await world.people.byEmail('ada@x.test')).toMatchObject({
      id: world.owner,
      name: 'Ada',
      platformRole: 'admin',
      hasPassword: true,
    })
    expect(codeOf(await world.post('/v1/setup', wish))).toBe('LINK_INVALID')
    expect(codeOf(await world.post('/v1/links/look', { token: world.setupToken }))).toBe(
      'LINK_INVALID',
    )
  })

  test('a password that is too weak leaves the link as it is', async () => {
    const world = await openPeopleWorld()
    const wish = { token: world.setupToken, name: 'Ada', password: 'password1234' }
    expect(codeOf(await world.post('/v1/setup', wish))).toBe('PASSWORD_WEAK')
    const better = await world.post('/v1/setup', { ...wish, password: GOOD_PASSWORD })
    expect(better.statusCode).toBe(200)
  })

  test('two at once: one of them sets it up', async () => {
    const world = await openPeopleWorld()
    const wish = { token: world.setupToken, name: 'Ada', password: GOOD_PASSWORD }
    const answers = await Promise.all([
      world.post('/v1/setup', wish, '192.0.2.1'),
      world.post('/v1/setup', wish, '192.0.2.2'),
    ])
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([200, 400])
  })

  test('nobody else may change the address by a setup link', async () => {
    const world = await openPeopleWorld({ mail: false })
    const { delivery } = await world.people.add(SYSTEM_ACTOR, { email: 'b@x.test', name: 'B' })
    const token = tokenIn(delivery.by === 'by-hand' ? delivery.url : '')
    const wish = { token, name: 'B', password: GOOD_PASSWORD, email: 'c@x.test' }
    expect(codeOf(await world.post('/v1/setup', wish))).toBe('BODY_INVALID')
  })

  test.each<[Record<string, unknown>, string]>([
    [{ platformRole: 'admin' }, 'a role'],
    [{ id: 'usr_00000000001' }, 'an id'],
    [{ tenant: 'ten_00000000001' }, 'a tenant'],
    [{ confirmedAt: '2026-01-01T00:00:00Z' }, 'a state'],
  ])('a body with %j is refused (%s)', async (more) => {
    const world = await openPeopleWorld()
    const wish = { token: world.setupToken, name: 'Ada', password: GOOD_PASSWORD, ...more }
    expect((await world.post('/v1/setup', wish)).statusCode).toBe(400)
    expect((await world.people.get(world.owner)).hasPassword).toBe(false)
  })
})

describe('a token', () => {
  test('stands in the fragment, and the database does not hold it', async () => {
    const world = await openPeopleWorld()
    const { url } = await world.people.link(SYSTEM_ACTOR, world.owner, 'reset')
    expect(url.startsWith(`${URL}/link#token=`)).toBe(true)
    const token = tokenIn(url)
    expect(Buffer.from(token, 'base64url')).toHaveLength(32)
    expect(JSON.stringify(world.all('select * from user_tokens'))).not.toContain(token)
    expect(JSON.stringify(world.all('select * from audit'))).not.toContain(token)
  })

  test.each(['setup', 'reset'] as const)(
    'of a former %s link is worth nothing',
    async (purpose) => {
      const world = await openPeopleWorld()
      const former = tokenIn((await world.people.link(SYSTEM_ACTOR, world.owner, purpose)).url)
      await world.people.link(SYSTEM_ACTOR, world.owner, purpose)
      expect(codeOf(await world.post('/v1/links/look', { token: former }))).toBe('LINK_INVALID')
    },
  )

  test('is for one purpose', async () => {
    const world = await openPeopleWorld()
    const token = tokenIn((await world.people.link(SYSTEM_ACTOR, world.owner, 'reset')).url)
    const wish = { token, name: 'Ada', password: GOOD_PASSWORD }
    expect(codeOf(await world.post('/v1/setup', wish))).toBe('LINK_INVALID')
    expect(codeOf(await world.post('/v1/account/email/finish', { token }))).toBe('LINK_INVALID')
    expect(codeOf(await world.post('/v1/account/release', { token }))).toBe('LINK_INVALID')
    expect(codeOf(await world.post('/v1/invitations/accept', { token }))).toBe('LINK_INVALID')
  })

  test('runs out', async () => {
    const world = await openPeopleWorld()
    const token = tokenIn((await world.people.link(SYSTEM_ACTOR, world.owner, 'reset')).url)
    await world.clock.advance(3_600_000)
    expect(codeOf(await world.post('/v1/links/look', { token }))).toBe('LINK_INVALID')
  })

  test('is over when somebody is deactivated', async () => {
    const world = await openPeopleWorld()
    const user = await world.person('b@x.test')
    const token = tokenIn((await world.people.link(SYSTEM_ACTOR, user, 'reset')).url)
    await world.people.deactivate(SYSTEM_ACTOR, user)
    expect(codeOf(await world.post('/v1/links/look', { token }))).toBe('LINK_INVALID')
    await world.people.reactivate(SYSTEM_ACTOR, user)
    expect(codeOf(await world.post('/v1/links/look', { token }))).toBe('LINK_INVALID')
  })

  test('guesses are counted, and using one is not', async () => {
    const world = await openPeopleWorld()
    const token = tokenIn((await world.people.link(SYSTEM_ACTOR, world.owner, 'reset')).url)
    for (let i = 0; i < 30; i++)
      expect((await world.post('/v1/links/look', { token })).statusCode).toBe(200)
    const codes: string[] = []
    for (let i = 0; i < 23; i++)
      codes.push(codeOf(await world.post('/v1/links/look', { token: 'a'.repeat(43) })))
    expect(codes.filter((code) => code === 'LINK_INVALID')).toHaveLength(20)
    expect(codes.at(-1)).toBe('RATE_LIMITED')
  })
})

describe('a forgotten password', () => {
  test('is set anew by a mailed link; sessions and other links end, and a notice is mailed', async () => {
    const world = await openPeopleWorld()
    const user = await world.person('b@x.test')
    await world.browser(user)
    const setup = tokenIn((await world.people.link(SYSTEM_ACTOR, user, 'setup')).url)
    await (
      await world.accountLinks.requestReset(' B@X.test', whence)
    ).done
    const [, mail] = await world.mails()
    expect(mail).toMatchObject({ to: 'b@x.test', subject: 'Set a new password' })
    expect(mail?.text).toContain('From: 192.0.2.1')

    const token = tokenIn(mail?.text)
    const done = await world.post('/v1/password-resets/finish', { token, password: GOOD_PASSWORD })
    expect(done.statusCode).toBe(200)
    expect(await isPassword(world, 'b@x.test', GOOD_PASSWORD)).toBe(true)
    expect(world.sessionsOf(user)).toBe(0)
    expect(codeOf(await world.post('/v1/links/look', { token: setup }))).toBe('LINK_INVALID')
    expect((await world.mails()).at(-1)).toMatchObject({ subject: 'Your password was changed' })
    const again = { token, password: 'another quite good phrase' }
    expect(codeOf(await world.post('/v1/password-resets/finish', again))).toBe('LINK_INVALID')
  })

  test('the second factor stays', async () => {
    const world = await openPeopleWorld()
    const user = await world.person('b@x.test')
    const query = world.store.build
      .insertInto('totp')
      .values({ user_id: user, secret: 's', last_step: 0, created_at: 1, confirmed_at: 1 })
      .compile()
    await world.store.writer.write([{ query }], { unaudited: 'test' })
    const token = tokenIn((await world.people.link(SYSTEM_ACTOR, user, 'reset')).url)
    await world.post('/v1/password-resets/finish', { token, password: GOOD_PASSWORD })
    expect(await world.people.personForSignIn('b@x.test')).toMatchObject({ hasSecondFactor: true })
  })

  test('whether an account exists does not show, not even when too many ask', async () => {
    const world = await openPeopleWorld()
    await world.person('b@x.test')
    const answersOf = async (email: string, ip: string) => {
      const answers: [status: number, body: string, names: string[]][] = []
      for (let i = 0; i < 7; i++) {
        const { statusCode, body, headers } = await world.post('/v1/password-resets', { email }, ip)
        answers.push([statusCode, body.replace(/"requestId":"[^"]*"/, ''), Object.keys(headers)])
      }
      return answers
    }
    const known = await answersOf('b@x.test', '192.0.2.10')
    expect(known).toEqual(await answersOf('nobody@x.test', '198.51.100.10'))
    expect(known.map(([status]) => status)).toEqual([202, 202, 202, 202, 202, 429, 429])
  })

  test('nothing is written or mailed for somebody who is deactivated or unknown', async () => {
    const world = await openPeopleWorld()
    const user = await world.person('b@x.test')
    await world.people.deactivate(SYSTEM_ACTOR, user)
    const before = (await world.mails()).length
    for (const email of ['b@x.test', 'nobody@x.test', 'no address'])
      await (
        await world.accountLinks.requestReset(email, whence)
      ).done
    expect(await world.mails()).toHaveLength(before)
    expect(world.auditOf('user.reset-asked')).toEqual([])
  })
})

describe('another address', () => {
  test('is proved by a mail to it, and the old one is told twice', async () => {
    const world = await openPeopleWorld()
    const user = await world.person('b@x.test')
    const browser = await world.browser(user)
    expect(
      (await browser.send('POST', '/v1/account/email', { email: 'New@Y.test' })).statusCode,
    ).toBe(202)
    const mails = (await world.mails()).slice(1)
    expect(mails.map(({ to, subject }) => [to, subject])).toEqual([
      ['new@y.test', 'Confirm your new address'],
      ['b@x.test', 'Your address is to be changed'],
    ])
    expect((await world.people.get(user)).email).toBe('b@x.test')
    const done = await world.post('/v1/account/email/finish', { token: tokenIn(mails[0]?.text) })
    expect(done.json()).toEqual({ email: 'new@y.test' })
    expect((await world.mails()).at(-1)).toMatchObject({
      to: 'b@x.test',
      subject: 'Your address was changed',
    })
    expect(world.auditOf('user.email-changed')).toMatchObject([
      { before: '{"email":"b@x.test"}', after: '{"email":"new@y.test"}' },
    ])
  })

  test('that somebody else has is refused without saying whose it is, also at the last moment', async () => {
    const world = await openPeopleWorld()
    const browser = await world.browser(await world.person('b@x.test'))
    const taken = await browser.send('POST', '/v1/account/email', { email: 'owner@mta.test' })
    expect(codeOf(taken)).toBe('NAME_TAKEN')
    expect(taken.body).not.toContain('Owner')
    await browser.send('POST', '/v1/account/email', { email: 'new@y.test' })
    const token = tokenIn((await world.mails()).at(-2)?.text)
    await world.person('new@y.test')
    expect(codeOf(await world.post('/v1/account/email/finish', { token }))).toBe('NAME_TAKEN')
  })

  test('needs a fresh confirmation, and mail', async () => {
    const world = await openPeopleWorld()
    const user = await world.person('b@x.test')
    const stale = await world.browser(user, { confirmed: false })
    expect(codeOf(await stale.send('POST', '/v1/account/email', { email: 'n@y.test' }))).toBe(
      'STEP_UP_REQUIRED',
    )
    const mute = await openPeopleWorld({ mail: false })
    const browser = await mute.browser(await mute.person('b@x.test'))
    expect(codeOf(await browser.send('POST', '/v1/account/email', { email: 'n@y.test' }))).toBe(
      'STATE_CONFLICT',
    )
  })

  test('asked for by a thief ends when the password is set anew', async () => {
    const world = await openPeopleWorld()
    const user = await world.person('b@x.test')
    const thief = await world.browser(user)
    await thief.send('POST', '/v1/account/email', { email: 'thief@y.test' })
    const stolen = tokenIn((await world.mails()).at(-2)?.text)
    const token = tokenIn((await world.people.link(SYSTEM_ACTOR, user, 'reset')).url)
    await world.post('/v1/password-resets/finish', { token, password: GOOD_PASSWORD })
    expect(codeOf(await world.post('/v1/account/email/finish', { token: stolen }))).toBe(
      'LINK_INVALID',
    )
  })
})

describe('a locked account', () => {
  test('is released by the mailed link', async () => {
    const world = await openPeopleWorld()
    const user = await world.person('b@x.test')
    const query = world.store.build
      .updateTable('users')
      .set({ locked_at: 1, locked_because: 'impossible travel' })
      .where('id', '=', user)
      .compile()
    await world.store.writer.write([{ query }], { unaudited: 'test' })
    expect(await world.people.personOf(user)).toBeUndefined()
    const request = { at: world.clock.now(), ip: '203.0.113.5', place: 'Lima, Peru' }
    expect(await world.accountLinks.sendRelease(SYSTEM_ACTOR, user, request)).toBe('mailed')
    const mail = (await world.mails()).at(-1)
    expect(mail?.text).toContain('From: 203.0.113.5 (Lima, Peru)')
    const done = await world.post('/v1/account/release', { token: tokenIn(mail?.text) })
    expect(done.json()).toEqual({ email: 'b@x.test' })
    expect(await world.people.personOf(user)).toMatchObject({ email: 'b@x.test' })
  })
})
