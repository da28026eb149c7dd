/** Passkeys against a software authenticator and the real verification: the good way, and every way to cheat. */
import { expect, test } from 'vitest'
import type { Actor } from '../../../../server/core/audit.ts'
import { asId, encodeId } from '../../../../server/core/ids.ts'
import { makePasskeys } from '../../../../server/services/auth/passkeys.ts'
import type { Noticed, Person } from '../../../../server/services/auth/person.ts'
import { relyingPartyOf } from '../../../../server/services/auth/relying-party.ts'
import { realRandom } from '../../../../server/ports.ts'
import { softAuthenticator } from '../../../support/authenticator.ts'
import type { Authenticator, Mischief } from '../../../support/authenticator.ts'
import { manualClock } from '../../../support/clock.ts'
import { openTestStore } from '../../../support/store.ts'

const ORIGIN = 'https://mail.example.com'
const ada: Person = { id: asId('user', 7), email: 'ada@example.com' }
const bob: Person = { id: asId('user', 8), email: 'bob@example.com' }
const session = asId('session', 70)
const whence = { ip: '192.0.2.9', userAgent: 'test', requestId: undefined }
const actor: Actor = {
  kind: 'user',
  id: ada.id,
  name: ada.email,
  means: 'session',
  ip: whence.ip,
  country: undefined,
  requestId: undefined,
}

async function setup(publicUrl = ORIGIN) {
  const clock = manualClock()
  const { store, all, log } = await openTestStore({ clock })
  const noticed: Noticed[] = []
  /** That a factor came or went. */
  const changed: Noticed[] = []
  const isChange = ({ kind }: Noticed): boolean => kind.startsWith('second-factor-')
  const notice = (one: Noticed): void => void (isChange(one) ? changed : noticed).push(one)
  const passkeys = makePasskeys({ store, clock, log, random: realRandom, publicUrl, notice })
  async function add(key: Authenticator, person = ada, mischief?: Mischief) {
    const at = { person, session }
    const answer = key.create(await passkeys.registerOptions(at, 'Ada'), mischief)
    return passkeys.register(actor, at, { name: ' Desk key ', answer })
  }
  return { clock, all, noticed, changed, passkeys, add }
}

const key = (): Authenticator => softAuthenticator({ origin: ORIGIN })

test('a passkey is made, signs its person in, and counts', async () => {
  const { passkeys, add, all, clock } = await setup()
  const ours = key()
  const made = await add(ours)
  expect(made).toMatchObject({ name: 'Desk key', synced: false, lastUsedAt: undefined })
  const options = await passkeys.signInOptions()
  expect(options).toMatchObject({ rpId: 'mail.example.com', userVerification: 'required' })
  expect(options.allowCredentials).toBeUndefined()
  await clock.advance(1_000)
  expect(await passkeys.signIn(whence, ours.get(options))).toEqual({ user: 7, passkey: made.id })
  expect(await passkeys.list(ada.id)).toMatchObject([{ id: made.id, lastUsedAt: clock.now() }])
  expect(all('select counter, transports from passkeys')).toEqual([
    { counter: 2, transports: '["usb"]' },
  ])
  expect(all('select * from webauthn_challenges')).toEqual([])
  expect(all('select action, target_id, after from audit')).toEqual([
    {
      action: 'passkey.added',
      target_id: encodeId('passkey', made.id),
      after: JSON.stringify({ user: encodeId('user', ada.id), synced: false }),
    },
  ])
})

test('registration asks for no attestation, and not for a key that is known', async () => {
  const { passkeys, add } = await setup()
  const ours = key()
  await add(ours)
  const options = await passkeys.registerOptions({ person: ada, session }, 'Ada')
  expect(options.attestation).toBe('none')
  expect(options.excludeCredentials).toHaveLength(1)
  expect(options.rp).toEqual({ name: 'Posthorn', id: 'mail.example.com' })
  expect(Buffer.from(options.user.id, 'base64url').toString()).toBe(encodeId('user', ada.id))
})

test('a passkey is a second factor for its person, in its session, verified or not', async () => {
  const { passkeys, add } = await setup()
  const ours = key()
  const { id } = await add(ours)
  const at = { person: ada, session }
  const options = await passkeys.secondFactorOptions(at)
  expect(options).toMatchObject({ userVerification: 'preferred', allowCredentials: [{}] })
  const answer = ours.get(options, { userVerified: false })
  expect(await passkeys.secondFactor(actor, at, answer)).toBe(id)
  await expect(passkeys.secondFactorOptions({ person: bob, session })).rejects.toMatchObject({
    code: 'SECOND_FACTOR_WRONG',
  })
})

const CHEATS: readonly [Mischief, string][] = [
  [{ origin: 'https://mail.example.com.evil.test' }, 'a page of somebody else'],
  [{ origin: 'http://mail.example.com' }, 'the same name without TLS'],
  [{ rpId: 'evil.test' }, 'a passkey of another site'],
  [{ challenge: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }, 'a challenge of its own'],
  [{ type: 'webauthn.unheard-of' }, 'the answer to another ceremony'],
  [{ crossOrigin: true }, 'our page in a frame of another'],
  [{ userPresent: false }, 'nobody touched it'],
]

