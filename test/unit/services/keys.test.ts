/** API keys: on what terms they are made, changed, rotated and revoked, and what the audit log keeps of it. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { Permission } from '../../../server/core/permission.ts'
import { OPERATOR_GRANT } from '../../../server/services/access-terms.ts'
import type { Grant } from '../../../server/services/access-terms.ts'
import { hashSecret, isApiKey } from '../../../server/services/auth/secret.ts'
import type { KeyEdit, KeySpec } from '../../../server/services/keys.ts'
import { ANNA, codeFrom, HASH_KEY, openAccessWorld } from '../../support/access.ts'
import type { AccessWorld } from '../../support/access.ts'

const DAY = 86_400_000
const IP = '192.0.2.7'

let world: AccessWorld
beforeEach(async () => {
  world = await openAccessWorld()
})
const keys = () => world.access.keys
const granting = (...permissions: Permission[]): Grant => ({
  may: (permission) => permissions.includes(permission),
  mode: 'live',
})
const spec = (more: Partial<KeySpec> = {}): KeySpec & { grant: Grant } => ({
  name: 'shop',
  scopes: ['messages:send'],
  mode: 'live',
  grant: OPERATOR_GRANT,
  ...more,
})
const make = (more: Partial<KeySpec> = {}) => keys().create(ANNA, world.tenant, spec(more))
const views = () =>
  world
    .audit()
    .map(({ action, before, after }) => [
      action,
      before === null ? null : (JSON.parse(before) as unknown),
      after === null ? null : (JSON.parse(after) as unknown),
    ])

describe('a new key', () => {
  test('is what was asked for, kept as a hash, and in force at once', async () => {
    const { key, secret } = await make({
      name: '  shop backend ',
      scopes: ['messages:send', 'domains:read', 'messages:send'],
      networks: ['192.0.2.0/24', '2001:DB8::/32', '192.0.2.0/24', '::ffff:198.51.100.1'],
      requestsPerSecond: 5,
      expiresAt: world.clock.now() + DAY,
    })
    expect(key).toMatchObject({
      name: 'shop backend',
      scopes: ['messages:send', 'domains:read'],
      networks: ['192.0.2.0/24', '2001:db8::/32', '198.51.100.1'],
      requestsPerSecond: 5,
      state: 'live',
      createdBy: ANNA.name,
      createdAt: world.clock.now(),
      lastUse: undefined,
    })
    expect(isApiKey(secret)).toBe(true)
    const rows = world.opened.all<{ secret_hash: string }>('select * from keys')
    expect(rows[0]?.secret_hash).toBe(hashSecret(secret, HASH_KEY))
    expect(JSON.stringify(rows)).not.toContain(secret.slice(8))
    expect(world.auth.key(secret, IP)).toMatchObject({
      tenant: world.tenant,
      key: key.id,
      scopes: ['messages:send', 'domains:read'],
      requestsPerSecond: 5,
    })
  })

  test('on terms that make no sense is refused, and tells the field', async () => {
    const table: readonly (readonly [Partial<KeySpec>, path: string, why: string])[] = [
      [{ name: '' }, 'name', 'no name'],
      [{ name: 'a\nb' }, 'name', 'two lines'],
      [{ name: 'x'.repeat(101) }, 'name', 'too long'],
      [{ scopes: [] }, 'scopes', 'no scope'],
      [{ scopes: ['messages:send', 'messages:eat'] }, 'scopes/1', 'a scope that is none'],
      [{ scopes: ['__proto__'] }, 'scopes/0', 'a name that every object has'],
      [{ networks: ['192.0.2.0/33'] }, 'networks/0', 'no network'],
      [{ networks: ['192.0.2.1', 'example.com'] }, 'networks/1', 'a name'],
      [{ networks: Array.from({ length: 101 }, () => '::1') }, 'networks', 'too many'],
      [{ expiresAt: 1 }, 'expiresAt', 'in the past'],
      [{ expiresAt: Number.MAX_SAFE_INTEGER }, 'expiresAt', 'never, in effect'],
      [{ requestsPerSecond: 0 }, 'requestsPerSecond', 'none at all'],
      [{ requestsPerSecond: 0.5 }, 'requestsPerSecond', 'half a request'],
    ]
    for (const [more, path, why] of table) {
      const error: unknown = await make(more).catch((thrown: unknown) => thrown)
      expect(error, why).toMatchObject({ code: 'BODY_INVALID', fields: [{ path }] })
    }
    expect(world.audit()).toEqual([])
  })

  test('can do no more than who makes it', async () => {
    const grant = granting('messages:send', 'keys:manage')
    const ask = (scopes: readonly string[]) =>
      codeFrom(() => keys().create(ANNA, world.tenant, { ...spec({ scopes }), grant }))
    expect(await ask(['messages:send'])).toBeUndefined()
    expect(await ask(['messages:send', 'messages:read'])).toBe('GRANT_FORBIDDEN')
    expect(await ask(['queue:manage'])).toBe('GRANT_FORBIDDEN')
  })

  test('of a test key is a test key', async () => {
    const grant: Grant = { may: () => true, mode: 'test' }
    const ask = (mode: 'live' | 'test') =>
      codeFrom(() => keys().create(ANNA, world.tenant, { ...spec({ mode }), grant }))
    expect(await ask('live')).toBe('GRANT_FORBIDDEN')
    expect(await ask('test')).toBeUndefined()
  })
})

describe('a change', () => {
  test('is in force at once, and stands in the audit log before and after', async () => {
    const { key, secret } = await make({ expiresAt: world.clock.now() + DAY })
    const edit: KeyEdit = {
      name: 'reports',
      scopes: ['messages:read'],
      networks: ['198.51.100.0/24'],
      requestsPerSecond: 9,
      expiresAt: null,
    }
    const changed = await keys().change(ANNA, world.tenant, key.id, {
      ...edit,
      grant: OPERATOR_GRANT,
    })
    expect(changed).toMatchObject({ ...edit, expiresAt: undefined })
    expect(await codeFrom(() => world.auth.key(secret, IP))).toBe('NETWORK_FORBIDDEN')
    expect(world.auth.key(secret, '198.51.100.1').scopes).toEqual(['messages:read'])
    expect(views()).toEqual([
      ['key.created', null, expect.objectContaining({ name: 'shop' })],
      [
        'key.changed',
        expect.objectContaining({ name: 'shop', networks: [], requestsPerSecond: null }),
        {
          name: 'reports',
          scopes: ['messages:read'],
          mode: 'live',
          networks: ['198.51.100.0/24'],
          requestsPerSecond: 9,
          expiresAt: null,
        },
      ],
    ])
    expect(world.audit()[1]).toMatchObject({
      target_name: 'shop',
      actor_name: ANNA.name,
      tenant_id: world.tenant,
    })
  })

  test('gives only what who makes it has; what the key has may stay', async () => {
    const { key } = await make({ scopes: ['messages:send', 'billing:read'] })
    const grant = granting('messages:read')
    const ask = (scopes: readonly string[]) =>
      codeFrom(() => keys().change(ANNA, world.tenant, key.id, { scopes, grant }))
    expect(await ask(['messages:send', 'billing:read', 'messages:read'])).toBeUndefined()
    expect(await ask(['keys:manage'])).toBe('GRANT_FORBIDDEN')
  })

  test('of what is not there, not ours or revoked is refused', async () => {
    const { key } = await make()
    const ask = (tenant = world.tenant) =>
      codeFrom(() => keys().change(ANNA, tenant, key.id, { name: 'x', grant: OPERATOR_GRANT }))
    expect(await ask(world.other)).toBe('NOT_FOUND')
    await keys().revoke(ANNA, world.tenant, key.id)
    expect(await ask()).toBe('STATE_CONFLICT')
  })
})

describe('rotation', () => {
  test('makes a new key on the same terms, and the old one is good for the overlap', async () => {
    const { clock } = world
    const { key: old, secret: oldSecret } = await make({
      networks: ['192.0.2.0/24'],
      requestsPerSecond: 5,
      expiresAt: clock.now() + 90 * DAY,
    })
    clock.leap(80 * DAY)
    const { key, former, secret } = await keys().rotate(ANNA, world.tenant, old.id, {
      grant: OPERATOR_GRANT,
    })
    expect(key).toMatchObject({
      name: old.name,
      scopes: old.scopes,
      networks: old.networks,
      requestsPerSecond: 5,
      expiresAt: clock.now() + 90 * DAY,
      replacedBy: undefined,
    })
    expect(former).toMatchObject({ replacedBy: key.id, expiresAt: clock.now() + DAY })
    expect([world.auth.key(secret, IP).key, world.auth.key(oldSecret, IP).key]).toEqual([
      key.id,
      old.id,
    ])
    clock.leap(DAY)
    expect(await codeFrom(() => world.auth.key(oldSecret, IP))).toBe('AUTH_EXPIRED')
    expect(world.auth.key(secret, IP).key).toBe(key.id)
    expect(views().at(-1)).toMatchObject([
      'key.rotated',
      { id: 'key_00000000001' },
      { formerEndsAt: '2026-03-23T00:00:00.000Z' },
    ])
    expect(world.audit().at(-1)).toMatchObject({ target_id: 'key_00000000002' })
  })

  test('never makes the old one last longer', async () => {
    const { clock } = world
    const { key } = await make({ expiresAt: clock.now() + 1_000 })
    const { former } = await keys().rotate(ANNA, world.tenant, key.id, { grant: OPERATOR_GRANT })
    expect(former.expiresAt).toBe(clock.now() + 1_000)
  })

  test.each<[overlapMs: number, code: string | undefined, why: string]>([
    [0, 'AUTH_EXPIRED', 'at once'],
    [1, undefined, 'a moment later'],
  ])('with an overlap of %i ms the old key is answered %s: %s', async (overlapMs, code) => {
    const { key, secret } = await make()
    await keys().rotate(ANNA, world.tenant, key.id, { overlapMs, grant: OPERATOR_GRANT })
    expect(await codeFrom(() => world.auth.key(secret, IP))).toBe(code)
  })

  test('is refused twice, for the revoked, across tenants, for a silly overlap, and to who holds less', async () => {
    const { key } = await make({ scopes: ['messages:send', 'messages:read'] })
    const ask = (more: object = {}, tenant = world.tenant, id = key.id) =>
      codeFrom(() => keys().rotate(ANNA, tenant, id, { grant: OPERATOR_GRANT, ...more }))
    expect(await ask({}, world.other)).toBe('NOT_FOUND')
    expect(await ask({ overlapMs: 31 * DAY })).toBe('BODY_INVALID')
    expect(await ask({ overlapMs: -1 })).toBe('BODY_INVALID')
    expect(await ask({ grant: granting('messages:send') })).toBe('GRANT_FORBIDDEN')
    expect(await ask()).toBeUndefined()
    expect(await ask()).toBe('STATE_CONFLICT')
    const second = (await keys().list(world.tenant, { before: undefined, limit: 1 }))[0]!
    await keys().revoke(ANNA, world.tenant, second.id)
    expect(await ask({}, world.tenant, second.id)).toBe('STATE_CONFLICT')
  })

  test('of two at the same time one wins, and there is one new key', async () => {
    const { key } = await make()
    const rotate = () =>
      codeFrom(() => keys().rotate(ANNA, world.tenant, key.id, { grant: OPERATOR_GRANT }))
    expect((await Promise.all([rotate(), rotate()])).sort()).toEqual(['STATE_CONFLICT', undefined])
    expect(await keys().list(world.tenant, { before: undefined, limit: 10 })).toHaveLength(2)
  })

  test('cannot be undone by changing when the old one ends', async () => {
    const { key } = await make()
    await keys().rotate(ANNA, world.tenant, key.id, { grant: OPERATOR_GRANT })
    const end = (expiresAt: number | null) =>
      codeFrom(() =>
        keys().change(ANNA, world.tenant, key.id, { expiresAt, grant: OPERATOR_GRANT }),
      )
    expect(await end(null)).toBe('STATE_CONFLICT')
    expect(await end(world.clock.now() + 31 * DAY)).toBe('STATE_CONFLICT')
    expect(await end(world.clock.now() + 5 * DAY)).toBeUndefined()
  })
})

describe('revocation', () => {
  test('is at once, for good, and written once', async () => {
    const { key, secret } = await make()
    expect(await keys().revoke(ANNA, world.tenant, key.id)).toMatchObject({ state: 'revoked' })
    expect(await codeFrom(() => world.auth.key(secret, IP))).toBe('AUTH_REVOKED')
    expect(await keys().revoke(ANNA, world.tenant, key.id)).toMatchObject({ state: 'revoked' })
    expect(world.audit().map(({ action }) => action)).toEqual(['key.created', 'key.revoked'])
    expect(await codeFrom(() => keys().revoke(ANNA, world.other, key.id))).toBe('NOT_FOUND')
  })
})

test('the list is the tenant’s own, newest first, in pages', async () => {
  for (const name of ['a', 'b', 'c']) await make({ name })
  await keys().create(ANNA, world.other, spec({ name: 'foreign' }))
  const first = await keys().list(world.tenant, { before: undefined, limit: 2 })
  const rest = await keys().list(world.tenant, { before: first[1]!.id, limit: 2 })
  expect([first, rest].map((page) => page.map(({ name }) => name))).toEqual([['c', 'b'], ['a']])
  expect(await codeFrom(() => keys().get(world.other, first[0]!.id))).toBe('NOT_FOUND')
})

test('a leaked secret is recognised, whatever became of the key', async () => {
  const { key, secret } = await make()
  await keys().revoke(ANNA, world.tenant, key.id)
  expect(await keys().recognise(secret)).toMatchObject({ id: key.id, state: 'revoked' })
  expect(await keys().recognise('ph_live_nobody')).toBeUndefined()
})

test('no secret and no hash of one stands in the audit log', async () => {
  const { key, secret } = await make()
  const rotated = await keys().rotate(ANNA, world.tenant, key.id, { grant: OPERATOR_GRANT })
  await keys().revoke(ANNA, world.tenant, key.id)
  const log = JSON.stringify(world.opened.all('select * from audit'))
  for (const text of [secret, rotated.secret]) {
    expect(log).not.toContain(text.slice(8, 30))
    expect(log).not.toContain(hashSecret(text, HASH_KEY))
  }
})
