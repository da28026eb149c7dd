/**
 * Ids of another tenant, at every route that takes one: asked by the owner of a tenant and by a key that may do
 * everything, for rows that really exist next door. Nothing may be told, nothing may change, and a route that is new
 * must be told here where it stands.
 */
import type { HTTPMethods } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { encodeId } from '../../server/core/ids.ts'
import type { TenantId } from '../../server/core/ids.ts'
import { ALL_PERMISSIONS, isPlatformPermission } from '../../server/core/permission.ts'
import type { RegisteredRoute } from '../../server/http/auth.ts'
import { OPERATOR_GRANT } from '../../server/services/access-terms.ts'
import { softAuthenticator } from '../support/authenticator.ts'
import { newcomer, openBrowser } from './browser.ts'
import { aMessage, openWorld, ORIGIN } from './support.ts'
import type { World } from './support.ts'
import type { Person } from './people-of.ts'

/** What the tenant next door has, by outside ids and names. */
interface Neighbour {
  readonly id: TenantId
  readonly tenant: string
  readonly name: string
  readonly message: string
  readonly delivery: string
  readonly domain: string
  readonly domainName: string
  readonly key: string
  readonly keyName: string
  readonly credential: string
  readonly username: string
  readonly member: string
  readonly memberEmail: string
  readonly invitation: string
  readonly invitedEmail: string
  readonly role: string
  readonly roleName: string
  readonly security: string
  readonly session: string
  readonly passkey: string
}

let world: World
let owner: Person
let b: Neighbour

beforeAll(async () => {
  world = await openWorld()
  owner = await world.people({ role: 'owner' })
  b = await furnish('neighbour')
  await world.app.ready()
})
afterAll(() => world.close())

async function furnish(name: string): Promise<Neighbour> {
  const { control, access } = world
  const id = await world.newTenant(name)
  const domain = await control.domains.add(SYSTEM_ACTOR, id, `${name}.example`, true)
  const { key, secret } = await access.keys.create(SYSTEM_ACTOR, id, {
    name: `${name} shop`,
    scopes: ['messages:send'],
    mode: 'live',
    grant: OPERATOR_GRANT,
  })
  const { credential } = await access.credentials.create(SYSTEM_ACTOR, id, {
    username: `${name}-smtp`,
    limits: {},
    mode: 'live',
    grant: OPERATOR_GRANT,
  })
  const sent = await world.post('/v1/messages', aMessage({ from: `a@${name}.example` }), {
    authorization: `Bearer ${secret}`,
  })
  const message = sent.json<{ id: string; deliveries: { id: string }[] }>()
  const role = await control.roles.add(SYSTEM_ACTOR, id, {
    name: `${name}-role`,
    title: 'Role of theirs',
    permissions: ['messages:read'],
    secondFactor: false,
  })
  const { invitation } = await control.invitations.create(SYSTEM_ACTOR, id, {
    email: `invited@${name}.example`,
    role: 'analyst',
  })
  const person = await newcomer(world, { role: 'owner', tenant: id, email: `o@${name}.example` })
  const browser = openBrowser(world.app)
  await browser.signIn(person.email)
  const app = softAuthenticator({ origin: ORIGIN })
  type Options = Parameters<typeof app.create>[0]
  const options = await browser.post('/v1/account/passkeys/options')
  const passkey = app.create(options.json<{ options: Options }>().options)
  await browser.post('/v1/account/passkeys', { name: 'Theirs', passkey })
  await control.quotas.set(SYSTEM_ACTOR, {
    tenant: id,
    scope: 'domain',
    of: `${name}.example`,
    day: 1000,
    over: 'delay',
  })
  const security = await control.securityLog.record({
    kind: 'key-used-from-new-country',
    tenant: id,
    user: undefined,
    score: 50,
    decision: 'notify',
    ip: '192.0.2.77',
    country: 'DE',
    data: { name: `${name} shop` },
  })
  const only = <T>(items: readonly T[]): T => {
    expect(items).toHaveLength(1)
    return items[0]!
  }
  const listed = async (url: string): Promise<{ id: string }[]> =>
    (await browser.get(url)).json<{ items: { id: string }[] }>().items
  return {
    id,
    tenant: encodeId('tenant', id),
    name,
    message: message.id,
    delivery: message.deliveries[0]!.id,
    domain: encodeId('domain', domain.id),
    domainName: domain.name,
    key: encodeId('key', key.id),
    keyName: key.name,
    credential: encodeId('credential', credential.id),
    username: credential.username,
    member: encodeId('user', person.id),
    memberEmail: person.email,
    invitation: encodeId('invitation', invitation.id),
    invitedEmail: invitation.email,
    role: encodeId('role', role.id!),
    roleName: role.name,
    security: encodeId('security', security),
    session: only(await listed('/v1/account/sessions')).id,
    passkey: only(await listed('/v1/account/passkeys')).id,
  }
}

