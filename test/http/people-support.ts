/**
 * People behind the real routes: store, services, sessions and throttle as in the product, and a mailbox that is what
 * the product has kept to send. Requests are injected as a browser sends them.
 */
import fastify from 'fastify'
import type { LightMyRequestResponse } from 'fastify'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { onTestFinished } from 'vitest'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { asId, decodeId, encodeId } from '../../server/core/ids.ts'
import type { MessageId, TenantId, UserId } from '../../server/core/ids.ts'
import { installAuth } from '../../server/http/auth.ts'
import { installBodyParsers } from '../../server/http/body.ts'
import { installErrors } from '../../server/http/errors.ts'
import { compileValidator } from '../../server/http/field-errors.ts'
import { SESSION_COOKIE } from '../../server/http/cookies.ts'
import { accountLinkRoutes } from '../../server/http/routes/account-links.ts'
import { invitationRoutes } from '../../server/http/routes/invitations.ts'
import { memberRoutes } from '../../server/http/routes/members.ts'
import { roleRoutes } from '../../server/http/routes/roles.ts'
import { setupRoutes } from '../../server/http/routes/setup.ts'
import { tenantRoutes } from '../../server/http/routes/tenants.ts'
import { userRoutes } from '../../server/http/routes/users.ts'
import { realRandom } from '../../server/ports.ts'
import { makeAccountLinks } from '../../server/services/account-links.ts'
import type { AccountLinks } from '../../server/services/account-links.ts'
import { makePasswords } from '../../server/services/auth/password.ts'
import { checkPassword } from '../../server/services/auth/password-rules.ts'
import { makeSessions } from '../../server/services/auth/sessions.ts'
import { makeThrottle } from '../../server/services/auth/throttle.ts'
import { makeAuthenticator } from '../../server/services/auth/authenticate.ts'
import { makeAccessUses } from '../../server/services/access-uses.ts'
import { makeBudget } from '../../server/services/budget.ts'
import { openCatalog } from '../../server/services/catalog.ts'
import type { Catalog } from '../../server/services/catalog.ts'
import { watchDisk } from '../../server/services/disk.ts'
import { makeMessages } from '../../server/services/messages.ts'
import { placeholderOwner, prepareInstallation } from '../../server/services/first-start.ts'
import { openPeople } from '../../server/services/open-people.ts'
import type { PeopleParts } from '../../server/services/open-people.ts'
import { makeRouting } from '../../server/services/routing.ts'
import { makeSubmit } from '../../server/services/submit.ts'
import { makeSystemMail } from '../../server/services/system-mail.ts'
import type { SystemMail } from '../../server/services/system-mail.ts'
import { openBodies } from '../../server/store/body.ts'
import { insertDomain } from '../../server/store/domains.ts'
import type { Store } from '../../server/store/open.ts'
import type { ManualClock } from '../support/clock.ts'
import { manualClock } from '../support/clock.ts'
import type { RecordingLog } from '../support/log.ts'
import { readMime, textOf } from '../support/mime-tree.ts'
import { openTestStore } from '../support/store.ts'
import type { TestStore } from '../support/store.ts'
import { GENEROUS } from './support.ts'

export const URL = 'https://mail.test'
export const GOOD_PASSWORD = 'seven quiet otters row home'

export interface Mail {
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly raw: string
}

/** A browser with somebody signed in. */
export interface Browser {
  get(url: string): Promise<LightMyRequestResponse>
  send(
    method: 'POST' | 'PATCH' | 'DELETE',
    url: string,
    body?: unknown,
  ): Promise<LightMyRequestResponse>
}

