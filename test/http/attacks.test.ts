/**
 * The list of attacks that the control plane must stand, one block each: tried here over HTTP, or named with the file
 * that tries it. A test that is named and gone fails.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HTTPMethods } from 'fastify'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { leapClock } from '../support/leap-clock.ts'
import type { LeapClock } from '../support/leap-clock.ts'
import { enrolTotp, newcomer, openBrowser, tokenIn, totpCode } from './browser.ts'
import type { Browser } from './browser.ts'
import { aMessage, codeOf, openWorld, ORIGIN } from './support.ts'
import type { Mail, World } from './support.ts'

const COOKIE = '__Host-posthorn'
const MINUTE = 60_000

let world: World
let clock: LeapClock
beforeAll(async () => {
  clock = leapClock()
  world = await openWorld(
    { trustedProxies: ['127.0.0.1'] },
    { mail: { from: 'posthorn@live.example' } },
    { clock },
  )
  await world.app.ready()
})
afterAll(() => world.close())

const now = () => clock.now()
let hosts = 0
/** An address that no test has used, of a network that none has: `11.x.y.1`. */
const freshIp = (): string => `11.${Math.floor(++hosts / 250)}.${hosts % 250}.1`
const at = (ip = freshIp()): Browser => openBrowser(world.app, { ip })
async function signedIn(role?: string): Promise<{ email: string; browser: Browser }> {
  const { email } = await newcomer(world, { role })
  const browser = at()
  expect((await browser.signIn(email)).statusCode).toBe(200)
  return { email, browser }
}

/** The test stands in that file under that name. */
function standsElsewhere(...tests: readonly (readonly [file: string, title: string])[]): void {
  test.each(tests)('is tried in %s: %s', (file, title) => {
    expect(readFileSync(join('test', file), 'utf8')).toContain(title)
  })
}

describe('session fixation', () => {
  test('a cookie that was planted is not adopted', async () => {
    const { email } = await newcomer(world)
    const browser = at()
    const planted = 'f'.repeat(43)
    browser.cookies.set(COOKIE, planted)
    expect((await browser.signIn(email)).statusCode).toBe(200)
    expect(browser.token).not.toBe(planted)
    const attacker = at()
    attacker.cookies.set(COOKIE, planted)
    expect(codeOf(await attacker.get('/v1/session'))).toBe('SESSION_ENDED')
  })

  test('a session of the attacker’s that was planted does not become the victim’s', async () => {
    const attacker = (await signedIn()).browser
    const { email } = await newcomer(world)
    const victim = attacker.copy({ ip: freshIp() })
    expect((await victim.signIn(email)).statusCode).toBe(200)
    const whose = (await victim.get('/v1/session')).json<{ user: { email: string } }>()
    expect(whose.user.email).toBe(email)
    expect(victim.token).not.toBe(attacker.token)
    expect(codeOf(await attacker.get('/v1/session'))).toBe('SESSION_ENDED')
  })

  test('every proof brings a new token, and the one before is worth nothing', async () => {
    const { email, browser } = await signedIn()
    const seen: Browser[] = []
    const step = async (what: () => Promise<unknown>): Promise<void> => {
      seen.push(browser.copy())
      await what()
    }
    let secret = ''
    await step(async () => ({ secret } = await enrolTotp(browser, now)))
    await step(() => browser.signIn(email))
    clock.leap(MINUTE)
    await step(async () =>
      browser.post('/v1/session/second-factor', { totp: await totpCode(secret, now()) }),
    )
    clock.leap(MINUTE)
    await step(async () =>
      browser.post('/v1/session/confirm', { totp: await totpCode(secret, now()) }),
    )
    expect(new Set([...seen, browser].map(({ token }) => token)).size).toBe(seen.length + 1)
    for (const former of seen) expect(codeOf(await former.get('/v1/session'))).toBe('SESSION_ENDED')
    expect((await browser.get('/v1/session')).statusCode).toBe(200)
  })

  test('two cookies of the name are none: one of them was planted', async () => {
    const { browser } = await signedIn()
    const cookie = `${COOKIE}=${browser.token}; ${COOKIE}=${'f'.repeat(43)}`
    for (const both of [cookie, cookie.split('; ').reverse().join('; ')])
      expect(
        codeOf(await world.app.inject({ url: '/v1/session', headers: { cookie: both } })),
      ).toBe('AUTH_REQUIRED')
  })

  test('no token is taken from a query or a body', async () => {
    const { browser } = await signedIn()
    const url = `/v1/session?${COOKIE}=${browser.token}&session=${browser.token}`
    expect(codeOf(await world.app.inject({ url }))).toBe('AUTH_REQUIRED')
  })
})

