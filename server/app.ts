/**
 * The composition root: builds everything from configuration and ports, and nothing is built anywhere else. Building
 * opens the store; `start` opens listeners and begins to work; `close` drains, so that no accepted mail waits for a
 * time-out after a restart.
 */
import { mkdirSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import { makeDnsClient } from '../dns/client.ts'
import { formatDnsServer, systemDnsServers } from '../dns/servers.ts'
import { withCache } from '../dns/cache.ts'
import type { Config } from './config/schema.ts'
import type { LaneId } from './core/ids.ts'
import { isLoopback } from './core/network.ts'
import type { Ports } from './core/ports.ts'
import { composeControl, composeUses } from './compose-control.ts'
import type { Control } from './compose-control.ts'
import { composeLane } from './compose-lane.ts'
import { openHttp, openSubmission } from './compose-ways-in.ts'
import type { WaysInParts } from './compose-ways-in.ts'
import { guardedFetch } from './delivery/http/guarded.ts'
import type { GuardedFetch } from './delivery/http/guarded.ts'
import { findMx } from './delivery/mx.ts'
import type { HostOptions } from './delivery/mx.ts'
import { readTrust } from './delivery/trust.ts'
import { bullmqJobs } from './queue/bullmq.ts'
import { embeddedJobs } from './queue/embedded.ts'
import type { Jobs } from './queue/jobs.ts'
import { makeReconciler } from './queue/reconcile.ts'
import type { Reconciler } from './queue/reconcile.ts'
import { makeAuthenticator } from './services/auth/authenticate.ts'
import type { Authenticator } from './services/auth/authenticate.ts'
import { loadMasterKey } from './services/auth/master-key.ts'
import type { MasterKey } from './services/auth/master-key.ts'
import { openPlaces } from './services/auth/place.ts'
import { makeSeal } from './services/auth/seal.ts'
import type { Seal } from './services/auth/seal.ts'
import { makeBudget } from './services/budget.ts'
import { openCatalog } from './services/catalog.ts'
import type { Catalog } from './services/catalog.ts'
import { watchDisk } from './services/disk.ts'
import { makeExplain } from './services/explain.ts'
import type { Explain } from './services/explain.ts'
import { healthOf } from './services/health.ts'
import { makeMessages } from './services/messages.ts'
import type { Messages } from './services/messages.ts'
import { makeMetrics } from './services/metrics.ts'
import type { Metrics } from './services/metrics.ts'
import type { Queue } from './services/queue.ts'
import { makeQuotaWatch } from './services/quota-watch.ts'
import { makeRetention } from './services/retention.ts'
import type { Retention } from './services/retention.ts'
import { routeDomain } from './services/route-domain.ts'
import { makeRouting } from './services/routing.ts'
import type { Routing } from './services/routing.ts'
import { makeSubmit } from './services/submit.ts'
import type { Submit } from './services/submit-contract.ts'
import { newSubmissionCounters } from './smtp/submission.ts'
import type { SubmissionServer } from './smtp/submission.ts'
import { openBodies } from './store/body.ts'
import type { Bodies } from './store/body.ts'
import { openStore } from './store/open.ts'
import type { Store } from './store/open.ts'
import { makeBackupWorker } from './workers/backup.ts'
import { makeLaneWorker } from './workers/lane.ts'
import { dueWakeUps } from './workers/reconcile.ts'

const RECONCILE_MS = 60_000

export interface App {
  readonly config: Config
  readonly hostname: string
  readonly ports: Ports
  readonly store: Store
  readonly bodies: Bodies
  readonly catalog: Catalog
  readonly masterKey: MasterKey
  readonly seal: Seal
  readonly auth: Authenticator
  readonly submit: Submit
  readonly routing: Routing
  readonly metrics: Metrics
  readonly jobs: Jobs
  readonly explain: Explain
  readonly queue: Queue
  readonly control: Control
  readonly messages: Messages
  readonly retention: Retention
  readonly reconciler: Reconciler
  /** Where the listeners are, once started. */
  addresses(): { http: string | undefined; submission: readonly { host: string; port: number }[] }
  /** Opens what the roles ask for. */
  start(): Promise<void>
  /** Drains and closes everything; idempotent. */
  close(): Promise<void>
}

export async function buildApp(config: Config, ports: Ports): Promise<App> {
  const { clock, random, log } = ports
  const { hostname } = config
  const fatal = (error: Error): void => {
    log.error({ err: error }, 'the writer stopped; the program ends')
    process.exitCode = 1
    process.kill(process.pid, 'SIGTERM')
  }
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 })
  const masterKey = loadMasterKey(config.dataDir, random)
  const store = await openStore({
    dataDir: config.dataDir,
    auditKey: masterKey.derive('audit'),
    cacheKiB: Math.round(config.store.cacheSize / 1024),
    clock,
    log,
    onFatal: fatal,
  })
  const bodies = openBodies(store, {
    dataDir: config.dataDir,
    cacheBytes: config.delivery.bodyCache,
  })
  const seal = makeSeal(masterKey, random)
  const catalog = await openCatalog(store, clock, log)
  const metrics = makeMetrics()
  const disk = await watchDisk({
    dataDir: config.dataDir,
    minFreeBytes: config.store.minFreeDisk,
    clock,
    log,
  })
  const dnsClient = makeDnsClient({
    clock,
    random,
    servers:
      config.dns.servers.length > 0 ? config.dns.servers.map(formatDnsServer) : systemDnsServers(),
    timeoutsMs: config.dns.timeouts,
  })
  const hostOptions: HostOptions = {
    resolver: withCache(dnsClient, {
      clock,
      maxEntries: config.dns.cacheEntries,
      maxTtlMs: config.dns.maxTtl,
    }),
    random,
    ipv6: config.delivery.ipv6,
    ownNames: new Set([hostname]),
    allowPrivateNetworks: config.delivery.allowPrivateNetworks,
  }
  const { caFile } = config.delivery
  const trust = caFile === undefined ? undefined : readTrust(caFile)
  const fetch: GuardedFetch = (request) =>
    guardedFetch(request, { ...hostOptions, clock, dial: ports.dial, trust })
  const places = await openPlaces({ ...config.security.geoip, clock, log })
  const { uses, securityLog, notices, webhook, onMisplaced } = composeUses({
    ports,
    store,
    places,
    masterKey,
    metrics,
    fetch,
  })
  const hashKey = masterKey.derive('secret-hash')
  const auth = makeAuthenticator({ catalog, hashKey, clock, places, uses, onMisplaced })
  const routing = await makeRouting({
    store,
    catalog,
    clock,
    findMx: (domain) => findMx(domain, hostOptions),
  })
  const jobs =
    config.redis.url === undefined
      ? embeddedJobs({ clock, log })
      : bullmqJobs({ url: config.redis.url, prefix: config.redis.prefix, clock, log })
  const laneDeps = composeLane({
    config,
    ports,
    hostname,
    hostOptions,
    store,
    bodies,
    catalog,
    metrics,
    seal,
    returnPathKey: masterKey.derive('return-path'),
    routing,
    wakeRouter: (domain, at) => jobs.wake({ kind: 'route', key: domain }, at),
  })
  const laneWorker = makeLaneWorker({ jobs, routing, clock, lane: laneDeps })
  const routeDeps = {
    store,
    routing,
    clock,
    random,
    log,
    metrics,
    settings: laneDeps.settings,
    wakeLane: (lane: LaneId) => laneWorker.wake(lane),
  }
  const reconciler = makeReconciler({
    jobs,
    clock,
    log,
    everyMs: RECONCILE_MS,
    due: () => dueWakeUps(store, clock),
  })
  let closing: Promise<void> | undefined
  let waysInAreClosed = false
  const quotaWatch = makeQuotaWatch(log)
  const submit = makeSubmit({
    quotaWatch,
    writer: store.writer,
    bodies,
    catalog,
    routing,
    disk,
    clock,
    random,
    budget: makeBudget(config.submission.perCredential, clock),
    settings: {
      hostname,
      maxMessageBytes: config.submission.maxMessageSize,
      maxRecipients: config.submission.maxRecipients,
      spoolOverBytes: config.store.spoolOver,
      scheduleAheadMs: config.limits.scheduleAhead,
      maxAgeMs: {
        transactional: config.delivery.retry.transactional.maxAge,
        bulk: config.delivery.retry.bulk.maxAge,
      },
    },
    wake: {
      lane: (lane) => laneWorker.wake(lane),
      domain: (domain) => jobs.wake({ kind: 'route', key: domain }, clock.now()),
    },
    // What is on its way in when the program is told to stop is still taken.
    isClosing: () => waysInAreClosed,
  })

  const messages = makeMessages({
    store,
    bodies,
    clock,
    wakeLane: (lane) => laneWorker.wake(lane),
  })
  const retention = makeRetention({
    store,
    bodies,
    clock,
    log,
    settings: {
      bodiesMs: config.store.retention.bodies,
      deliveriesMs: config.store.retention.deliveries,
      eventsMs: config.store.retention.events,
      idempotencyMs: config.store.retention.idempotencyKeys,
    },
  })
  const explain = makeExplain({ store, catalog, routing })
  const publicUrl = publicUrlOf(config)
  const control = composeControl({
    config,
    ports,
    store,
    catalog,
    masterKey,
    seal,
    submit,
    places,
    securityLog,
    notices,
    metrics,
    publicUrl,
  })
  const { queue } = control
  const backupWorker = makeBackupWorker({
    backups: control.backups,
    schedule: config.backup.schedule,
    clock,
    log,
  })
  const counters = newSubmissionCounters()
  const waysIn: WaysInParts = {
    config,
    ports,
    hostname,
    store,
    catalog,
    auth,
    control,
    publicUrl,
    submit,
    messages,
    explain,
    metrics,
    counters,
    health: () => healthOf({ store, jobs, disk, clock, isClosing: () => closing !== undefined }),
  }
  let submission: SubmissionServer | undefined
  let http: FastifyInstance | undefined
  // Another process changed lanes, routes or limits: derive the wake-ups anew instead of waiting for the minute.
  catalog.onChange(() => {
    if (config.roles.includes('worker')) void reconciler.runOnce()
  })
  metrics.observe({
    writer: () => store.writer.counts,
    lanesAtWork: () => laneWorker.atWork,
    smtpSessions: () => submission?.sessions() ?? 0,
    freeDiskBytes: () => disk.freeBytes,
    submission: () => counters,
    quotas: () => quotaWatch.counts,
    backups: () => control.backups.counts,
  })

  /** Ways in close first, then work drains, then the store: nothing is accepted that could not be kept. */
  async function shutDown(): Promise<void> {
    const grace = config.shutdownGrace
    await Promise.all([submission?.close(grace), http?.close()])
    waysInAreClosed = true
    await reconciler.stop()
    await retention.stop()
    await backupWorker.stop()
    await jobs.close(grace)
    await control.close()
    await webhook.close()
    places.close()
    disk.close()
    catalog.close()
    dnsClient.close()
    await uses.close()
    await store.close()
  }

  return {
    config,
    hostname,
    ports,
    store,
    bodies,
    catalog,
    masterKey,
    seal,
    auth,
    submit,
    routing,
    metrics,
    jobs,
    explain,
    queue,
    control,
    messages,
    retention,
    reconciler,
    addresses: () => ({
      http: httpAddress(http),
      submission: submission?.addresses() ?? [],
    }),
    async start() {
      if (config.roles.includes('submission') && config.submission.listeners.length > 0)
        submission = await openSubmission(waysIn)
      if (config.roles.includes('http')) http = await openHttp(waysIn)
      if (config.roles.includes('worker')) {
        jobs.start(
          { lane: laneWorker.handle, route: (job) => routeDomain(job.key, routeDeps) },
          { concurrency: config.delivery.laneConcurrency },
        )
        reconciler.start()
        retention.start()
        backupWorker.start()
      }
      log.info({ roles: config.roles, hostname }, 'started')
    },
    close: () => (closing ??= shutDown()),
  }
}

function httpAddress(http: FastifyInstance | undefined): string | undefined {
  const address = http?.server.address()
  if (address === null || address === undefined || typeof address === 'string') return undefined
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `http://${host}:${address.port}`
}

/** As configured, or as somebody at this very machine reaches it: by a name, since passkeys know no addresses. */
function publicUrlOf({ http, hostname }: Config): string {
  if (http.publicUrl !== undefined) return http.publicUrl
  const { host, port } = http.listen
  const isHere = isLoopback(host)
  const isAny = host === '0.0.0.0' || host === '::'
  const name = isHere ? 'localhost' : isAny ? hostname : host.includes(':') ? `[${host}]` : host
  return `${http.certificate === undefined ? 'http' : 'https'}://${name}:${port}`
}
