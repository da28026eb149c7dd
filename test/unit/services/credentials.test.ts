/** SMTP logins: their terms, their rotation, and what the audit log keeps. */
import { beforeEach, describe, expect, test } from 'vitest'
import { OPERATOR_GRANT } from '../../../server/services/access-terms.ts'
import type { Grant } from '../../../server/services/access-terms.ts'
import { hashSecret } from '../../../server/services/auth/secret.ts'
import type { CredentialSpec } from '../../../server/services/credentials.ts'
import { ANNA, codeFrom, HASH_KEY, openAccessWorld } from '../../support/access.ts'
import type { AccessWorld } from '../../support/access.ts'

const DAY = 86_400_000
const IP = '192.0.2.7'

let world: AccessWorld
beforeEach(async () => {
  world = await openAccessWorld()
})
const logins = () => world.access.credentials
type Spec = CredentialSpec & { readonly grant: Grant }
const make = (more: Partial<Spec> = {}) =>
  logins().create(ANNA, world.tenant, { username: 'shop', grant: OPERATOR_GRANT, ...more })
const login = (password: string, ip = IP) => world.auth.login('shop', password, ip)

describe('a new login', () => {
  test('is what was asked for, and in force at once', async () => {
    const expiresAt = world.clock.now() + DAY
    const { credential, password } = await make({
      limits: { connections: 2 },
      mode: 'test',
      networks: ['192.0.2.0/24'],
      expiresAt,
    })
    expect(credential).toMatchObject({
      username: 'shop',
      limits: { connections: 2 },
      mode: 'test',
      networks: ['192.0.2.0/24'],
      expiresAt,
      state: 'live',
      createdBy: ANNA.name,
    })
    expect(login(password)).toMatchObject({
      tenant: world.tenant,
      credential: credential.id,
      scopes: ['messages:send'],
      mode: 'test',
      limits: { connections: 2 },
    })
  })

  test('is refused when its terms make no sense, its name is taken, or its maker may not send', async () => {
    await make({ username: 'taken' })
    const table: readonly (readonly [Partial<Spec>, code: string])[] = [
      [{ username: 'a b' }, 'BODY_INVALID'],
      [{ username: 'ä' }, 'BODY_INVALID'],
      [{ username: 'a\0b' }, 'BODY_INVALID'],
      [{ username: '' }, 'BODY_INVALID'],
      [{ networks: ['x'] }, 'BODY_INVALID'],
      [{ expiresAt: 1 }, 'BODY_INVALID'],
      [{ username: 'taken' }, 'NAME_TAKEN'],
      [{ grant: { may: (one: string) => one === 'keys:manage', mode: 'live' } }, 'GRANT_FORBIDDEN'],
      [{ grant: { may: () => true, mode: 'test' } }, 'GRANT_FORBIDDEN'],
    ]
    for (const [more, code] of table) expect(await codeFrom(() => make(more))).toBe(code)
    expect(world.audit()).toHaveLength(1)
  })
})

describe('rotation', () => {
  test('gives a new password; the old one is good for the overlap, one that is older no longer', async () => {
    const { credential, password: first } = await make({ expiresAt: world.clock.now() + 90 * DAY })
    world.clock.leap(30 * DAY)
    const rotate = (overlapMs?: number) =>
      logins().rotate(ANNA, world.tenant, credential.id, { overlapMs, grant: OPERATOR_GRANT })
    const second = await rotate()
    expect(second.credential).toMatchObject({
      id: credential.id,
      username: 'shop',
      expiresAt: world.clock.now() + 90 * DAY,
      rotatedAt: world.clock.now(),
      formerUntil: world.clock.now() + DAY,
    })
    expect([login(first).name, login(second.password).name]).toEqual(['shop', 'shop'])
    const third = await rotate(2 * DAY)
    expect(await codeFrom(() => login(first))).toBe('AUTH_FAILED')
    expect(login(second.password).name).toBe('shop')
    world.clock.leap(2 * DAY)
    expect(await codeFrom(() => login(second.password))).toBe('AUTH_FAILED')
    expect(login(third.password).name).toBe('shop')
  })

  test('of an expired login gives the old password no new life', async () => {
    const { credential, password } = await make({ expiresAt: world.clock.now() + DAY })
    world.clock.leap(DAY)
    const next = await logins().rotate(ANNA, world.tenant, credential.id, { grant: OPERATOR_GRANT })
    expect(await codeFrom(() => login(password))).toBe('AUTH_FAILED')
    expect(login(next.password).name).toBe('shop')
  })

  test('is refused for what is revoked or not ours, and to who may not send', async () => {
    const { credential } = await make()
    const ask = (tenant = world.tenant, grant = OPERATOR_GRANT) =>
      codeFrom(() => logins().rotate(ANNA, tenant, credential.id, { grant }))
    expect(await ask(world.other)).toBe('NOT_FOUND')
    expect(await ask(world.tenant, { may: () => false, mode: 'live' })).toBe('GRANT_FORBIDDEN')
    await logins().revoke(ANNA, world.tenant, credential.id)
    expect(await ask()).toBe('STATE_CONFLICT')
  })
})