describe('CSRF', () => {
  standsElsewhere(
    ['http/csrf.test.ts', "describe('an attack'"],
    ['http/matrix.test.ts', 'change nothing for a page of another site'],
    ['http/matrix.test.ts', 'change nothing without the token of their page'],
    ['http/matrix.test.ts', 'change nothing with the token of another session'],
  )

  test('of the sign-in itself: another site cannot sign its visitor in as somebody else', async () => {
    const { email } = await newcomer(world)
    const payload = JSON.stringify({ email, password: 'seven quiet otters row home' })
    const send = (headers: Record<string, string>) =>
      world.app.inject({
        method: 'POST',
        url: '/v1/session',
        headers: { host: new URL(ORIGIN).host, 'content-type': 'application/json', ...headers },
        payload,
      })
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: ORIGIN, 'sec-fetch-site': 'cross-site' },
      {},
    ]) {
      const answer = await send(headers)
      expect([codeOf(answer), answer.headers['set-cookie']]).toEqual([
        'ORIGIN_FORBIDDEN',
        undefined,
      ])
    }
    expect((await send({ origin: ORIGIN })).statusCode).toBe(200)
  })
})

describe('TOTP replay', () => {
  async function enrolled(): Promise<{ email: string; secret: string; browser: Browser }> {
    const { email, browser } = await signedIn()
    const { secret } = await enrolTotp(browser, now)
    clock.leap(MINUTE)
    return { email, secret, browser }
  }
  async function halfway(email: string): Promise<Browser> {
    const browser = at()
    await browser.signIn(email)
    return browser
  }

  test('a code that opened one sign-in does not open another, nor a dangerous act', async () => {
    const { email, secret, browser } = await enrolled()
    const [first, second] = [await halfway(email), await halfway(email)]
    const totp = await totpCode(secret, now())
    expect((await first.post('/v1/session/second-factor', { totp })).statusCode).toBe(200)
    expect(codeOf(await second.post('/v1/session/second-factor', { totp }))).toBe(
      'SECOND_FACTOR_WRONG',
    )
    expect(codeOf(await browser.post('/v1/session/confirm', { totp }))).toBe('SECOND_FACTOR_WRONG')
    const events = await first.get('/v1/account/security-events')
    expect(events.json<{ items: { kind: string }[] }>().items[0]?.kind).toBe('code-replayed')
    expect(events.body).not.toContain(totp)
    // Not even the code before it, which is within the tolerance.
    const before = { totp: await totpCode(secret, now() - 30_000) }
    expect(codeOf(await second.post('/v1/session/second-factor', before))).toBe(
      'SECOND_FACTOR_WRONG',
    )
  })

  test('of five requests with one code at the same moment one gets in', async () => {
    const { email, secret } = await enrolled()
    const browsers = await Promise.all(Array.from({ length: 5 }, () => halfway(email)))
    const totp = await totpCode(secret, now())
    const answers = await Promise.all(
      browsers.map((browser) => browser.post('/v1/session/second-factor', { totp })),
    )
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([200, 401, 401, 401, 401])
  })

  standsElsewhere(['unit/services/auth/codes.test.ts', 'a code is not taken after a later one'])
})

describe('recovery-code reuse', () => {
  test('a code works once, also when five come at the same moment', async () => {
    const { email, browser } = await signedIn()
    const { codes } = await enrolTotp(browser, now)
    const halves = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const half = at()
        await half.signIn(email)
        return half
      }),
    )
    const recoveryCode = codes[0]
    const answers = await Promise.all(
      halves.map((half) => half.post('/v1/session/second-factor', { recoveryCode })),
    )
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([200, 401, 401, 401, 401])
    expect((await browser.get('/v1/account/factors')).json()).toMatchObject({ recoveryCodes: 9 })
  })
})