test.each<[Mischief, string]>([
  ...CHEATS,
  [{ userVerified: false }, 'no finger, face or PIN'],
  [{ forged: true }, 'a signature with one bit wrong'],
  [{ userHandle: Buffer.from(encodeId('user', bob.id)).toString('base64url') }, 'another person'],
  [{ userHandle: '' }, 'nobody named'],
])('sign-in refuses %j: %s', async (mischief) => {
  const { passkeys, add, all } = await setup()
  const ours = key()
  await add(ours)
  const answer = ours.get(await passkeys.signInOptions(), mischief)
  await expect(passkeys.signIn(whence, answer)).rejects.toMatchObject({
    code: 'SIGN_IN_FAILED',
    public: 'The passkey was not accepted.',
  })
  expect(all('select counter, last_used_at from passkeys')).toEqual([
    { counter: 1, last_used_at: null },
  ])
})

test.each<[Mischief, string]>([
  ...CHEATS,
  [{ attestation: 'packed' }, "a vendor's certificate, which would be parsed"],
  [{ attestation: 'tpm' }, 'another one'],
])('registration refuses %j: %s', async (mischief) => {
  const { add, all } = await setup()
  await expect(add(key(), ada, mischief)).rejects.toMatchObject({ code: 'PASSKEY_INVALID' })
  expect(all('select * from passkeys')).toEqual([])
  expect(all('select * from audit')).toEqual([])
})

test.each<[string, string]>([
  ['', 'nothing'],
  ['bm90IGpzb24', 'no JSON'],
  [Buffer.from('null').toString('base64url'), 'null'],
  [Buffer.from('{"challenge":{}}').toString('base64url'), 'no text'],
])('client data %j is refused, not an error: %s', async (clientDataJSON) => {
  const { passkeys, add } = await setup()
  const ours = key()
  await add(ours)
  const { id, rawId, response } = ours.get(await passkeys.signInOptions())
  const answer = { id, rawId, response: { ...response, clientDataJSON } }
  await expect(passkeys.signIn(whence, answer)).rejects.toMatchObject({ code: 'SIGN_IN_FAILED' })
})

test('bytes that are no attestation are refused, not an error', async () => {
  const { passkeys } = await setup()
  const at = { person: ada, session }
  const answer = key().create(await passkeys.registerOptions(at, 'Ada'))
  const response = { ...answer.response, attestationObject: 'AAAA' }
  await expect(
    passkeys.register(actor, at, { name: 'x', answer: { ...answer, response } }),
  ).rejects.toMatchObject({ code: 'PASSKEY_INVALID' })
})

test('an answer works once: again, and twice at the same moment', async () => {
  const { passkeys, add } = await setup()
  const ours = key()
  await add(ours)
  const answer = ours.get(await passkeys.signInOptions())
  const both = await Promise.allSettled([
    passkeys.signIn(whence, answer),
    passkeys.signIn(whence, answer),
  ])
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  await expect(passkeys.signIn(whence, answer)).rejects.toMatchObject({ code: 'SIGN_IN_FAILED' })
})

test('a wrong answer uses the challenge up', async () => {
  const { passkeys, add } = await setup()
  const ours = key()
  await add(ours)
  const options = await passkeys.signInOptions()
  await expect(passkeys.signIn(whence, ours.get(options, { forged: true }))).rejects.toThrow()
  await expect(passkeys.signIn(whence, ours.get(options))).rejects.toMatchObject({
    detail: 'the challenge is unknown, used, expired or of another session',
  })
})

test('a challenge is good for five minutes, and cleared away later', async () => {
  const { passkeys, add, clock, all } = await setup()
  const ours = key()
  await add(ours)
  const late = await passkeys.signInOptions()
  await clock.advance(5 * 60_000 - 1)
  const inTime = await passkeys.signInOptions()
  await clock.advance(1)
  await expect(passkeys.signIn(whence, ours.get(late))).rejects.toMatchObject({
    code: 'SIGN_IN_FAILED',
  })
  await passkeys.signIn(whence, ours.get(inTime))
  await passkeys.signInOptions()
  expect(all('select * from webauthn_challenges')).toHaveLength(1)
})

test('a challenge is of no use for another purpose, person or session', async () => {
  const { passkeys, add } = await setup()
  const ours = key()
  await add(ours)
  const at = { person: ada, session }
  const signIn = await passkeys.signInOptions()
  await expect(passkeys.secondFactor(actor, at, ours.get(signIn))).rejects.toMatchObject({
    code: 'SECOND_FACTOR_WRONG',
  })
  const factor = await passkeys.secondFactorOptions(at)
  await expect(passkeys.signIn(whence, ours.get(factor))).rejects.toMatchObject({
    code: 'SIGN_IN_FAILED',
  })
  const elsewhere = { person: ada, session: asId('session', 71) }
  await expect(passkeys.secondFactor(actor, elsewhere, ours.get(factor))).rejects.toMatchObject({
    code: 'SECOND_FACTOR_WRONG',
  })
  const other = key()
  const answer = other.create(await passkeys.registerOptions(at, 'Ada'))
  await expect(
    passkeys.register(actor, { person: bob, session }, { name: 'x', answer }),
  ).rejects.toMatchObject({ code: 'PASSKEY_INVALID' })
})