test('a change is in force at once; what is left out stays', async () => {
  const { credential, password } = await make({ limits: { connections: 2 } })
  const change = (edit: object) => logins().change(ANNA, world.tenant, credential.id, edit)
  await change({ networks: ['198.51.100.0/24'] })
  expect(await codeFrom(() => login(password))).toBe('NETWORK_FORBIDDEN')
  expect(login(password, '198.51.100.9').limits).toMatchObject({ connections: 2 })
  await change({ networks: [], limits: { messagesPerHour: 5 } })
  expect(login(password).limits).toEqual({ messagesPerHour: 5 })
})

test('a session that is open hears of everything that ends its login', async () => {
  const { credential, password } = await make()
  const opened = () => login(password)
  const ended = async (work: () => unknown): Promise<[before: boolean, after: boolean]> => {
    const principal = opened()
    const before = world.auth.isRevoked(principal)
    await work()
    return [before, world.auth.isRevoked(principal)]
  }
  const change = (edit: object) => logins().change(ANNA, world.tenant, credential.id, edit)
  expect(await ended(() => change({ limits: {} }))).toEqual([false, false])
  expect(await ended(() => change({ networks: ['198.51.100.1'] }))).toEqual([false, true])
  await change({ networks: [] })
  expect(await ended(() => change({ expiresAt: world.clock.now() + 1 }))).toEqual([false, false])
  expect(await ended(() => world.clock.leap(1))).toEqual([false, true])
  await change({ expiresAt: null })

  const old = opened()
  await logins().rotate(ANNA, world.tenant, credential.id, { grant: OPERATOR_GRANT })
  expect(world.auth.isRevoked(old)).toBe(false)
  world.clock.leap(DAY)
  expect(world.auth.isRevoked(old)).toBe(true)
})

test.each([
  ['its login is revoked', 'revoke'],
  ['its tenant is disabled', 'disable'],
])('a session ends once %s', async (_why, how) => {
  const { credential, password } = await make()
  const principal = login(password)
  if (how === 'revoke') await logins().revoke(ANNA, world.tenant, credential.id)
  else await world.disable(world.tenant)
  expect(world.auth.isRevoked(principal)).toBe(true)
})

test('the audit log has every change, before and after, and no secret', async () => {
  const { credential, password } = await make({ limits: { connections: 2 } })
  await logins().change(ANNA, world.tenant, credential.id, { limits: { connections: 3 } })
  const next = await logins().rotate(ANNA, world.tenant, credential.id, { grant: OPERATOR_GRANT })
  await logins().revoke(ANNA, world.tenant, credential.id)
  await logins().revoke(ANNA, world.tenant, credential.id)
  expect(
    world
      .audit()
      .map(({ action, target_id, target_name, actor_name, tenant_id }) => [
        action,
        target_id,
        target_name,
        actor_name,
        tenant_id,
      ]),
  ).toEqual(
    ['created', 'changed', 'rotated', 'revoked'].map((verb) => [
      `credential.${verb}`,
      'crd_00000000001',
      'shop',
      ANNA.name,
      world.tenant,
    ]),
  )
  const changed = world.audit()[1]!
  expect([changed.before, changed.after].map((json) => JSON.parse(json!) as unknown)).toMatchObject(
    [{ limits: { connections: 2 } }, { limits: { connections: 3 } }],
  )
  const log = JSON.stringify(world.opened.all('select * from audit'))
  for (const secret of [password, next.password]) {
    expect(log).not.toContain(secret)
    expect(log).not.toContain(hashSecret(secret, HASH_KEY))
  }
})

test('the list is the tenant’s own, newest first, in pages', async () => {
  for (const username of ['a', 'b', 'c']) await make({ username })
  const foreign = { username: 'foreign', grant: OPERATOR_GRANT }
  const { credential } = await logins().create(ANNA, world.other, foreign)
  const first = await logins().list(world.tenant, { before: undefined, limit: 2 })
  const rest = await logins().list(world.tenant, { before: first[1]!.id, limit: 2 })
  expect([first, rest].map((page) => page.map((one) => one.username))).toEqual([['c', 'b'], ['a']])
  for (const ask of [
    () => logins().get(world.tenant, credential.id),
    () => logins().change(ANNA, world.tenant, credential.id, { networks: [] }),
    () => logins().revoke(ANNA, world.tenant, credential.id),
  ])
    expect(await codeFrom(ask)).toBe('NOT_FOUND')
})