interface Ask {
  readonly url: string
  readonly body?: object
}
/** `METHOD pattern` → what is asked of the neighbour's rows. */
const ASKED: Readonly<Record<string, (of: Neighbour) => readonly Ask[]>> = {
  'GET /v1/messages/:id': ({ message, delivery }) => [
    { url: `/v1/messages/${message}` },
    { url: `/v1/messages/${message}?deliveriesAfter=${delivery}` },
  ],
  'GET /v1/messages/:id/content': ({ message }) => [{ url: `/v1/messages/${message}/content` }],
  'POST /v1/messages/:id/cancel': ({ message }) => [{ url: `/v1/messages/${message}/cancel` }],
  'GET /v1/deliveries/:id': ({ delivery }) => [{ url: `/v1/deliveries/${delivery}` }],
  'GET /v1/deliveries/:id/explain': ({ delivery }) => [
    { url: `/v1/deliveries/${delivery}/explain` },
  ],
  'DELETE /v1/account/sessions/:id': ({ session }) => [{ url: `/v1/account/sessions/${session}` }],
  'PATCH /v1/account/passkeys/:id': ({ passkey }) => [
    { url: `/v1/account/passkeys/${passkey}`, body: { name: 'Mine' } },
  ],
  'DELETE /v1/account/passkeys/:id': ({ passkey }) => [{ url: `/v1/account/passkeys/${passkey}` }],
  'DELETE /v1/account/memberships/:id': ({ tenant }) => [
    { url: `/v1/account/memberships/${tenant}` },
  ],
  'PATCH /v1/members/:id': ({ member }) => [
    { url: `/v1/members/${member}`, body: { role: 'analyst' } },
  ],
  'DELETE /v1/members/:id': ({ member }) => [{ url: `/v1/members/${member}` }],
  'POST /v1/invitations/:id/resend': ({ invitation }) => [
    { url: `/v1/invitations/${invitation}/resend` },
  ],
  'DELETE /v1/invitations/:id': ({ invitation }) => [{ url: `/v1/invitations/${invitation}` }],
  'PATCH /v1/roles/:id': ({ role }) => [{ url: `/v1/roles/${role}`, body: { title: 'Mine' } }],
  'DELETE /v1/roles/:id': ({ role }) => [{ url: `/v1/roles/${role}` }],
  'GET /v1/domains/:id': ({ domain }) => [{ url: `/v1/domains/${domain}` }],
  'PATCH /v1/domains/:id': ({ domain }) => [
    { url: `/v1/domains/${domain}`, body: { verified: false } },
  ],
  'DELETE /v1/domains/:id': ({ domain }) => [{ url: `/v1/domains/${domain}` }],
  'GET /v1/keys/:id': ({ key }) => [{ url: `/v1/keys/${key}` }],
  'PATCH /v1/keys/:id': ({ key }) => [{ url: `/v1/keys/${key}`, body: { name: 'mine' } }],
  'POST /v1/keys/:id/rotate': ({ key }) => [{ url: `/v1/keys/${key}/rotate`, body: {} }],
  'DELETE /v1/keys/:id': ({ key }) => [{ url: `/v1/keys/${key}` }],
  'GET /v1/credentials/:id': ({ credential }) => [{ url: `/v1/credentials/${credential}` }],
  'PATCH /v1/credentials/:id': ({ credential }) => [
    { url: `/v1/credentials/${credential}`, body: { networks: ['192.0.2.0/24'] } },
  ],
  'POST /v1/credentials/:id/rotate': ({ credential }) => [
    { url: `/v1/credentials/${credential}/rotate`, body: {} },
  ],
  'DELETE /v1/credentials/:id': ({ credential }) => [{ url: `/v1/credentials/${credential}` }],
  'PUT /v1/quotas/:scope/:name': (of) =>
    quotasOf(of).map((url) => ({ url, body: { day: 1, over: 'refuse' } })),
  'DELETE /v1/quotas/:scope/:name': (of) => quotasOf(of).map((url) => ({ url })),
  'POST /v1/security-events/:id/handle': ({ security }) => [
    { url: `/v1/security-events/${security}/handle`, body: { note: 'Nothing.' } },
  ],
}
const quotasOf = ({ domain, domainName, credential, username }: Neighbour): string[] => [
  `/v1/quotas/domain/${domainName}`,
  `/v1/quotas/domain/${domain}`,
  `/v1/quotas/credential/${username}`,
  `/v1/quotas/credential/${credential}`,
]

