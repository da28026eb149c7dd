/** One-time codes and recovery codes: what is right, what is right only once, and what is left behind in the rows. */
import { generate } from 'otplib'
import { expect, test } from 'vitest'
import type { Actor } from '../../../../server/core/audit.ts'
import { asId, encodeId } from '../../../../server/core/ids.ts'
import { realRandom } from '../../../../server/ports.ts'
import type { Noticed, Person } from '../../../../server/services/auth/person.ts'
import { makeRecoveryCodes } from '../../../../server/services/auth/recovery-codes.ts'
import { hashToken, isToken, newToken } from '../../../../server/services/auth/token.ts'
import { makeTotp } from '../../../../server/services/auth/totp.ts'
import { manualClock } from '../../../support/clock.ts'
import { openTestStore } from '../../../support/store.ts'

const ada: Person = { id: asId('user', 7), email: 'ada@example.com' }
const bob: Person = { id: asId('user', 8), email: 'bob@example.com' }
const actor: Actor = {
  kind: 'user',
  id: ada.id,
  name: ada.email,
  means: 'session',
  ip: '192.0.2.9',
  country: undefined,
  requestId: undefined,
}

async function setup() {
  const clock = manualClock()
  const { store, all } = await openTestStore({ clock })
  const noticed: Noticed[] = []
  /** That a factor came or went. */
  const changed: Noticed[] = []
  const isChange = ({ kind }: Noticed): boolean => kind.startsWith('second-factor-')
  const shared = {
    store,
    clock,
    random: realRandom,
    notice: (one: Noticed) => void (isChange(one) ? changed : noticed).push(one),
  }
  const totp = makeTotp({
    ...shared,
    issuer: 'mail.example.com',
    seal: {
      seal: (plain) => `sealed:${Buffer.from(plain).toString('hex')}`,
      open: (sealed) => Buffer.from(sealed.slice(7), 'hex').toString(),
    },
  })
  const recovery = makeRecoveryCodes({ ...shared, key: Buffer.alloc(32, 3) })
  /** What the app shows `steps` steps from now. */
  const codeOf = (secret: string, steps = 0): Promise<string> =>
    generate({ secret, epoch: Math.floor(clock.now() / 1000) + steps * 30 })
  async function enrol(): Promise<string> {
    const { secret } = await totp.begin(ada)
    await totp.confirm(actor, ada, await codeOf(secret))
    await clock.advance(60_000)
    return secret
  }
  return { clock, all, noticed, changed, totp, recovery, codeOf, enrol }
}

const WRONG = { code: 'SECOND_FACTOR_WRONG' }

test('an app is enrolled by its first right code', async () => {
  const { totp, codeOf, all } = await setup()
  const { secret, uri } = await totp.begin(ada)
  expect(secret).toMatch(/^[A-Z2-7]{32}$/)
  const url = new URL(uri)
  expect(url.href).toMatch(/^otpauth:\/\/totp\/mail\.example\.com:ada(@|%40)example\.com\?/)
  expect(url.searchParams.get('secret')).toBe(secret)
  expect(url.searchParams.get('issuer')).toBe('mail.example.com')
  expect(await totp.isActive(ada.id)).toBe(false)
  // Pending, it is no factor yet.
  await expect(totp.verify(actor, ada.id, await codeOf(secret))).rejects.toMatchObject(WRONG)
  await expect(totp.confirm(actor, ada, await codeOf(secret, 9))).rejects.toMatchObject(WRONG)
  await totp.confirm(actor, ada, await codeOf(secret))
  expect(await totp.isActive(ada.id)).toBe(true)
  expect(JSON.stringify(all('select * from totp'))).not.toContain(secret)
  expect(all('select action, target_id, before, after from audit')).toEqual([
    {
      action: 'second-factor.enrolled',
      target_id: encodeId('user', ada.id),
      before: '{"totp":false}',
      after: '{"totp":true}',
    },
  ])
})

test('the code that enrolled is used up', async () => {
  const { totp, codeOf } = await setup()
  const { secret } = await totp.begin(ada)
  const code = await codeOf(secret)
  await totp.confirm(actor, ada, code)
  await expect(totp.verify(actor, ada.id, code)).rejects.toMatchObject(WRONG)
})