test("another person's passkey is no second factor", async () => {
  const { passkeys, add } = await setup()
  const ours = key()
  const theirs = key()
  await add(ours)
  await add(theirs, bob)
  const at = { person: ada, session }
  const { challenge } = await passkeys.secondFactorOptions(at)
  await expect(passkeys.secondFactor(actor, at, theirs.get({ challenge }))).rejects.toMatchObject({
    code: 'SECOND_FACTOR_WRONG',
  })
})

test('a copy that counts for itself is refused and noticed', async () => {
  const { passkeys, add, noticed } = await setup()
  const ours = key()
  await add(ours)
  const copy = ours.clone()
  const signIn = async (with_: Authenticator): Promise<unknown> =>
    passkeys.signIn(whence, with_.get(await passkeys.signInOptions()))
  await signIn(ours)
  await signIn(ours)
  await expect(signIn(copy)).rejects.toMatchObject({ detail: 'the counter went back' })
  expect(noticed).toMatchObject([
    { kind: 'passkey-cloned', user: 7, ip: '192.0.2.9', data: { counter: 2, expected: 4 } },
  ])
})

test('a counter that nobody signed is not believed, nor noticed', async () => {
  const { passkeys, add, noticed } = await setup()
  const ours = key()
  await add(ours)
  const answer = ours.get(await passkeys.signInOptions(), { counter: 0, forged: true })
  await expect(passkeys.signIn(whence, answer)).rejects.toMatchObject({ code: 'SIGN_IN_FAILED' })
  expect(noticed).toEqual([])
})

test('passkeys that never count are fine, and known as synced', async () => {
  const { passkeys, add } = await setup()
  const ours = softAuthenticator({ origin: ORIGIN, counts: false, synced: true })
  expect(await add(ours)).toMatchObject({ synced: true })
  for (let i = 0; i < 2; i++)
    await passkeys.signIn(whence, ours.get(await passkeys.signInOptions()))
})

test('a person has at most twenty, even when two are made at the same moment', async () => {
  const { passkeys, add } = await setup()
  for (let i = 0; i < 19; i++) await add(key())
  const at = { person: ada, session }
  const answers = [
    key().create(await passkeys.registerOptions(at, 'Ada')),
    key().create(await passkeys.registerOptions(at, 'Ada')),
  ]
  const both = await Promise.allSettled(
    answers.map((answer) => passkeys.register(actor, at, { name: 'x', answer })),
  )
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  await expect(add(key())).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
  await add(key(), bob)
})

test('names are changed and passkeys removed by their person only, and recorded', async () => {
  const { passkeys, add, all } = await setup()
  const ours = key()
  const { id } = await add(ours)
  await passkeys.rename(actor, ada, id, 'Blue key')
  await expect(passkeys.rename(actor, bob, id, 'mine')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(passkeys.rename(actor, ada, id, ' ')).rejects.toMatchObject({ code: 'BODY_INVALID' })
  await expect(passkeys.remove(actor, bob, id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await passkeys.remove(actor, ada, id)
  expect(await passkeys.list(ada.id)).toEqual([])
  const answer = ours.get(await passkeys.signInOptions())
  await expect(passkeys.signIn(whence, answer)).rejects.toMatchObject({ code: 'SIGN_IN_FAILED' })
  expect(all('select action, target_name from audit order by id')).toEqual([
    { action: 'passkey.added', target_name: 'Desk key' },
    { action: 'passkey.renamed', target_name: 'Blue key' },
    { action: 'passkey.removed', target_name: 'Blue key' },
  ])
})

test.each([
  ['https://mail.example.com', { id: 'mail.example.com', origin: 'https://mail.example.com' }],
  [
    'https://mail.example.com:8443',
    { id: 'mail.example.com', origin: 'https://mail.example.com:8443' },
  ],
  ['http://localhost:8080', { id: 'localhost', origin: 'http://localhost:8080' }],
])('%s is a site for passkeys', (publicUrl, party) => {
  expect(relyingPartyOf(publicUrl)).toEqual({ ok: true, party })
})

test.each([
  ['http://127.0.0.1:8080', 'use http://localhost:8080 on this machine'],
  ['http://[::1]:8080', 'use http://localhost:8080 on this machine'],
  ['https://192.0.2.1', 'Set http.publicUrl to a name'],
  ['http://mail.example.com', 'Set http.publicUrl to https://mail.example.com'],
  ['nonsense', 'not a URL'],
])('%s is none, and says the way out: %s', async (publicUrl, wayOut) => {
  const { passkeys } = await setup(publicUrl)
  expect(passkeys.problem).toContain(wayOut)
  await expect(passkeys.signInOptions()).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    public: passkeys.problem,
  })
})