const nameOf = ({ method, url }: RegisteredRoute): string => `${method} ${url}`
/** Those of the installation are for people of the installation; the matrix has them. */
const isOfTenants = ({ permission, public: isPublic }: RegisteredRoute): boolean =>
  isPublic !== true && (permission === undefined || !isPlatformPermission(permission))

/** Everything that the neighbour has, as it stands in the tables. */
function rowsOf({ id }: Neighbour): Record<string, unknown[]> {
  const tables = world
    .all<{ name: string }>("select name from sqlite_master where type = 'table' order by name")
    .map(({ name }) => name)
    .filter((name) => name !== 'audit')
  const columns = (table: string): string[] =>
    world.all<{ name: string }>(`select name from pragma_table_info('${table}')`).map((c) => c.name)
  const people = 'select user_id from memberships where tenant_id = ?'
  return Object.fromEntries(
    tables.flatMap((table) => {
      const has = columns(table)
      if (has.includes('tenant_id'))
        return [[table, world.all(`select * from "${table}" where tenant_id = ?`, id)]]
      if (has.includes('user_id'))
        return [[table, world.all(`select * from "${table}" where user_id in (${people})`, id)]]
      if (table === 'users')
        return [[table, world.all(`select * from users where id in (${people})`, id)]]
      if (table === 'tenants') return [[table, world.all('select * from tenants where id = ?', id)]]
      return []
    }),
  )
}

describe('every route that takes an id of a tenant', () => {
  test('is in the table, and no other', () => {
    const taking = world.app.routeAccess
      .filter(isOfTenants)
      .filter(({ url }) => url.includes(':'))
      .map(nameOf)
    expect(Object.keys(ASKED).sort()).toEqual(taking.sort())
  })

  test('the neighbour really has something in every table that they could lose', () => {
    const rows = rowsOf(b)
    const filled = Object.keys(rows).filter((table) => (rows[table]?.length ?? 0) > 0)
    expect(filled).toEqual(
      expect.arrayContaining([
        'credentials',
        'deliveries',
        'domains',
        'invitations',
        'keys',
        'memberships',
        'messages',
        'passkeys',
        'roles',
        'security_events',
        'sessions',
        'tenants',
        'users',
      ]),
    )
  })

  test.each(Object.entries(ASKED))('%s', async (name, asked) => {
    const [method = ''] = name.split(' ')
    const isForPeople =
      world.app.routeAccess.find((route) => nameOf(route) === name)?.permission === undefined
    const before = rowsOf(b)
    for (const { url, body } of asked(b)) {
      const request = {
        method: method as HTTPMethods & 'GET',
        url,
        ...(body === undefined ? {} : { payload: body }),
      }
      const byPerson = await owner.call(request)
      expect([url, byPerson.statusCode, byPerson.json<{ code: string }>().code]).toEqual([
        url,
        404,
        'NOT_FOUND',
      ])
      const byKey = await world.app.inject({
        ...request,
        headers: { authorization: `Bearer ${world.key}` },
      })
      const { code } = byKey.json<{ code: string }>()
      const isRefused = isForPeople || code === 'SESSION_REQUIRED'
      expect([url, byKey.statusCode, code]).toEqual(
        isRefused ? [url, 403, 'SESSION_REQUIRED'] : [url, 404, 'NOT_FOUND'],
      )
    }
    expect(rowsOf(b)).toEqual(before)
  })

  // Otherwise the test above would find nothing where there never was anything. One's own account: account.test.ts.
  test.each(Object.entries(ASKED).filter(([name]) => !name.includes('/account/')))(
    '%s is there for the neighbour itself',
    async (name, asked) => {
      const [method = ''] = name.split(' ')
      const theirs = method === 'GET' ? b : await furnish(`own-${(count += 1)}`)
      const wish = { role: 'owner', tenant: theirs.id, platformRole: 'admin' } as const
      const insider = await world.people(wish)
      for (const { url, body } of asked(theirs).slice(0, 1)) {
        const answer = await insider.call({
          method: method,
          url,
          ...(body === undefined ? {} : { payload: body }),
        })
        expect([url, answer.statusCode < 300]).toEqual([url, true])
      }
    },
  )
})