test.each([
  [-2, false],
  [-1, true],
  [0, true],
  [1, true],
  [2, false],
])('a code %i steps away: accepted %s', async (steps, isRight) => {
  const { totp, codeOf, enrol } = await setup()
  const secret = await enrol()
  const verified = totp.verify(actor, ada.id, await codeOf(secret, steps))
  if (isRight) await verified
  else await expect(verified).rejects.toMatchObject(WRONG)
})

test.each(['', '12345', '1234567', 'abcdef', '١٢٣٤٥٦', '1e5000', 'x'.repeat(100_000)])(
  'what is no code is refused, and no error: %#',
  async (code) => {
    const { totp, enrol } = await setup()
    await enrol()
    await expect(totp.verify(actor, ada.id, code)).rejects.toMatchObject(WRONG)
  },
)

test('a code may be written with a space', async () => {
  const { totp, codeOf, enrol } = await setup()
  const code = await codeOf(await enrol())
  await totp.verify(actor, ada.id, ` ${code.slice(0, 3)} ${code.slice(3)} `)
})

test('of many requests with one code at the same moment one gets in', async () => {
  const { totp, codeOf, enrol, noticed } = await setup()
  const code = await codeOf(await enrol())
  const tries = Array.from({ length: 20 }, () => totp.verify(actor, ada.id, code))
  const results = await Promise.allSettled(tries)
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(noticed).toHaveLength(19)
  expect(noticed[0]).toEqual({
    kind: 'code-replayed',
    user: ada.id,
    ip: '192.0.2.9',
    data: { factor: 'totp' },
  })
})

test('a code is not taken after a later one', async () => {
  const { totp, codeOf, enrol } = await setup()
  const secret = await enrol()
  const earlier = await codeOf(secret, 0)
  await totp.verify(actor, ada.id, await codeOf(secret, 1))
  await expect(totp.verify(actor, ada.id, earlier)).rejects.toMatchObject(WRONG)
})

test('a new app takes the place of the old one only once it is confirmed', async () => {
  const { totp, codeOf, enrol, clock } = await setup()
  const old = await enrol()
  const { secret } = await totp.begin(ada)
  await expect(totp.verify(actor, ada.id, await codeOf(secret))).rejects.toMatchObject(WRONG)
  await totp.verify(actor, ada.id, await codeOf(old))
  await totp.confirm(actor, ada, await codeOf(secret))
  await clock.advance(60_000)
  await expect(totp.verify(actor, ada.id, await codeOf(old))).rejects.toMatchObject(WRONG)
  await totp.verify(actor, ada.id, await codeOf(secret))
})

test('enrolment ends after 15 minutes, with the last of several, and for that person', async () => {
  const { totp, codeOf, clock } = await setup()
  const first = await totp.begin(ada)
  const second = await totp.begin(ada)
  await expect(totp.confirm(actor, ada, await codeOf(first.secret))).rejects.toMatchObject(WRONG)
  const none = { code: 'STATE_CONFLICT' }
  await expect(totp.confirm(actor, bob, await codeOf(second.secret))).rejects.toMatchObject(none)
  await clock.advance(15 * 60_000 + 1)
  await expect(totp.confirm(actor, ada, await codeOf(second.secret))).rejects.toMatchObject(none)
})

