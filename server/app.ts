/**
 * The composition root: builds everything from configuration and ports, and nothing is built anywhere else. Building
 * opens the store; `start` opens listeners and begins to work; `close` drains, so that no accepted mail waits for a
 * time-out after a restart.
 */
import { makeDnsClient } from '../dns/client.ts'
import { formatDnsServer, systemDnsServers } from '../dns/servers.ts'
import { withCache } from '../dns/cache.ts'
import type { Config } from './config/schema.ts'
import type { LaneId } from './core/ids.ts'
import type { Ports } from './core/ports.ts'
import { findHosts, findHostsOf, findMx } from './delivery/mx.ts'
import type { HostOptions } from './delivery/mx.ts'
import { openSession } from './delivery/smtp/open-session.ts'
import { createTlsMemory } from './delivery/smtp/tls-memory.ts'
import { bullmqJobs } from './queue/bullmq.ts'
import { embeddedJobs } from './queue/embedded.ts'
import type { Jobs } from './queue/jobs.ts'
import { makeReconciler } from './queue/reconcile.ts'
import { makeAuthenticator } from './services/auth/authenticate.ts'
import type { Authenticator } from './services/auth/authenticate.ts'
import { loadMasterKey } from './services/auth/master-key.ts'
import type { MasterKey } from './services/auth/master-key.ts'
import { makeSeal } from './services/auth/seal.ts'
import type { Seal } from './services/auth/seal.ts'
import { makeBudget } from './services/budget.ts'
import { openCatalog } from './services/catalog.ts'
import type { Catalog } from './services/catalog.ts'
import { watchDisk } from './services/disk.ts'
import { effectiveLimits } from './services/limits.ts'
import { makeHosts } from './services/lane/hosts.ts'
import type { LaneDeps } from './services/lane/run.ts'
import { makeRenderer } from './services/lane/render.ts'
import { makeMetrics } from './services/metrics.ts'
import type { Metrics } from './services/metrics.ts'
import { routeDomain } from './services/route-domain.ts'
import { makeRouting } from './services/routing.ts'
import type { Routing } from './services/routing.ts'
import { makeSubmit } from './services/submit.ts'
import type { Submit } from './services/submit-contract.ts'
import { openBodies } from './store/body.ts'
import type { Bodies } from './store/body.ts'
import { openStore } from './store/open.ts'
import type { Store } from './store/open.ts'
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
  const store = await openStore({
    dataDir: config.dataDir,
    cacheKiB: Math.round(config.store.cacheSize / 1024),
    clock,
    log,
    onFatal: fatal,
  })
  const bodies = openBodies(store, {
    dataDir: config.dataDir,
    cacheBytes: config.delivery.bodyCache,
  })
  const masterKey = loadMasterKey(config.dataDir, random)
  const seal = makeSeal(masterKey.derive('seal'), random)
  const catalog = await openCatalog(store, clock, log)
  const metrics = makeMetrics()
  const disk = await watchDisk({
    dataDir: config.dataDir,
    minFreeBytes: config.store.minFreeDisk,
    clock,
    log,
  })
  const auth = makeAuthenticator(catalog, masterKey.derive('secret-hash'))
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
  const laneDeps = composeLane()
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
  const submit = makeSubmit({
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
    isClosing: () => closing !== undefined,
  })

  /** What a lane needs to reach the outside. */
  function composeLane(): LaneDeps {
    const { delivery } = config
    const tlsMemory = createTlsMemory()
    const renderer = makeRenderer({
      seal,
      returnPath: {
        domain: delivery.returnPathDomain,
        key: masterKey.derive('return-path'),
      },
    })
    return {
      writer: store.writer,
      clock,
      random,
      log,
      metrics,
      settings: {
        lingerMs: delivery.laneLinger,
        jitter: delivery.retry.jitter,
        schedules: {
          transactional: delivery.retry.transactional.schedule,
          bulk: delivery.retry.bulk.schedule,
        },
      },
      limitsOf: (lane) =>
        effectiveLimits(catalog.current, { source: lane.source, destination: lane.target }),
      hostsOf: (lane) =>
        makeHosts({
          destination: lane.target,
          clock,
          findHosts: (domain) => findHosts(domain, hostOptions),
          // A next hop is the operator's own choice: private networks are where most of them are.
          findAddressesOf: (host) =>
            findHostsOf(
              {
                kind: 'found',
                mx: [{ name: host, preference: 0 }],
                implicit: true,
                authentic: false,
                ttlMs: 0,
              },
              { ...hostOptions, allowPrivateNetworks: true },
            ),
        }),
      copyOf: async (delivered) => {
        const raw = await bodies.load(delivered.message, delivered.spool)
        if (raw === undefined) return undefined
        return renderer.render(delivered, raw, catalog.current, clock.now())
      },
      open(lane, hosts, limits) {
        const source = catalog.current.sources.get(lane.source)
        const { target } = lane
        const hop = target.kind === 'next-hop' ? target : undefined
        const tls = hop === undefined ? limits.tls : hop.tls
        return openSession({
          dial: ports.dial,
          clock,
          tlsMemory,
          hosts: hosts.hosts,
          port: hop?.port ?? delivery.port,
          source: { ip: source?.ip, ehlo: source?.ehlo ?? delivery.ehlo ?? hostname },
          tls: {
            mode: tls === 'implicit' ? 'required' : tls,
            implicit: tls === 'implicit',
            verify: hop !== undefined && tls !== 'opportunistic',
          },
          auth:
            hop?.user === undefined
              ? undefined
              : { user: hop.user, password: seal.open(hop.password ?? '') },
          timeouts: {
            connectMs: delivery.timeouts.connect,
            bannerMs: delivery.timeouts.banner,
            ehloMs: delivery.timeouts.ehlo,
            mailMs: delivery.timeouts.mail,
            rcptMs: delivery.timeouts.rcpt,
            dataMs: delivery.timeouts.data,
            bodyMs: delivery.timeouts.body,
          },
        })
      },
    }
  }

  async function shutDown(): Promise<void> {
    const grace = config.shutdownGrace
    await reconciler.stop()
    await jobs.close(grace)
    disk.close()
    catalog.close()
    dnsClient.close()
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
    async start() {
      if (config.roles.includes('worker')) {
        jobs.start(
          { lane: laneWorker.handle, route: (job) => routeDomain(job.key, routeDeps) },
          { concurrency: config.delivery.laneConcurrency },
        )
        reconciler.start()
      }
      log.info({ roles: config.roles, hostname }, 'started')
    },
    close: () => (closing ??= shutDown()),
  }
}
