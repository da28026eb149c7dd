/** Who gets in with what, from where and when; and that a refusal tells nothing to who does not know the secret. */
import { beforeEach, describe, expect, test } from 'vitest'
import { realRandom } from '../../../server/ports.ts'
import { OPERATOR_GRANT } from '../../../server/services/access-terms.ts'
import { newApiKey } from '../../../server/services/auth/secret.ts'
import type { KeySpec } from '../../../server/services/keys.ts'
import { ANNA, codeFrom, openAccessWorld } from '../../support/access.ts'
import type { AccessWorld } from '../../support/access.ts'

const IP = '192.0.2.7'

let world: AccessWorld
beforeEach(async () => {
  world = await openAccessWorld()
})
const makeKey = (more: Partial<KeySpec> = {}) =>
  world.access.keys.create(ANNA, world.tenant, {
    name: 'shop',
    scopes: ['messages:send'],
    mode: 'live',
    grant: OPERATOR_GRANT,
    ...more,
  })
const use = (secret: string, ip = IP) => codeFrom(() => world.auth.key(secret, ip))

describe('networks', () => {
  test('of a key are addresses and networks of both families', async () => {
    const table: readonly (readonly [network: string, ip: string, isIn: boolean, why: string])[] = [
      ['192.0.2.0/24', '192.0.2.255', true, 'inside'],
      ['192.0.2.0/24', '192.0.3.0', false, 'next door'],
      ['192.0.2.7', '192.0.2.7', true, 'the address itself'],
      ['192.0.2.7', '192.0.2.8', false, 'another one'],
      ['192.0.2.0/24', '::ffff:192.0.2.7', true, 'as a dual-stack socket tells it'],
      ['192.0.2.0/24', '::ffff:c000:207', true, 'the same, written by a proxy'],
      ['192.0.2.0/24', '::ffff:c000:307', false, 'next door, written by a proxy'],
      ['2001:db8::/32', '2001:db8:ffff::1', true, 'IPv6'],
      ['2001:db8::/32', '2001:db9::1', false, 'IPv6 next door'],
      ['2001:db8::/32', '192.0.2.7', false, 'the other family'],
      ['0.0.0.0/0', '2001:db8::1', false, 'all of IPv4 is not all'],
      ['192.0.2.0/24', '', false, 'no address at all'],
      ['192.0.2.0/24', 'unix:', false, 'no address either'],
    ]
    for (const [network, ip, isIn, why] of table) {
      const { secret } = await makeKey({ networks: [network] })
      expect([why, await use(secret, ip)]).toEqual([why, isIn ? undefined : 'NETWORK_FORBIDDEN'])
    }
  })

  test('that cannot be read shut out their key and nobody else', async () => {
    const { secret } = await makeKey({ networks: ['192.0.2.0/24'] })
    const { secret: good } = await makeKey()
    const { store } = world.opened
    const query = store.across.build
      .updateTable('keys')
      .set({ networks: '["nonsense"]', name: 'renamed' })
      .where('id', '=', 1)
      .compile()
    const bump = store.build
      .updateTable('settings')
      .set({ value: '999' })
      .where('name', '=', 'catalog.version')
      .compile()
    await store.writer.write([{ query }, { query: bump }], { unaudited: 'test' })
    await world.catalog.refresh()
    expect([await use(secret), await use(good)]).toEqual(['NETWORK_FORBIDDEN', undefined])
  })
})

describe('no oracle', () => {
  test('what is wrong with a key is told to who has it, and a thief elsewhere hears one thing', async () => {
    const { key, secret } = await makeKey({
      networks: ['192.0.2.0/24'],
      expiresAt: world.clock.now() + 1,
    })
    const elsewhere = '203.0.113.1'
    expect([await use(secret), await use(secret, elsewhere)]).toEqual([
      undefined,
      'NETWORK_FORBIDDEN',
    ])
    world.clock.leap(1)
    expect([await use(secret), await use(secret, elsewhere)]).toEqual([
      'AUTH_EXPIRED',
      'NETWORK_FORBIDDEN',
    ])
    await world.access.keys.revoke(ANNA, world.tenant, key.id)
    expect([await use(secret), await use(secret, elsewhere)]).toEqual([
      'AUTH_REVOKED',
      'NETWORK_FORBIDDEN',
    ])
  })

  test('a guess is AUTH_FAILED, whatever is guessed at', async () => {
    const { secret } = await makeKey({ expiresAt: world.clock.now() + 1 })
    const guesses = [
      newApiKey('live', realRandom),
      secret.replace('live', 'test'),
      secret.slice(0, -1),
      `${secret} `,
      secret.toUpperCase(),
      '',
      'ph_live_',
      'x'.repeat(256),
    ]
    for (const guess of guesses) expect([guess, await use(guess)]).toEqual([guess, 'AUTH_FAILED'])
  })

  test('a wrong password is AUTH_FAILED, whatever state the login is in', async () => {
    const { credential } = await world.access.credentials.create(ANNA, world.tenant, {
      username: 'shop',
      networks: ['192.0.2.0/24'],
      expiresAt: world.clock.now() + 1,
      grant: OPERATOR_GRANT,
    })
    const guess = (name: string) => codeFrom(() => world.auth.login(name, 'guess', '203.0.113.1'))
    const both = async () => [await guess('shop'), await guess('nobody')]
    expect(await both()).toEqual(['AUTH_FAILED', 'AUTH_FAILED'])
    world.clock.leap(1)
    expect(await both()).toEqual(['AUTH_FAILED', 'AUTH_FAILED'])
    await world.access.credentials.revoke(ANNA, world.tenant, credential.id)
    expect(await both()).toEqual(['AUTH_FAILED', 'AUTH_FAILED'])
    expect(await codeFrom(() => world.auth.login('__proto__', '', IP))).toBe('AUTH_FAILED')
  })
})

test('a key of a disabled tenant is as good as revoked', async () => {
  const { secret } = await makeKey()
  await world.disable(world.other)
  expect(await use(secret)).toBeUndefined()
  await world.disable(world.tenant)
  expect(await use(secret)).toBe('AUTH_REVOKED')
})

test('a scope that this version does not know gives nothing', async () => {
  const { secret } = await makeKey()
  const { store } = world.opened
  const query = store.across.build
    .updateTable('keys')
    .set({ scopes: '["messages:send","moon:land"]' })
    .compile()
  await store.writer.write([{ query }], { unaudited: 'test' })
  await makeKey({ name: 'so that the snapshot is read again' })
  expect(world.auth.key(secret, IP).scopes).toEqual(['messages:send'])
})