test('removed is removed, and recorded', async () => {
  const { totp, codeOf, enrol, all } = await setup()
  const secret = await enrol()
  await totp.remove(actor, ada)
  await expect(totp.verify(actor, ada.id, await codeOf(secret))).rejects.toMatchObject(WRONG)
  await expect(totp.remove(actor, ada)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(all('select action from audit order by id')).toEqual([
    { action: 'second-factor.enrolled' },
    { action: 'second-factor.removed' },
  ])
})

test('ten recovery codes, each good once, none of them in the database', async () => {
  const { recovery, all, noticed } = await setup()
  const codes = await recovery.create(actor, ada)
  expect(new Set(codes).size).toBe(10)
  for (const code of codes) expect(code).toMatch(/^[0-9a-hjkmnp-tv-z]{5}-[0-9a-hjkmnp-tv-z]{5}$/)
  const kept = JSON.stringify([all('select * from recovery_codes'), all('select * from audit')])
  for (const code of codes) expect(kept).not.toContain(code.replace('-', ''))
  let left = 10
  for (const code of codes) expect(await recovery.use(actor, ada, code)).toBe(--left)
  for (const code of codes)
    await expect(recovery.use(actor, ada, code)).rejects.toMatchObject(WRONG)
  expect(noticed.map(({ kind }) => kind)).toEqual([
    ...Array.from({ length: 10 }, () => 'recovery-code-used'),
    ...Array.from({ length: 10 }, () => 'code-replayed'),
  ])
  expect(all(`select count(*) as n from audit where action = 'recovery-code.used'`)).toEqual([
    { n: 10 },
  ])
})

test('of many requests with one recovery code at the same moment one gets in', async () => {
  const { recovery } = await setup()
  const [code] = await recovery.create(actor, ada)
  const tries = Array.from({ length: 20 }, () => recovery.use(actor, ada, code!))
  const results = await Promise.allSettled(tries)
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect(await recovery.remaining(ada.id)).toBe(9)
})

test.each<[string, (code: string) => string]>([
  ['upper case', (code) => code.toUpperCase()],
  ['no hyphen', (code) => code.replace('-', '')],
  ['spaces', (code) => ` ${code.replace('-', ' ')}\n`],
  ['letters for digits', (code) => code.replaceAll('0', 'O').replaceAll('1', 'l')],
])('a recovery code may be written with %s', async (_how, write) => {
  const { recovery } = await setup()
  for (const code of await recovery.create(actor, ada)) await recovery.use(actor, ada, write(code))
  expect(await recovery.remaining(ada.id)).toBe(0)
})

test.each(['', 'abcde', 'abcde-abcdu', 'abcde-abcde-abcde', 'x'.repeat(100_000)])(
  'what is no recovery code is refused: %#',
  async (code) => {
    const { recovery, noticed } = await setup()
    await recovery.create(actor, ada)
    await expect(recovery.use(actor, ada, code)).rejects.toMatchObject(WRONG)
    expect(noticed).toEqual([])
  },
)

test('new recovery codes end the old ones, and nobody can use those of another', async () => {
  const { recovery } = await setup()
  const [old] = await recovery.create(actor, ada)
  const [fresh] = await recovery.create(actor, ada)
  await expect(recovery.use(actor, ada, old!)).rejects.toMatchObject(WRONG)
  await expect(recovery.use(actor, bob, fresh!)).rejects.toMatchObject(WRONG)
  expect(await recovery.remaining(ada.id)).toBe(10)
  await recovery.remove(actor, ada)
  await expect(recovery.use(actor, ada, fresh!)).rejects.toMatchObject(WRONG)
  expect(await recovery.remaining(ada.id)).toBe(0)
})

test('a token has 256 bits, and its hash depends on the key', () => {
  const token = newToken(realRandom)
  expect(Buffer.from(token, 'base64url')).toHaveLength(32)
  expect(newToken(realRandom)).not.toBe(token)
  expect(isToken(token)).toBe(true)
  for (const text of ['', token.slice(1), `${token}A`, `${token.slice(1)}+`, `${token}\n`])
    expect(isToken(text)).toBe(false)
  const hash = hashToken(token, Buffer.alloc(32, 1))
  expect(hash).toMatch(/^[0-9a-f]{64}$/)
  expect(hashToken(token, Buffer.alloc(32, 1))).toBe(hash)
  expect(hashToken(token, Buffer.alloc(32, 2))).not.toBe(hash)
})

test('that a factor came and went is noticed', async () => {
  const { totp, enrol, changed } = await setup()
  await enrol()
  await totp.remove(actor, ada)
  expect(changed.map(({ kind, data }) => [kind, data])).toEqual([
    ['second-factor-added', { factor: 'totp' }],
    ['second-factor-removed', { factor: 'totp' }],
  ])
})
