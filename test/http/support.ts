/** A whole HTTP side over a real store in a temporary directory. Requests are injected; nothing listens. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { SYSTEM_ACTOR } from '../../server/core/audit.ts'
import { asId } from '../../server/core/ids.ts'
import type { TenantId } from '../../server/core/ids.ts'
import { ALL_PERMISSIONS } from '../../server/core/permission.ts'
import type { Permission } from '../../server/core/permission.ts'
import { buildHttp } from '../../server/http/app.ts'
import type { HttpDeps } from '../../server/http/deps.ts'
import type { Clock } from '../../server/core/ports.ts'
import { realClock, realRandom } from '../../server/ports.ts'
import { OPERATOR_GRANT } from '../../server/services/access-terms.ts'
import { makeAccess } from '../../server/services/access.ts'
import type { Access } from '../../server/services/access.ts'
import { makeAuthenticator } from '../../server/services/auth/authenticate.ts'
import { makeBudget } from '../../server/services/budget.ts'
import { openCatalog } from '../../server/services/catalog.ts'
import type { Catalog } from '../../server/services/catalog.ts'
import { watchDisk } from '../../server/services/disk.ts'
import { placeholderOwner, prepareInstallation } from '../../server/services/first-start.ts'
import { makeExplain } from '../../server/services/explain.ts'
import { makeMetrics } from '../../server/services/metrics.ts'
import { makeMessages } from '../../server/services/messages.ts'
import { makeRouting } from '../../server/services/routing.ts'
import { makeSubmit } from '../../server/services/submit.ts'
import { composeControl, composeUses } from '../../server/compose-control.ts'
import type { Control } from '../../server/compose-control.ts'
import { loadConfig } from '../../server/config/load.ts'
import { loadMasterKey } from '../../server/services/auth/master-key.ts'
import { openPlaces } from '../../server/services/auth/place.ts'
import { makeSeal } from '../../server/services/auth/seal.ts'
import { makePeopleOf } from './people-of.ts'
import type { PeopleOf } from './people-of.ts'
import { makeTenants } from '../../server/services/tenants.ts'
import { openBodies } from '../../server/store/body.ts'
import { insertDomain } from '../../server/store/domains.ts'
import { openStore } from '../../server/store/open.ts'
import type { Store } from '../../server/store/open.ts'
import { makeReader } from '../../server/store/read/reader.ts'
import { recordingLog } from '../support/log.ts'
import type { RecordingLog } from '../support/log.ts'
import { readMime, textOf } from '../support/mime-tree.ts'

export interface World {
  readonly app: FastifyInstance
  readonly store: Store
  readonly catalog: Catalog
  readonly log: RecordingLog
  readonly control: Control
  readonly people: PeopleOf
  readonly access: Access
  readonly tenant: TenantId
  /** Every scope, live. */
  readonly key: string
  /** Of the first owner's link; with `firstStart` only. */
  readonly setupToken: string | undefined
  /** Rows of any query, as they are. */
  all<T>(sql: string, ...parameters: unknown[]): T[]
  /** What was accepted for sending in the first tenant, in order. */
  mails(): Promise<readonly Mail[]>
  newTenant(name: string): Promise<TenantId>
  newKey(
    tenant: TenantId,
    scopes: readonly Permission[],
    mode?: 'live' | 'test',
  ): Promise<{ secret: string; revoke(): Promise<void> }>
  post(
    url: string,
    payload: unknown,
    headers?: Record<string, string>,
  ): Promise<LightMyRequestResponse>
  get(url: string, headers?: Record<string, string>): Promise<LightMyRequestResponse>
  close(): Promise<void>
}

export interface Mail {
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly raw: string
}

/** Where people are, as their browsers tell. */
export const ORIGIN = 'http://localhost:8080'

const HOSTNAME = 'mail.test'

export const GENEROUS: HttpDeps['limits'] = {
  bodyLimit: 1024 * 1024,
  requestTimeoutMs: 60_000,
  handlerTimeoutMs: 30_000,
  keepAliveTimeoutMs: 72_000,
  requestsPerSecond: 1_000_000,
  requestBurst: 1_000_000,
  messagesPerBatch: 100,
  recipientsPerMessage: 20,
}