export interface PeopleWorld extends PeopleParts {
  readonly store: Store
  readonly all: TestStore['all']
  readonly clock: ManualClock
  readonly catalog: Catalog
  readonly accountLinks: AccountLinks
  readonly mail: SystemMail
  readonly log: RecordingLog
  readonly tenant: TenantId
  readonly owner: UserId
  /** The token of the first owner's setup link. */
  readonly setupToken: string
  /** Without a session. */
  post(url: string, body: unknown, ip?: string): Promise<LightMyRequestResponse>
  /** Somebody with a password, in a tenant. */
  person(
    email: string,
    role?: string,
    tenant?: TenantId,
    platformRole?: 'admin' | 'operator' | 'analyst',
  ): Promise<UserId>
  /** A browser of theirs, in a tenant. `confirmed` false: the last proof of who it is was long ago. */
  browser(
    user: UserId,
    options?: { readonly tenant?: TenantId; readonly confirmed?: boolean },
  ): Promise<Browser>
  sessionsOf(user: UserId): number
  /** What was mailed, in order. */
  mails(): Promise<readonly Mail[]>
  auditOf(action: string): readonly { target_name: string; before: string; after: string }[]
}

/** `mail` false: no sender is set. */
export async function openPeopleWorld(
  options: { readonly mail?: boolean } = {},
): Promise<PeopleWorld> {
  const clock = manualClock(Date.UTC(2026, 5, 1))
  const { store, log, dataDir, all } = await openTestStore({ clock })
  const random = realRandom
  const hashKey = Buffer.alloc(32, 7)
  const placeholderEmail = placeholderOwner('mta.test')
  const { setupToken = '' } = await prepareInstallation({
    store,
    clock,
    random,
    hashKey,
    ehlo: 'mta.test',
    ownerEmail: placeholderEmail,
  })
  const catalog = await openCatalog(store, clock, log)
  onTestFinished(() => catalog.close())
  const [{ id: tenant } = { id: asId('tenant', 0) }] = catalog.current.tenants.values()
  const now = clock.now()
  await insertDomain(
    store,
    { tenant, name: 'live.example', verifiedAt: now, dkim: [] },
    { now, record: { unaudited: 'test' } },
  )
  await catalog.refresh()

  const bodies = openBodies(store, { dataDir, cacheBytes: 1 << 20 })
  const disk = await watchDisk({ dataDir, minFreeBytes: 0, clock, log })
  onTestFinished(() => disk.close())
  const submit = makeSubmit({
    writer: store.writer,
    bodies,
    catalog,
    routing: await makeRouting({
      store,
      catalog,
      clock,
      findMx: () => Promise.reject(new Error('no test asks DNS')),
    }),
    budget: makeBudget({}, clock),
    disk,
    clock,
    random,
    settings: {
      hostname: 'mta.test',
      maxMessageBytes: 512 * 1024,
      maxRecipients: 1000,
      spoolOverBytes: 256 * 1024,
      scheduleAheadMs: 30 * 86_400_000,
      maxAgeMs: { transactional: 86_400_000, bulk: 86_400_000 },
    },
    wake: { lane: () => undefined, domain: () => undefined },
    isClosing: () => false,
  })
  const from = options.mail === false ? undefined : 'posthorn@live.example'
  const mail = makeSystemMail({ submit, catalog, log, settings: { from } })
  const parts = openPeople({
    store,
    catalog,
    clock,
    random,
    hashKey,
    publicUrl: URL,
    mail,
    requireSecondFactor: false,
  })
  const passwords = makePasswords({ random })
  const accountLinks = makeAccountLinks({
    store,
    clock,
    log,
    links: parts.links,
    mail,
    passwords: { check: checkPassword, hash: (text) => passwords.hash(text) },
    throttle: makeThrottle({ log }),
    places: { placeOf: () => ({}) },
    placeholderEmail,
  })
  const sessions = makeSessions({
    store,
    clock,
    random,
    log,
    key: Buffer.alloc(32, 9),
    settings: { idleMs: 3_600_000, lifetimeMs: 86_400_000, devices: 10, stepUpMs: 600_000 },
    personOf: (user) => parts.people.personOf(user),
    placeText: () => '{}',
    judgeMove: () => Promise.resolve('allow'),
  })
  const places = { placeOf: () => ({}) }
  const uses = makeAccessUses({ store, clock, log, places, onNewCountry: () => undefined })
  const auth = makeAuthenticator({ catalog, hashKey, clock, places, uses })

  const app = fastify({ trustProxy: true }).withTypeProvider<TypeBoxTypeProvider>()
  app.setValidatorCompiler(compileValidator)
  installBodyParsers(app)
  installErrors(app, log)
  installAuth(app, { auth, control: { sessions, publicUrl: URL }, limits: GENEROUS, clock })
  setupRoutes(app, { links: accountLinks })
  accountLinkRoutes(app, { links: accountLinks })
  invitationRoutes(app, { ...parts, links: accountLinks, sessions })
  memberRoutes(app, parts)
  roleRoutes(app, parts)
  tenantRoutes(app, { ...parts, notices: { secret: () => Promise.resolve('whsec_test') } })
  userRoutes(app, parts)
  await app.ready()
  onTestFinished(() => app.close())

  const messages = makeMessages({ store, bodies, clock, wakeLane: () => undefined })
  const owner = (await parts.people.byEmail(placeholderEmail)).id

  return {
    ...parts,
    store,
    all,
    clock,
    catalog,
    accountLinks,
    mail,
    log,
    tenant,
    owner,
    setupToken,
    post: (url, body, ip = '192.0.2.1') =>
      app.inject({
        method: 'POST',
        url,
        headers: {
          'content-type': 'application/json',
          'x-forwarded-for': ip,
          'user-agent': 'Test Browser',
        },
        payload: JSON.stringify(body),
      }),
    async person(email, role = 'analyst', place = tenant, platformRole) {
      const { user } = await parts.people.add(SYSTEM_ACTOR, {
        email,
        name: email.split('@')[0]!,
        platformRole,
        membership: { tenant: place, role },
      })
      const query = store.build
        .updateTable('users')
        .set({ password_hash: 'x', confirmed_at: clock.now() })
        .where('id', '=', user.id)
        .compile()
      await store.writer.write([{ query }], { unaudited: 'test' })
      return user.id
    },
    async browser(user, { tenant: place = tenant, confirmed = true } = {}) {
      const { email } = await parts.people.get(user)
      const whence = {
        ip: '192.0.2.9',
        userAgent: 'Test Browser',
        requestId: undefined,
        device: 'd',
      }
      const opened = await sessions.open({
        user,
        email,
        stage: 'open',
        method: 'password',
        whence,
      })
      if (!confirmed) {
        const query = store.build
          .updateTable('sessions')
          .set({ confirmed_at: clock.now() - 3_600_000 })
          .where('id', '=', opened.id)
          .compile()
        await store.writer.write([{ query }], { unaudited: 'test' })
      }
      const headers = {
        cookie: `${SESSION_COOKIE}=${opened.token}`,
        origin: URL,
        host: 'mail.test',
        'posthorn-csrf': sessions.csrfToken(opened.id),
        'posthorn-tenant': encodeId('tenant', place),
        'x-forwarded-for': whence.ip,
        'user-agent': whence.userAgent,
      }
      return {
        get: (url) => app.inject({ method: 'GET', url, headers }),
        send: (method, url, body) =>
          app.inject({
            method,
            url,
            headers: {
              ...headers,
              ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            },
            ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
          }),
      }
    },
    sessionsOf: (user) =>
      all<{ n: number }>(
        'select count(*) as n from sessions where user_id = ? and ended_at is null',
        user,
      )[0]!.n,
    async mails() {
      const rows = all<{ id: number; recipient: string; subject: string }>(
        `select m.id, d.recipient, m.subject from messages m
         join deliveries d on d.message_id = m.id order by m.id`,
      )
      return Promise.all(
        rows.map(async ({ id, recipient, subject }) => {
          const raw = (await messages.content(tenant, asId('message', id) satisfies MessageId))!
          return { to: recipient, subject, text: textOf(readMime(raw)), raw: raw.toString('utf8') }
        }),
      )
    },
    auditOf: (action) =>
      all('select target_name, before, after from audit where action = ? order by id', action),
  }
}

/** The token in a link, or in a text that has one. */
export const tokenIn = (text: string | undefined): string =>
  /#token=([\w-]+)/.exec(text ?? '')?.[1] ?? ''

export const userIdOf = (response: LightMyRequestResponse): UserId =>
  decodeId('user', response.json<{ id: string }>().id)!