let count = 0

describe('an id of another kind', () => {
  test.each(Object.keys(ASKED).filter((name) => name.endsWith(':id') || name.includes(':id/')))(
    '%s is 400 ID_INVALID',
    async (name) => {
      const [method = '', pattern = ''] = name.split(' ')
      const [{ body } = {}] = ASKED[name]?.(b) ?? []
      for (const id of ['src_00000000001', 'x', '1', '%00', '..%2f', "'%20or%201=1--"]) {
        const answer = await owner.call({
          method: method,
          url: pattern.replace(':id', id),
          ...(body === undefined ? {} : { payload: body }),
        })
        expect([id, answer.statusCode, answer.json<{ code: string }>().code]).toEqual([
          id,
          400,
          'ID_INVALID',
        ])
      }
    },
  )
})

describe('lists of one tenant', () => {
  test('never hold what the neighbour has', async () => {
    const lists = world.app.routeAccess.filter(
      (route) => isOfTenants(route) && route.method === 'GET' && !route.url.includes(':'),
    )
    expect(lists.length).toBeGreaterThan(10)
    const theirs = Object.values(b).filter((mark) => typeof mark === 'string')
    const names: string[] = []
    for (const { url, permission } of lists) {
      const answers = [await owner.call({ method: 'GET', url })]
      if (permission !== undefined) answers.push(await world.get(url))
      for (const answer of answers) {
        if (answer.statusCode !== 200) continue
        names.push(url)
        expect([url, theirs.filter((mark) => answer.body.includes(mark))]).toEqual([url, []])
      }
    }
    expect(new Set(names).size).toBe(lists.length)
  })

  test.each([
    ['/v1/messages?from=a@neighbour.example', 'a filter that fits theirs'],
    ['/v1/audit?target=KEY', 'a target of theirs'],
    ['/v1/audit?actor=o@neighbour.example', 'an actor of theirs'],
  ])('%s finds nothing: %s', async (url) => {
    const asked = url.replace('KEY', b.key)
    const answer = await owner.call({ method: 'GET', url: asked })
    expect([answer.statusCode, answer.json<{ items: unknown[] }>().items]).toEqual([200, []])
  })

  test('do not go on where the neighbour’s left off', async () => {
    // A cursor holds a key and no tenant: with it, only one's own rows come.
    const listed = await world.people({ role: 'owner', tenant: b.id })
    const page = await listed.call({ method: 'GET', url: '/v1/audit?limit=1' })
    const { nextCursor } = page.json<{ nextCursor: string }>()
    const mine = await owner.call({ method: 'GET', url: `/v1/audit?cursor=${nextCursor}` })
    expect(mine.statusCode).toBe(200)
    expect(mine.body).not.toContain(b.keyName)
  })
})

test('what a request names twice is not taken from where it was not checked', async () => {
  // The header decides; a body that names another tenant is refused, and so is a query.
  const named = { ...owner.headers, 'posthorn-tenant': b.tenant }
  const refused = await world.app.inject({ url: '/v1/keys', headers: named })
  expect([refused.statusCode, refused.json<{ code: string }>().code]).toEqual([
    403,
    'PERMISSION_MISSING',
  ])
  for (const query of [`tenant=${b.tenant}`, `tenant_id=${b.id}`])
    expect((await owner.call({ method: 'GET', url: `/v1/keys?${query}` })).statusCode).toBe(400)
  // A key has its tenant; the header changes nothing.
  const byKey = await world.get('/v1/domains', { 'posthorn-tenant': b.tenant })
  expect(byKey.body).toContain('live.example')
  expect(byKey.body).not.toContain(b.domainName)
})

test('the scopes of the key in this test are all there are', () => {
  const key = world.all<{ scopes: string }>('select scopes from keys order by id limit 1')
  expect(JSON.parse(key[0]?.scopes ?? '[]')).toEqual(ALL_PERMISSIONS)
})