export interface WorldOptions {
  /** For tests in which time passes. */
  readonly clock?: Clock
  /** As the program finds an empty folder: the tenant is `default`, its owner has a setup link. */
  readonly firstStart?: boolean
}

/**
 * `live.example` is a verified domain of the tenant; mail from any other goes to the sandbox. `settings` are those of
 * the configuration file.
 */
export async function openWorld(
  changes: Partial<HttpDeps> = {},
  settings: Record<string, unknown> = {},
  options: WorldOptions = {},
): Promise<World> {
  const dataDir = mkdtempSync(join(tmpdir(), 'posthorn-http-'))
  const { clock = realClock } = options
  const random = realRandom
  const log = recordingLog()
  const masterKey = loadMasterKey(dataDir, random)
  const store = await openStore({
    dataDir,
    auditKey: masterKey.derive('audit'),
    cacheKiB: 4096,
    clock,
    log,
    onFatal: (error) => log.error({ err: error }, 'writer died'),
  })
  const hashKey = masterKey.derive('secret-hash')
  const catalog = await openCatalog(store, clock, log)
  const access = makeAccess({ store, catalog, clock, random, hashKey })
  const { setupToken } =
    options.firstStart === true
      ? await prepareInstallation({
          store,
          clock,
          random,
          hashKey,
          ehlo: HOSTNAME,
          ownerEmail: placeholderOwner(HOSTNAME),
        })
      : {}
  await catalog.refresh()
  const [first] = catalog.current.tenants.values()
  const tenant =
    first?.id ?? (await makeTenants({ store, catalog, clock }).add(SYSTEM_ACTOR, 'acme'))
  await insertDomain(
    store,
    { tenant, name: 'live.example', verifiedAt: clock.now(), dkim: [] },
    { now: clock.now(), record: { unaudited: 'test' } },
  )
  await catalog.refresh()
  const { secret: key } = await access.keys.create(SYSTEM_ACTOR, tenant, {
    name: 'all',
    scopes: ALL_PERMISSIONS,
    mode: 'live',
    grant: OPERATOR_GRANT,
  })
  const config = loadConfig({
    file: { name: 'test.json', text: JSON.stringify({ dataDir, ...settings }) },
    env: {},
    flags: {},
    hostname: HOSTNAME,
  })
  const places = await openPlaces({ ...config.security.geoip, clock, log })
  const ports = { clock, random, log, dial: () => Promise.reject(new Error('no test dials')) }
  const metrics = makeMetrics()
  const { uses, securityLog, notices, webhook, onMisplaced } = composeUses({
    ports,
    store,
    places,
    masterKey,
    metrics,
    fetch: () => Promise.reject(new Error('no test calls a webhook')),
  })
  const bodies = openBodies(store, { dataDir, cacheBytes: 1 << 20 })
  const disk = await watchDisk({ dataDir, minFreeBytes: 0, clock, log })
  const routing = await makeRouting({
    store,
    catalog,
    clock,
    findMx: () => Promise.reject(new Error('no test asks DNS')),
  })
  const submit = makeSubmit({
    writer: store.writer,
    bodies,
    catalog,
    routing,
    budget: makeBudget({}, clock),
    disk,
    clock,
    random,
    settings: {
      hostname: HOSTNAME,
      maxMessageBytes: 512 * 1024,
      maxRecipients: 1000,
      spoolOverBytes: 256 * 1024,
      scheduleAheadMs: 30 * 86_400_000,
      maxAgeMs: { transactional: 86_400_000, bulk: 86_400_000 },
    },
    wake: { lane: () => undefined, domain: () => undefined },
    isClosing: () => false,
  })
  const messages = makeMessages({ store, bodies, clock, wakeLane: () => undefined })
  const control = composeControl({
    config,
    ports,
    store,
    catalog,
    masterKey,
    seal: makeSeal(masterKey, random),
    submit,
    places,
    securityLog,
    notices,
    metrics,
    publicUrl: ORIGIN,
  })
  const app = await buildHttp({
    control: {
      ...control,
      links: control.accountLinks,
      random,
      sessionLifetimeMs: config.security.sessionLifetime,
      publicUrl: ORIGIN,
    },
    reader: makeReader(store.across.read),
    submit,
    auth: makeAuthenticator({ catalog, hashKey, clock, places, uses, onMisplaced }),
    cancel: (actor, owner, message) => messages.cancel(actor, owner, message),
    content: (owner, message) => messages.content(owner, message),
    explain: makeExplain({ store, catalog, routing }),
    metricsText: () => Promise.resolve('# TYPE posthorn_up gauge\nposthorn_up 1\n'),
    health: () =>
      Promise.resolve({ ready: true, checks: [{ name: 'disk', ok: true, detail: 'room' }] }),
    clock,
    log,
    limits: GENEROUS,
    trustedProxies: [],
    corsOrigins: [],
    publicUrl: ORIGIN,
    version: '0.0.0-test',
    ...changes,
  })
  const bearer = { authorization: `Bearer ${key}` }
  return {
    app,
    store,
    catalog,
    log,
    access,
    tenant,
    key,
    setupToken,
    all: <T>(sql: string, ...parameters: unknown[]) =>
      store.reader.prepare(sql).all(...parameters) as T[],
    async mails() {
      const rows = await store.across.read
        .selectFrom('messages')
        .innerJoin('deliveries', 'deliveries.message_id', 'messages.id')
        .select(['messages.id', 'messages.subject', 'deliveries.recipient'])
        .where('messages.tenant_id', '=', tenant)
        .orderBy('messages.id')
        .execute()
      return Promise.all(
        rows.map(async ({ id, subject, recipient }) => {
          const raw = await messages.content(tenant, asId('message', id))
          if (raw === undefined) throw new Error('The mail is not kept.')
          return { to: recipient, subject, text: textOf(readMime(raw)), raw: raw.toString('utf8') }
        }),
      )
    },
    newTenant: (name) => control.tenants.add(SYSTEM_ACTOR, name),
    control,
    people: makePeopleOf({ app, control, store, tenant }),
    async newKey(owner, scopes, mode = 'live') {
      const made = await access.keys.create(SYSTEM_ACTOR, owner, {
        name: 'made',
        scopes,
        mode,
        grant: OPERATOR_GRANT,
      })
      return {
        secret: made.secret,
        async revoke() {
          await access.keys.revoke(SYSTEM_ACTOR, owner, made.key.id)
        },
      }
    },
    post: (url, payload, headers = {}) =>
      app.inject({
        method: 'POST',
        url,
        headers: { ...bearer, 'content-type': 'application/json', ...headers },
        payload:
          typeof payload === 'string' || Buffer.isBuffer(payload)
            ? payload
            : JSON.stringify(payload),
      }),
    get: (url, headers = {}) =>
      app.inject({ method: 'GET', url, headers: { ...bearer, ...headers } }),
    async close() {
      await app.close()
      await control.close()
      await webhook.close()
      places.close()
      disk.close()
      catalog.close()
      await uses.close()
      await store.close()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** What every refusal must look like; returns its code. */
export function codeOf(response: LightMyRequestResponse): string {
  const problem = response.json<Record<string, unknown>>()
  const type = String(response.headers['content-type'])
  const isProblem =
    type.startsWith('application/problem+json') &&
    problem['status'] === response.statusCode &&
    problem['requestId'] === response.headers['x-request-id'] &&
    typeof problem['title'] === 'string' &&
    typeof problem['detail'] === 'string' &&
    problem['type'] === `/docs#${String(problem['code'])}`
  if (!isProblem) throw new Error(`Not a problem document: ${response.statusCode} ${response.body}`)
  // A stack trace or a path of ours in an answer is a leak.
  if (/node_modules|\.[tj]s:\d+|at \w+ \(/.test(response.body)) throw new Error(response.body)
  return String(problem['code'])
}

export const pathsOf = (response: LightMyRequestResponse): string[] =>
  (response.json<{ fields?: { path: string }[] }>().fields ?? []).map(({ path }) => path)

/** A message to one recipient from the verified domain. */
export const aMessage = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  from: 'Shop <orders@live.example>',
  to: 'ada@dest.example',
  subject: 'Hi',
  text: 'Hello.',
  ...changes,
})
