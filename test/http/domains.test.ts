/** Sender domains over REST. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aMessage, codeOf, openWorld } from './support.ts'
import type { World } from './support.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

interface DomainView {
  readonly id: string
  readonly name: string
  readonly verified: boolean
  readonly records: readonly { name: string; type: string; value: string }[]
}
const add = async (name: string): Promise<DomainView> =>
  (await world.post('/v1/domains', { name })).json<DomainView>()
const request = (method: 'PATCH' | 'DELETE', id: string, payload?: object) =>
  world.app.inject({
    method,
    url: `/v1/domains/${id}`,
    headers: { authorization: `Bearer ${world.key}` },
    ...(payload === undefined ? {} : { payload }),
  })
const isSandboxed = async (from: string): Promise<unknown> => {
  const sent = await world.post('/v1/messages', aMessage({ from }))
  const { id } = sent.json<{ id: string }>()
  return (await world.get(`/v1/messages/${id}`)).json<{ sandbox: unknown }>().sandbox
}

test('a domain comes with two keys to publish, and its private halves nowhere', async () => {
  const answer = await world.post('/v1/domains', { name: 'Shop.Example' })
  const domain = answer.json<DomainView>()
  expect([answer.statusCode, answer.headers.location]).toEqual([201, `/v1/domains/${domain.id}`])
  expect(domain).toMatchObject({ name: 'shop.example', verified: false })
  expect(domain.records).toHaveLength(2)
  for (const { name, type, value } of domain.records) {
    expect([type, name.endsWith('._domainkey.shop.example')]).toEqual(['TXT', true])
    expect(value).toMatch(/^v=DKIM1; k=(?:rsa|ed25519); p=[A-Za-z0-9+/=]+$/)
  }
  expect(answer.body).not.toContain('PRIVATE')
  const { items } = (await world.get('/v1/domains')).json<{ items: DomainView[] }>()
  expect(items).toContainEqual(domain)
  expect((await world.get(`/v1/domains/${domain.id}`)).json()).toEqual(domain)
})

test('mail leaves only from a domain that somebody vouched for', async () => {
  const { id } = await add('vouch.example')
  expect(await isSandboxed('a@vouch.example')).toBe(true)
  expect((await request('PATCH', id, { verified: true })).json()).toMatchObject({ verified: true })
  expect(await isSandboxed('a@vouch.example')).not.toBe(true)
  await request('PATCH', id, { verified: false })
  expect(await isSandboxed('a@vouch.example')).toBe(true)
})

test('nobody vouches for their own domain, though they may take it back', async () => {
  const { id } = await add('own.example')
  const owner = await world.people({ role: 'owner' })
  const patch = (verified: boolean) =>
    owner.call({ method: 'PATCH', url: `/v1/domains/${id}`, payload: { verified } })
  const refused = await patch(true)
  expect([refused.statusCode, codeOf(refused)]).toEqual([403, 'PERMISSION_MISSING'])
  expect((await world.get(`/v1/domains/${id}`)).json()).toMatchObject({ verified: false })
  await request('PATCH', id, { verified: true })
  expect((await patch(false)).json()).toMatchObject({ verified: false })
  const operator = await world.people({ role: 'owner', platformRole: 'admin' })
  const done = await operator.call({
    method: 'PATCH',
    url: `/v1/domains/${id}`,
    payload: { verified: true },
  })
  expect(done.statusCode).toBe(200)
})

test('a domain that is removed is gone, with its keys', async () => {
  const { id, records } = await add('gone.example')
  expect((await request('DELETE', id)).statusCode).toBe(204)
  expect(codeOf(await request('DELETE', id))).toBe('NOT_FOUND')
  expect(codeOf(await world.get(`/v1/domains/${id}`))).toBe('NOT_FOUND')
  const again = await add('gone.example')
  expect(again.records.map(({ value }) => value)).not.toEqual(records.map(({ value }) => value))
})

test('two tenants may have the same domain, and each sees its own', async () => {
  const { id } = await add('both.example')
  const tenant = await world.newTenant('other')
  const { secret } = await world.newKey(tenant, ['domains:read', 'domains:manage'])
  const theirs = { authorization: `Bearer ${secret}` }
  const made = await world.post('/v1/domains', { name: 'both.example' }, theirs)
  expect(made.statusCode).toBe(201)
  expect(made.json<DomainView>().id).not.toBe(id)
  const { items } = (await world.get('/v1/domains', theirs)).json<{ items: DomainView[] }>()
  expect(items.map(({ name }) => name)).toEqual(['both.example'])
})

describe('refused', () => {
  test.each<[body: object, status: number, code: string, why: string]>([
    [{ name: 'live.example' }, 409, 'NAME_TAKEN', 'the tenant has it'],
    [{ name: 'LIVE.example' }, 409, 'NAME_TAKEN', 'in other letters'],
    [{ name: 'localhost' }, 400, 'ADDRESS_INVALID', 'no domain of the public DNS'],
    [{ name: 'a@b.example' }, 400, 'ADDRESS_INVALID', 'an address'],
    [{ name: '*.shop.example' }, 400, 'ADDRESS_INVALID', 'a pattern'],
    [{ name: 'shop..example' }, 400, 'ADDRESS_INVALID', 'an empty label'],
    [{ name: `${'a'.repeat(64)}.example` }, 400, 'ADDRESS_INVALID', 'a label of 64'],
    [{ name: '' }, 400, 'BODY_INVALID', 'nothing'],
    [{}, 400, 'BODY_INVALID', 'no name'],
    [{ name: 'x.example', verified: true }, 400, 'FIELD_UNKNOWN', 'vouching is a matter apart'],
  ])('%o → %i %s: %s', async (body, status, code) => {
    const answer = await world.post('/v1/domains', body)
    expect([answer.statusCode, codeOf(answer)]).toEqual([status, code])
  })
})
