/** The rows of second factors: what may happen once happens once, and no statement reads a table from end to end. */
import { expect, test } from 'vitest'
import type { AuditDraft } from '../../server/core/audit.ts'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { asId } from '../../server/core/ids.ts'
import {
  deletePasskey,
  insertChallenge,
  insertPasskey,
  passkeyByCredential,
  passkeyOf,
  passkeysOf,
  renamePasskey,
  takeChallenge,
  usePasskey,
} from '../../server/store/passkeys.ts'
import {
  confirmTotp,
  deleteRecoveryCodes,
  deleteTotp,
  recoveryCodesLeft,
  replaceRecoveryCodes,
  savePendingTotp,
  totpOf,
  useRecoveryCode,
  useTotpStep,
  wasRecoveryCode,
} from '../../server/store/second-factors.ts'
import { openTestStore } from '../support/store.ts'
import { executedBy } from './statements.ts'

const user = asId('user', 7)
const record: AuditDraft = {
  actor: SYSTEM_ACTOR,
  tenant: undefined,
  action: 'test.done',
  target: { kind: 'user', id: 'usr_x', name: 'x' },
}
const passkey = {
  user,
  credential: 'cred',
  publicKey: 'key',
  counter: 5,
  transports: [],
  name: 'Desk',
  synced: false,
}

test('no statement reads a table from end to end', async () => {
  const { store } = await openTestStore()
  const statements = await executedBy(store, async (watched) => {
    await savePendingTotp(watched, user, 'a', 1)
    await confirmTotp(watched, user, { pending: 'a', step: 5, at: 2 }, record)
    await useTotpStep(watched, user, { step: 6, confirmedAt: 2 })
    await totpOf(watched, user)
    await deleteTotp(watched, user, record)
    await replaceRecoveryCodes(watched, user, { hashes: ['h', 'i'], at: 1 }, record)
    await useRecoveryCode(watched, user, { hash: 'h', at: 2 }, record)
    await recoveryCodesLeft(watched, user)
    await wasRecoveryCode(watched, user, 'h')
    await deleteRecoveryCodes(watched, user, record)
    const made = { purpose: 'register', user, session: asId('session', 3) } as const
    await insertChallenge(watched, 'c', made, { now: 1, expiresAt: 9 })
    await takeChallenge(watched, 'c', made, 2)
    const id = await insertPasskey(watched, passkey, { now: 1, most: 20 }, record)
    await passkeysOf(watched, user)
    await passkeyOf(watched, user, id)
    await passkeyByCredential(watched, 'cred')
    await usePasskey(watched, id, { counter: 6, synced: true, at: 2 })
    await renamePasskey(watched, { user, id }, 'Blue', record)
    await deletePasskey(watched, { user, id }, record)
  })
  expect(statements.length).toBeGreaterThan(18)
  const lines = statements.flatMap(({ plan }) => plan.map((line) => line.trim()))
  const scans = lines.filter((line) => line.startsWith('SCAN '))
  // Rows that stand in the statement itself.
  expect(scans.filter((line) => !/CONSTANT ROW|VALUES CLAUSE/.test(line))).toEqual([])
})

test('a step, and those before it, are used once; an older secret takes none', async () => {
  const { store } = await openTestStore()
  await savePendingTotp(store, user, 'a', 1)
  await confirmTotp(store, user, { pending: 'a', step: 5, at: 2 }, record)
  const use = (step: number, confirmedAt = 2): Promise<void> =>
    useTotpStep(store, user, { step, confirmedAt })
  const wrong = { code: 'SECOND_FACTOR_WRONG' }
  await expect(use(5)).rejects.toMatchObject(wrong)
  await use(7)
  await expect(use(6)).rejects.toMatchObject(wrong)
  await expect(use(7)).rejects.toMatchObject(wrong)
  await expect(use(8, 1)).rejects.toMatchObject(wrong)
})

test('only the pending secret that was looked at is confirmed', async () => {
  const { store, all } = await openTestStore()
  await savePendingTotp(store, user, 'a', 1)
  await savePendingTotp(store, user, 'b', 1)
  await expect(
    confirmTotp(store, user, { pending: 'a', step: 5, at: 2 }, record),
  ).rejects.toMatchObject({ code: 'STATE_CONFLICT' })
  // What is refused leaves no record either.
  expect(all('select * from audit')).toEqual([])
  expect(await totpOf(store, user)).toMatchObject({
    secret: null,
    pending: 'b',
    confirmed_at: null,
  })
})

test('the counter of a passkey grows, or stays at nothing', async () => {
  const { store } = await openTestStore()
  const limits = { now: 1, most: 20 }
  const counting = await insertPasskey(store, passkey, limits, record)
  const still = { ...passkey, credential: 'other', counter: 0 }
  const silent = await insertPasskey(store, still, limits, record)
  const use = (id: typeof counting, counter: number): Promise<boolean> =>
    usePasskey(store, id, { counter, synced: false, at: 2 })
  expect(await use(counting, 6)).toBe(true)
  expect(await use(counting, 6)).toBe(false)
  expect(await use(counting, 0)).toBe(false)
  expect(await use(silent, 0)).toBe(true)
  expect(await use(silent, 1)).toBe(true)
  expect(await use(silent, 0)).toBe(false)
})

test('a credential belongs to one person', async () => {
  const { store } = await openTestStore()
  await insertPasskey(store, passkey, { now: 1, most: 20 }, record)
  await expect(
    insertPasskey(store, { ...passkey, user: asId('user', 8) }, { now: 1, most: 20 }, record),
  ).rejects.toMatchObject({ code: 'NAME_TAKEN' })
})