describe('telling accounts that exist from those that do not', () => {
  test('the answer is the same to the letter', async () => {
    const { email } = await newcomer(world)
    const nobody = 'nobody@people.example'
    const answers = await Promise.all([email, nobody].map((one) => at().signIn(one, 'wrong')))
    const [known, unknown] = answers.map((answer) => ({
      problem: { ...answer.json<object>(), requestId: '' },
      headers: { ...answer.headers, 'x-request-id': '', date: '' },
    }))
    expect(known).toEqual(unknown)
    const resets = await Promise.all(
      [email, nobody].map((one) => at().post('/v1/password-resets', { email: one })),
    )
    expect(resets.map(({ statusCode, body }) => [statusCode, body])).toEqual([
      [202, ''],
      [202, ''],
    ])
  })

  test('the time is the same, and it is the time of hashing', async () => {
    const accounts: string[] = []
    for (let i = 0; i < 4; i++) accounts.push((await newcomer(world)).email)
    const took = async (email: string, password: string): Promise<number> => {
      const browser = at()
      const start = performance.now()
      await browser.signIn(email, password)
      return performance.now() - start
    }
    const [known, unknown, unread]: [number[], number[], number[]] = [[], [], []]
    // In turns, so that whatever else the machine does falls on all of them.
    for (let i = 0; i < 12; i++) {
      known.push(await took(accounts[i % 4] ?? '', 'a wrong password'))
      unknown.push(await took(`nobody-${i}@people.example`, 'a wrong password'))
      unread.push(await took(`nobody-${i}@people.example`, ''))
    }
    const median = (times: number[]): number => times.sort((a, b) => a - b)[6] ?? 0
    expect(median(unknown) / median(known)).toBeGreaterThan(0.5)
    expect(median(unknown) / median(known)).toBeLessThan(2)
    // What is refused unread shows what an answer without any hashing takes.
    expect(median(unread) / median(known)).toBeLessThan(0.5)
  })

  standsElsewhere(
    ['unit/services/auth/password.test.ts', 'because the work is the same'],
    ['http/links.test.ts', 'whether an account exists does not show'],
  )
})

describe('brute force', () => {
  const codesOf = async (
    count: number,
    guess: (i: number) => Promise<Awaited<ReturnType<Browser['post']>>>,
  ): Promise<Record<string, number>> => {
    const seen: Record<string, number> = {}
    for (let i = 0; i < count; i++) {
      const answer = await guess(i)
      const code = codeOf(answer)
      if (code === 'RATE_LIMITED') expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
      seen[code] = (seen[code] ?? 0) + 1
    }
    return seen
  }

  test('of one account from many networks gets five looks, and does not shut out its owner', async () => {
    const { email, browser } = await signedIn()
    expect(await codesOf(40, (i) => at().signIn(email, `guess ${i}`))).toEqual({
      SIGN_IN_FAILED: 5,
      RATE_LIMITED: 35,
    })
    // Not even the right one is taken from a stranger now, which would tell it apart.
    expect(codeOf(await at().signIn(email))).toBe('RATE_LIMITED')
    expect((await browser.signIn(email)).statusCode).toBe(200)
  })

  test('of many accounts from one address gets twenty', async () => {
    const ip = freshIp()
    const guess = (i: number) => at(ip).signIn(`victim-${i}@people.example`, 'password123')
    expect(await codesOf(30, guess)).toEqual({ SIGN_IN_FAILED: 20, RATE_LIMITED: 10 })
  })

  test('of many accounts from one IPv6 site counts as one address', async () => {
    const guess = (i: number) =>
      at(`2a02:2e0:3fe:1001:${(i * 977).toString(16)}::1`).signIn(`v6-${i}@people.example`, 'guess')
    expect(await codesOf(30, guess)).toEqual({ SIGN_IN_FAILED: 20, RATE_LIMITED: 10 })
  })

  test('of the six digits gets five looks, and the right password brings no fresh ones', async () => {
    const { email, browser } = await signedIn()
    const { secret } = await enrolTotp(browser, now)
    clock.leap(MINUTE)
    const right = await totpCode(secret, now())
    const wrong = ['000000', '111111'].find((code) => code !== right) ?? ''
    const seen = await codesOf(12, async () => {
      const thief = at()
      await thief.signIn(email)
      return thief.post('/v1/session/second-factor', { totp: wrong })
    })
    expect(seen).toEqual({ SECOND_FACTOR_WRONG: 5, RATE_LIMITED: 7 })
  })

  test('of mailed links is counted, too', async () => {
    const ip = freshIp()
    const guess = (i: number) =>
      at(ip).post('/v1/links/look', { token: String(i).padStart(43, 'a') })
    expect(await codesOf(25, guess)).toEqual({ LINK_INVALID: 20, RATE_LIMITED: 5 })
  })

  standsElsewhere(
    ['unit/services/auth/throttle.test.ts', '10,000 guesses at one account'],
    ['http/account.test.ts', 'is not guessed through a session that somebody left open'],
  )
})

