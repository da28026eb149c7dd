/** When keys and logins were used: off the hot path, in the database within seconds, and new countries told once. */
import { beforeEach, describe, expect, test } from 'vitest'
import { AppError } from '../../../server/core/errors.ts'
import { asId } from '../../../server/core/ids.ts'
import { makeAccessUses } from '../../../server/services/access-uses.ts'
import type { Use } from '../../../server/services/access-uses.ts'
import { OPERATOR_GRANT } from '../../../server/services/access-terms.ts'
import type { Store } from '../../../server/store/open.ts'
import { ANNA, openAccessWorld } from '../../support/access.ts'
import type { AccessWorld } from '../../support/access.ts'

const FLUSH_MS = 10_000

let world: AccessWorld
beforeEach(async () => {
  world = await openAccessWorld()
  for (const [ip, country] of [
    ['192.0.2.1', 'DE'],
    ['192.0.2.2', 'DE'],
    ['198.51.100.1', 'FR'],
    ['203.0.113.1', 'BR'],
  ] as const)
    world.countries.set(ip, country)
})
const use = (ip: string, id = 7): Use => ({
  kind: 'key',
  tenant: asId('tenant', 1),
  id,
  name: 'shop',
  ip,
})
const rows = () => world.opened.all('select * from access_uses order by id')
const told = () => world.newCountries.map(({ id, country }) => `${id} ${country}`)

test('a use is written within ten seconds, and many are one write', async () => {
  const { clock, uses, opened } = world
  const before = opened.store.writer.counts.ops
  for (let i = 0; i < 1000; i++) uses.note(use('192.0.2.1'))
  await clock.advance(FLUSH_MS - 1)
  expect(rows()).toEqual([])
  uses.note(use('192.0.2.2'))
  const at = clock.now()
  await clock.advance(1)
  await uses.flush()
  expect(rows()).toEqual([{ tenant_id: 1, kind: 'key', id: 7, at, ip: '192.0.2.2', country: 'DE' }])
  expect(opened.store.writer.counts.ops - before).toBe(1)
  expect(opened.all('select * from audit')).toEqual([])
})

test('the place is asked for when the address changes, not on each use', () => {
  for (let i = 0; i < 100; i++) world.uses.note(use('192.0.2.1'))
  world.uses.note(use('192.0.2.2'))
  expect(world.placesAsked()).toBe(2)
})

test('closing writes what is left, and nothing waits any more', async () => {
  const pending = world.clock.pending()
  world.uses.note(use('192.0.2.1'))
  await world.uses.close()
  expect(rows()).toHaveLength(1)
  expect(world.clock.pending()).toBe(pending)
})

test('what cannot be written is written later, and nobody is hurt', async () => {
  const { opened, clock } = world
  const { store, log } = opened
  let isFull = true
  const writer: Store['writer'] = {
    ...store.writer,
    write: (changes, record) =>
      isFull ? Promise.reject(new AppError('STORE_FULL')) : store.writer.write(changes, record),
  }
  const places = { placeOf: () => ({}) }
  const onNewCountry = (): void => undefined
  const uses = makeAccessUses({ store: { ...store, writer }, clock, log, places, onNewCountry })
  uses.note(use('192.0.2.1'))
  await uses.flush()
  expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
  expect(rows()).toEqual([])
  isFull = false
  await clock.advance(FLUSH_MS)
  await uses.flush()
  expect(rows()).toHaveLength(1)
})

describe('a new country', () => {
  test.each<[why: string, ips: string[], told: string[]]>([
    ['the first one is none', ['192.0.2.1'], []],
    ['nor is another address in it', ['192.0.2.1', '192.0.2.2'], []],
    ['a second one is', ['192.0.2.1', '198.51.100.1'], ['7 FR']],
    ['going to and fro is told once', ['192.0.2.1', '198.51.100.1', '192.0.2.1'], ['7 FR']],
    ['a third one too', ['192.0.2.1', '198.51.100.1', '203.0.113.1'], ['7 FR', '7 BR']],
    ['an unknown place is none', ['192.0.2.1', '10.0.0.1'], []],
    ['it is one after an unknown place', ['10.0.0.1', '203.0.113.1'], ['7 BR']],
  ])('%s', async (_why, ips, expected) => {
    // Once in one go, once with a write after each.
    for (const ip of ips) world.uses.note(use(ip))
    await world.uses.flush()
    expect(told()).toEqual(expected)
    world.newCountries.length = 0
    for (const ip of ips) {
      world.uses.note(use(ip, 8))
      await world.uses.flush()
    }
    expect(told()).toEqual(expected.map((word) => word.replace('7', '8')))
  })

  test('is remembered over a restart', async () => {
    for (const ip of ['192.0.2.1', '198.51.100.1']) world.uses.note(use(ip))
    await world.uses.close()
    const again = world.secondUses()
    for (const ip of ['198.51.100.1', '192.0.2.1', '203.0.113.1']) again.note(use(ip))
    await again.close()
    expect(told()).toEqual(['7 FR', '7 BR'])
    expect(world.newCountries[1]).toEqual({
      ...use('203.0.113.1'),
      country: 'BR',
      at: world.clock.now(),
    })
  })

  test('is told by one of two processes that see it', async () => {
    const second = world.secondUses()
    for (const uses of [world.uses, second]) uses.note(use('192.0.2.1'))
    await Promise.all([world.uses.flush(), second.flush()])
    for (const uses of [world.uses, second]) uses.note(use('198.51.100.1'))
    await Promise.all([world.uses.flush(), second.flush()])
    expect(told()).toEqual(['7 FR'])
  })
})

test('keys and logins show their last use; a refused one is no use', async () => {
  const { access, auth, tenant, clock } = world
  const grant = OPERATOR_GRANT
  const { key, secret } = await access.keys.create(ANNA, tenant, {
    name: 'shop',
    scopes: ['messages:send'],
    mode: 'live',
    networks: ['192.0.2.0/24'],
    grant,
  })
  const { credential, password } = await access.credentials.create(ANNA, tenant, {
    username: 'shop',
    grant,
  })
  expect(() => auth.key(secret, '203.0.113.1')).toThrow()
  expect(() => auth.login('shop', 'wrong', '203.0.113.1')).toThrow()
  await world.uses.flush()
  expect((await access.keys.get(tenant, key.id)).lastUse).toBeUndefined()
  auth.key(secret, '192.0.2.1')
  auth.login('shop', password, '10.0.0.1')
  await world.uses.flush()
  const at = clock.now()
  expect((await access.keys.get(tenant, key.id)).lastUse).toEqual({
    at,
    ip: '192.0.2.1',
    country: 'DE',
  })
  expect((await access.credentials.get(tenant, credential.id)).lastUse).toEqual({
    at,
    ip: '10.0.0.1',
    country: undefined,
  })
})