describe('a key in the URL', () => {
  standsElsewhere(
    ['http/keys.test.ts', "describe('a key in the URL'"],
    ['http/keys.test.ts', 'is refused with a right header too, and not logged'],
  )
})

describe('header injection', () => {
  const EVIL = '\r\nX-Evil: 1\r\nBcc: all@evil.example'

  test('no field of any request gets a line break into a header, a mail or a log line', async () => {
    const { browser } = await signedIn('owner')
    const admin = await world.people({ role: 'owner', platformRole: 'admin' })
    const send = (method: 'POST' | 'PATCH', url: string, body: object) =>
      admin.call({ method, url, payload: body })
    const tried = [
      send('PATCH', '/v1/account', { name: `Ada${EVIL}` }),
      send('POST', '/v1/tenants', { name: `acme${EVIL}` }),
      send('POST', '/v1/domains', { name: `shop.example${EVIL}` }),
      send('POST', '/v1/invitations', { email: `ada@people.example${EVIL}`, role: 'analyst' }),
      send('POST', '/v1/invitations', { email: `"ada${EVIL}"@people.example`, role: 'analyst' }),
      send('POST', '/v1/users', { email: `bob@people.example${EVIL}`, name: 'Bob' }),
      send('POST', '/v1/users', { email: 'bob@people.example', name: `Bob${EVIL}` }),
      send('POST', '/v1/roles', { name: 'odd', title: `Odd${EVIL}`, permissions: [] }),
      send('POST', '/v1/keys', { name: `shop${EVIL}`, scopes: ['messages:read'] }),
      send('POST', '/v1/credentials', { username: `shop${EVIL}` }),
      send('POST', '/v1/account/email', { email: `ada@people.example${EVIL}` }),
      send('POST', '/v1/sources', { name: 'two', ehlo: `two.example${EVIL}` }),
      browser.post('/v1/password-resets', { email: `ada@people.example${EVIL}` }),
      browser.signIn(`ada@people.example${EVIL}`),
      world.post('/v1/messages', aMessage({ subject: `Hi${EVIL}` })),
      world.post('/v1/messages', aMessage({ from: `Ada${EVIL} <orders@live.example>` })),
      world.post('/v1/messages', aMessage({ headers: { 'X-Own': `1${EVIL}` } })),
    ]
    const answers = await Promise.all(tried)
    for (const answer of answers) {
      expect(answer.statusCode).toBeLessThan(500)
      expect(Object.keys(answer.headers)).not.toContain('x-evil')
      expect(JSON.stringify(answer.headers)).not.toMatch(/[\r\n]|\\r|\\n/)
    }
    // Names that people are shown and mails are made of take none at all.
    expect(answers.slice(0, 12).map(({ statusCode }) => statusCode)).toEqual(
      answers.slice(0, 12).map(() => 400),
    )
    for (const { raw, to } of await world.mails()) {
      expect(raw).not.toMatch(/^(?:X-Evil|Bcc):/im)
      expect(to).not.toContain('evil')
    }
  })

  test('what a proxy appends counts, not what the client put in front', async () => {
    const { email } = await newcomer(world)
    const browser = at('<script>evil</script>, 203.0.113.9')
    await browser.signIn(email)
    const list = await browser.get('/v1/account/sessions')
    expect(list.json<{ items: { ip: string }[] }>().items[0]?.ip).toBe('203.0.113.9')
    expect(list.body).not.toContain('evil')
  })

  test('names of files that are offered to keep are ours', async () => {
    const { browser } = await signedIn('owner')
    const sent = await world.post('/v1/messages', aMessage({ subject: 'a"; filename="evil.html' }))
    const { id } = sent.json<{ id: string }>()
    const content = await world.get(`/v1/messages/${id}/content`)
    expect(content.headers['content-disposition']).toBe(`attachment; filename="${id}.eml"`)
    const exported = await browser.get('/v1/audit/export')
    expect(exported.headers['content-disposition']).toBe('attachment; filename="audit.jsonl"')
  })

  standsElsewhere(
    ['http/system-mail.test.ts', 'cannot grow a header or a recipient'],
    ['http/headers.test.ts', 'a request id of the client is not taken over'],
  )
})

describe('prototype pollution', () => {
  standsElsewhere(
    ['http/pollution.test.ts', 'a name that reaches into a prototype'],
    ['http/pollution.test.ts', 'is what pollutes where nobody refuses it'],
  )

  test('no path, name or filter is taken for one of an object’s own', async () => {
    const admin = await world.people({ role: 'owner', platformRole: 'admin' })
    for (const word of ['__proto__', 'constructor', 'toString', 'hasOwnProperty'])
      for (const [method, url, payload] of [
        ['PATCH', `/v1/sources/${word}`, { enabled: false }],
        ['DELETE', `/v1/routes/${word}`, undefined],
        ['DELETE', `/v1/limits/destination/${word}`, undefined],
        ['DELETE', `/v1/quotas/domain/${word}`, undefined],
        ['GET', `/v1/keys/${word}`, undefined],
        ['GET', `/v1/audit?action=${word}`, undefined],
        ['POST', '/v1/invitations', { email: 'x@people.example', role: word }],
        ['POST', '/v1/keys', { name: 'x', scopes: [word] }],
        ['POST', '/v1/users', { email: 'x@people.example', name: 'x', platformRole: word }],
      ] as const) {
        const answer = await admin.call({
          method,
          url,
          ...(payload === undefined ? {} : { payload }),
        })
        const isEmpty =
          answer.statusCode === 200 && answer.json<{ items: unknown[] }>().items.length === 0
        expect([url, isEmpty || [400, 404].includes(answer.statusCode)]).toEqual([url, true])
      }
  })
})

describe('mass assignment', () => {
  interface Operation {
    readonly requestBody?: { readonly content: Record<string, unknown> }
  }
  const EXTRA = { platformRole: 'admin', tenantId: 1, isAdmin: true, createdAt: 0 }

  test('every route with a body refuses fields that are not in its schema', async () => {
    const admin = await world.people({ role: 'owner', platformRole: 'admin' })
    const { paths } = (await world.get('/openapi.json')).json<{
      paths: Record<string, Record<string, Operation>>
    }>()
    const taking = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations)
        .filter(([, { requestBody }]) => requestBody?.content['application/json'] !== undefined)
        .map(([method]) => ({ method: method.toUpperCase(), path })),
    )
    expect(taking.length).toBeGreaterThan(35)
    const wrong: string[] = []
    for (const { method, path } of taking) {
      const scope = path.startsWith('/v1/limits') ? 'destination' : 'domain'
      const isBatch = path === '/v1/messages/batch'
      const answer = await admin.call({
        method: method,
        url: path.replaceAll(/\{(\w+)\}/g, (_all, name) => (name === 'scope' ? scope : 'x')),
        payload: isBatch ? [EXTRA] : EXTRA,
      })
      const { fields = [] } = answer.json<{ fields?: { path: string; message: string }[] }>()
      const unknown = fields
        .filter(({ message }) => message === 'does not exist')
        .map((field) => field.path.replace(/^0[./]/, ''))
      // Adding somebody names their role over the installation; that is a field of it.
      const known = path.startsWith('/v1/users') ? ['platformRole'] : []
      const missing = Object.keys(EXTRA).filter(
        (name) => !unknown.includes(name) && !known.includes(name),
      )
      if (answer.statusCode !== 400 || missing.length > 0)
        wrong.push(`${method} ${path}: ${answer.statusCode}, took ${missing.join(', ')}`)
    }
    expect(wrong).toEqual([])
  })

  test('nobody becomes an operator by changing their name', async () => {
    const { browser } = await signedIn('analyst')
    const body = { name: 'Ada', platformRole: 'admin' }
    expect(codeOf(await browser.patch('/v1/account', body))).toBe('FIELD_UNKNOWN')
    const { user } = (await browser.get('/v1/session')).json<{ user: Record<string, unknown> }>()
    expect(user).toMatchObject({ name: 'New Comer' })
    expect(user).not.toHaveProperty('platformRole')
  })

  test('nor by what they set their account up with', async () => {
    const { email } = await newcomer(world)
    await at().post('/v1/password-resets', { email })
    const token = tokenIn((await resetMail(email)).text)
    const body = { token, password: 'nine loud badgers swim away', platformRole: 'admin' }
    expect(codeOf(await at().post('/v1/password-resets/finish', body))).toBe('FIELD_UNKNOWN')
  })
})

/** Written behind the answer, after the mail with the setup link. */
const resetMail = (email: string): Promise<Mail> =>
  vi.waitFor(async () => {
    const mail = (await world.mails()).findLast(({ to }) => to === email)
    expect(mail?.subject).toBe('Set a new password')
    return mail!
  })

describe('open redirect', () => {
  const EVIL = 'https://redirect.example/'
  const QUERY = ['next', 'returnTo', 'redirect', 'redirect_uri', 'url', 'continue']
    .map((name) => `${name}=${encodeURIComponent(EVIL)}`)
    .join('&')

  test('no route sends anybody anywhere, whatever it is asked with', async () => {
    const { browser } = await signedIn('owner')
    const hostile = {
      host: 'redirect.example',
      'x-forwarded-host': 'redirect.example',
      referer: EVIL,
    }
    const callers: Record<string, string>[] = [
      {},
      { authorization: `Bearer ${world.key}` },
      { cookie: `${COOKIE}=${browser.token}` },
    ]
    const wrong: string[] = []
    for (const { method, url } of world.app.routeAccess)
      for (const caller of callers)
        for (const query of ['', `?${QUERY}`]) {
          const answer = await world.app.inject({
            method: method as HTTPMethods & 'GET',
            url: url.replaceAll(/:\w+/g, 'x') + query,
            headers: { ...hostile, ...caller },
          })
          const { statusCode, headers, body } = answer
          const isRedirect = statusCode >= 300 && statusCode < 400
          const leads = `${String(headers.location)} ${String(headers['refresh'])} ${body}`
          if (isRedirect || leads.includes('redirect.example'))
            wrong.push(`${method} ${url}${query}: ${statusCode} ${String(headers.location)}`)
        }
    expect(wrong).toEqual([])
    for (const url of ['//redirect.example', '/%2f%2fredirect.example', '/docs/', '/v1'])
      expect([url, (await world.app.inject({ url })).statusCode]).toEqual([url, 404])
  })

  test('links in mails lead to us, whatever host the request names', async () => {
    const { email } = await newcomer(world)
    const answer = await world.app.inject({
      method: 'POST',
      url: '/v1/password-resets',
      headers: {
        host: 'redirect.example',
        'x-forwarded-host': 'redirect.example',
        'x-forwarded-for': freshIp(),
        forwarded: 'host=redirect.example',
        'content-type': 'application/json',
      },
      payload: JSON.stringify({ email }),
    })
    expect(answer.statusCode).toBe(202)
    const mail = await resetMail(email)
    expect(mail.text).toContain(`${ORIGIN}/link#token=`)
    expect(mail.raw + mail.text).not.toContain('redirect.example')
  })
})

describe('SSRF', () => {
  standsElsewhere(
    ['unit/delivery/http-guarded.test.ts', "describe('targets inside'"],
    ['unit/delivery/http-guarded.test.ts', "describe('redirects'"],
    ['unit/delivery/http-guarded.test.ts', 'a name that turns private after the check'],
    ['unit/delivery/mta-sts.test.ts', "describe('discovery'"],
    ['unit/services/security-webhook.test.ts', 'no URL is logged'],
  )
})

describe('zip and regex bombs', () => {
  standsElsewhere(
    ['http/pollution.test.ts', "['gzip', 'deflate', 'br'"],
    ['http/pollution.test.ts', 'of 50 MiB of brackets is refused before it is built'],
    ['unit/delivery/http-guarded.test.ts', 'a compressed body is refused unread'],
    ['unit/linear.test.ts', 'and this finds what does not'],
  )
})
